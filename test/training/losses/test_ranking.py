from __future__ import annotations

import math

import pytest
import torch

from training.losses.ranking import edge_pairs, ranking_loss


def row(*values):
    return torch.tensor(values, dtype=torch.float32).view(1, 1, 1, -1)


def test_pairs_by_hand():
    label, depth = row(0, 1, 1.01, 9), row(0.5, 0.2, 0.6, 0)
    valid = row(1, 1, 1, 0) > 0
    pairs = torch.tensor([[[0, 1], [2, 0], [1, 2], [0, 3]]])
    wrong, right, equal = math.log(1 + math.exp(0.3)), math.log(1 + math.exp(-0.1)), 0.4**2
    assert ranking_loss(depth, label, valid, pairs).item() == pytest.approx((wrong + right + equal) / 3, rel=1e-5)
    assert ranking_loss(depth, label, valid & False, pairs).item() == 0


def test_the_right_order_costs_less_and_gradients_pull_towards_it():
    label = row(0, 1, 2, 3)
    pairs = torch.tensor([[[0, 1], [1, 2], [3, 2]]])
    valid = label >= 0
    assert ranking_loss(label, label, valid, pairs) < ranking_loss(-label, label, valid, pairs)
    depth = torch.zeros(1, 1, 1, 4, requires_grad=True)
    ranking_loss(depth, label, valid, pairs).sum().backward()
    assert depth.grad[0, 0, 0, 0] > 0 > depth.grad[0, 0, 0, 3]


def step_image(height=32, width=48):
    image = torch.zeros(2, 3, height, width)
    image[0, :, :, 20:] = 1
    image[1, :, 12:] = 1
    return image


def test_pairs_lie_across_the_edge():
    pairs = edge_pairs(step_image(), 50, torch.Generator().manual_seed(0))
    assert pairs.shape == (2, 200, 2)
    assert pairs.min() >= 0
    assert pairs.max() < 32 * 48
    at_edges = pairs[:, :150].view(2, 50, 3, 2)
    column, row_of = at_edges % 48, at_edges // 48
    middle = column[0, :, 1]
    assert ((middle[:, 0] < 20) == (middle[:, 1] >= 20)).float().mean() > 0.8
    assert (row_of[0, :, 1, 0] == row_of[0, :, 1, 1]).all()  # straight across an upright edge
    assert (column[1, :, 1, 0] == column[1, :, 1, 1]).all()
    assert ((column[0, :, 0] < 21).all(1) | (column[0, :, 0] > 18).all(1)).float().mean() > 0.8  # on one side
    assert (at_edges[0, :, 0, 1] == at_edges[0, :, 1, 0]).all()  # neighbours share a point


def test_some_pairs_lie_anywhere_and_a_seed_fixes_all():
    first, again = (edge_pairs(step_image(), 400, torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(first, again)
    anywhere = first[0, 1200:] % 48
    assert anywhere.float().std() > 12
    assert not torch.equal(first, edge_pairs(step_image(), 400, torch.Generator().manual_seed(5)))


def test_a_picture_without_edges_still_gives_pairs():
    pairs = edge_pairs(torch.full((1, 3, 16, 16), 0.5), 10)
    assert pairs.shape == (1, 40, 2)
    assert 0 <= pairs.min() <= pairs.max() < 256
