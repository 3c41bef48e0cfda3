"""Encoder sizes, and pooling of points that knows where none are."""

from __future__ import annotations

import pytest
import torch

from depth_perception.models.networks.clude_encoder import Encoder, points_at_full_size, pool_points


def pyramid(depth: list[list[float]], how: str):
    """Pool log depths once; 0 means no point."""
    value = torch.tensor(depth)[None, None]
    return pool_points(points_at_full_size(value, (value != 0).float()), how)


def test_features_halve_from_stage_to_stage():
    encoder = Encoder((8, 8, 12, 12, 16), (0, 1, 0, 1, 0)).eval()
    features = encoder(torch.zeros(1, 3, 32, 48), torch.zeros(1, 3, 32, 48))
    assert [tuple(f.shape[1:]) for f in features] == [(8, 32, 48), (8, 16, 24), (12, 8, 12), (12, 4, 6), (16, 2, 3)]


def test_least_and_greatest_are_those_of_points_only():
    # negative and positive logarithms: neither may be beaten by the 0 of a pixel without a point
    pooled = pyramid([[-0.7, 0.0, 0.0, 0.4], [-0.2, 0.0, 0.9, 0.0]], "minmax")
    torch.testing.assert_close(pooled.least[0, 0, 0], torch.tensor([-0.7, 0.4]))
    torch.testing.assert_close(pooled.greatest[0, 0, 0], torch.tensor([-0.2, 0.9]))
    assert pooled.known.tolist() == [[[[1.0, 1.0]]]]


@pytest.mark.parametrize("how", ["minmax", "average", "nearest"])
def test_a_cell_without_points_says_so(how):
    pooled = pyramid([[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.5, 0.5]], how)
    assert pooled.known[0, 0, 0].tolist() == [0.0, 1.0]
    assert pooled.least[0, 0, 0].tolist() == pytest.approx([0.0, 0.5])
    assert pooled.greatest[0, 0, 0].tolist() == pytest.approx([0.0, 0.5])


def test_pooling_again_is_pooling_at_once():
    torch.manual_seed(0)
    value = torch.randn(1, 1, 8, 8) * (torch.rand(1, 1, 8, 8) < 0.3)
    points = points_at_full_size(value, (value != 0).float())
    twice = pool_points(pool_points(points))
    for row in range(2):
        for column in range(2):
            cell = value[0, 0, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            inside = cell[cell != 0]
            if len(inside):
                assert twice.least[0, 0, row, column] == inside.min()
                assert twice.greatest[0, 0, row, column] == inside.max()
    averaged = pool_points(pool_points(points, "average"), "average")
    inside = value[0, 0, :4, :4][value[0, 0, :4, :4] != 0]
    torch.testing.assert_close(averaged.least[0, 0, 0, 0], inside.mean())


def test_average_and_nearest_lose_the_second_surface():
    depths = [[-0.8, 0.8], [0.8, 0.0]]
    averaged = pyramid(depths, "average")
    assert averaged.least.item() == pytest.approx(0.8 / 3)
    assert averaged.greatest.item() == averaged.least.item()
    first = pyramid(depths, "nearest")
    assert first.least.item() == first.greatest.item() == pytest.approx(-0.8)
