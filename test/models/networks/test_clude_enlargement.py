"""The last doubling: a choice, not a blur."""

from __future__ import annotations

import pytest
import torch

from depth_perception.models.networks.clude_encoder import points_at_full_size
from depth_perception.models.networks.clude_enlargement import ConvexEnlargement, neighbours

GAP = torch.full((1, 1, 1, 1), 0.1)


def enlarged(coarse: torch.Tensor, points: dict[tuple[int, int], float] | None = None, factor: int = 2):
    torch.manual_seed(0)
    layer = ConvexEnlargement(2, 3, factor)
    height, width = coarse.shape[2] * factor, coarse.shape[3] * factor
    logs, known = torch.zeros(1, 1, height, width), torch.zeros(1, 1, height, width)
    for (row, column), value in (points or {}).items():
        logs[0, 0, row, column], known[0, 0, row, column] = value, 1
    features, fine = torch.zeros(1, 2, *coarse.shape[2:]), torch.zeros(1, 3, height, width)
    relative = torch.full_like(coarse, 0.05)
    return [x.detach() for x in layer(features, fine, coarse, relative, points_at_full_size(logs, known), GAP)]


def test_neighbours_by_hand():
    x = torch.arange(6.0).reshape(1, 1, 2, 3)
    around = neighbours(x)[0, :, 0, 0, 0]
    assert around.tolist() == [0, 0, 1, 0, 0, 1, 3, 3, 4]


@pytest.mark.parametrize("factor", [2, 4])
def test_a_surface_stays_and_a_step_stays_a_step(factor):
    coarse = torch.zeros(1, 1, 3, 4)
    coarse[..., 2:] = 1.0
    depth, _ = enlarged(coarse, factor=factor)
    assert depth.shape == (1, 1, 3 * factor, 4 * factor)
    assert depth[..., : 2 * factor].max() < 0.15
    assert depth[..., 2 * factor :].min() > 0.85


def test_a_measured_pixel_is_its_point_between_two_surfaces_too():
    coarse = torch.zeros(1, 1, 3, 4)
    coarse[..., 2:] = 1.0
    depth, _ = enlarged(coarse, {(2, 3): 1.02, (2, 1): -0.02})
    assert depth[0, 0, 2, 3] == pytest.approx(1.02, abs=0.1)  # across the edge of its cell
    assert depth[0, 0, 2, 1] == pytest.approx(-0.02, abs=0.01)
    assert depth[0, 0, 3, 3] < 0.1


def test_blended_surfaces_are_uncertain():
    coarse = torch.zeros(1, 1, 3, 4)
    coarse[..., 2:] = 3.0
    _, relative = enlarged(coarse)
    assert (relative >= 0.049).all()
    assert relative[0, 0, 2, 3] > 2 * relative[0, 0, 2, 0]


def test_two_surfaces_of_equal_weight_are_not_averaged():
    coarse = torch.zeros(1, 1, 3, 4)
    coarse[..., 2:] = 1.0
    for one_surface in (True, False):
        torch.manual_seed(0)
        layer = ConvexEnlargement(2, 3, 2, one_surface)
        torch.nn.init.zeros_(layer.weigh.bias)  # all nine alike
        logs = points_at_full_size(torch.zeros(1, 1, 6, 8), torch.zeros(1, 1, 6, 8))
        features, fine = torch.zeros(1, 2, 3, 4), torch.zeros(1, 3, 6, 8)
        depth, _ = layer(features, fine, coarse, torch.full_like(coarse, 0.05), logs, GAP)
        between = ((depth > 0.2) & (depth < 0.8)).any()
        assert between != one_surface
