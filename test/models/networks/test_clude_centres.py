"""Centres stay in order whatever the network says, and follow the points where guidance is on."""

from __future__ import annotations

import math

import pytest
import torch

from depth_perception.models.clude import CludeConfig
from depth_perception.models.networks.clude_centres import ClusteringTransformer, Span, find_span, move, reach


def small(**changes) -> CludeConfig:
    return CludeConfig(**{"centres_count": 6, "channels": 8, "heads": 2, "layers": 1, **changes})


def points(*depths: float):
    logs = torch.zeros(1, 1, 4, 4)
    logs.view(-1)[: len(depths)] = torch.log(torch.tensor(depths))
    known = torch.zeros_like(logs)
    known.view(-1)[: len(depths)] = 1
    return logs, known


@pytest.mark.parametrize("amount", [1.0, 10.0, 1000.0])
def test_order_is_kept_by_the_wildest_moves(amount):
    torch.manual_seed(0)
    centres = torch.sort(torch.randn(4, 6), 1).values
    moved = move(centres, amount * torch.randn(4, 6), amount * torch.randn(4, 1))
    assert (moved[:, 1:] > moved[:, :-1]).all()
    assert not torch.allclose(moved, centres)


def test_a_move_without_a_say_moves_nothing():
    centres = torch.sort(torch.randn(2, 6), 1).values
    torch.testing.assert_close(move(centres, torch.zeros(2, 6), torch.zeros(2, 1)), centres)


def test_move_by_hand():
    centres = torch.tensor([[0.0, 1.0, 3.0]])
    far = torch.tensor([[0.0, 20.0, 0.0]])  # tanh is 1: the first gap doubles
    torch.testing.assert_close(move(centres, far, torch.zeros(1, 1)), torch.tensor([[-2 / 3, 4 / 3, 10 / 3]]))
    shifted = move(centres, torch.zeros(1, 3), torch.full((1, 1), 20.0))  # two mean gaps of 1.5
    torch.testing.assert_close(shifted, centres + 3.0)


def test_reach_is_half_the_way_to_the_closer_neighbour():
    torch.testing.assert_close(reach(torch.tensor([[0.0, 1.0, 4.0]])), torch.tensor([[0.5, 0.5, 1.5]]))


def test_first_centres_are_ordered_and_inside_the_span_however_uneven():
    torch.manual_seed(0)
    layer = ClusteringTransformer(small(), 5)
    torch.nn.init.normal_(layer.width[2].weight, std=100.0)
    span = Span(torch.tensor([[-2.0], [-1.0]]), torch.tensor([[1.0], [0.0]]))
    embeddings, cells, centres = layer(torch.randn(2, 5, 3, 2), span)
    assert embeddings.shape == (2, 6, 8)
    assert cells.shape == (2, 8, 3, 2)
    gaps = centres[:, 1:] - centres[:, :-1]
    assert (gaps > 0).all()
    assert gaps.max() > 3 * gaps.min(), "the widths were meant to be uneven"
    assert (centres > span.low).all()
    assert (centres < span.high).all()


def test_guidance_spans_the_points():
    span = find_span(small(), *points(0.5, 0.6, 1.0))
    assert span.low.item() < math.log(0.5)
    assert span.high.item() > math.log(1.0)
    assert span.high.item() - span.low.item() < math.log(2.0) + 1.0


def test_one_outlier_does_not_stretch_the_span_to_itself():
    many = [1.0 + 0.01 * k for k in range(15)]
    span = find_span(small(), *points(*many, 1e-3))
    assert span.low.item() > math.log(1e-3) + 0.5


@pytest.mark.parametrize("changes", [{"guidance": False}, {"centres": "log"}, {"centres": "uniform"}])
def test_without_guidance_or_when_fixed_every_image_has_the_same_span(changes):
    one, other = (find_span(small(**changes), *points(*d)) for d in ((0.5, 0.6), (0.02, 2.0)))
    assert one.low == other.low == pytest.approx(math.log(0.01))
    assert one.high == other.high == pytest.approx(math.log(2.5))


def test_a_span_without_any_point_is_finite():
    span = find_span(small(), *points())
    assert torch.isfinite(span.low).all()
    assert span.high > span.low


def test_fixed_centres_are_even_in_depth_or_in_its_logarithm():
    features = torch.randn(1, 5, 3, 2)
    for kind, told in (("uniform", torch.exp), ("log", torch.clone)):
        config = small(centres=kind, nearest=0.1, farthest=2.0)
        layer = ClusteringTransformer(config, 5)
        centres = told(layer(features, find_span(config, *points(1.0)))[2])
        steps = centres[:, 1:] - centres[:, :-1]
        torch.testing.assert_close(steps, steps[:, :1].expand_as(steps), rtol=1e-3, atol=1e-3)
        assert layer.width is None


def test_without_guidance_no_centre_is_told_a_depth():
    assert ClusteringTransformer(small(guidance=False), 5).guide is None
