from __future__ import annotations

import pytest
import torch

from training.tasks.monocular_scores import boundary_f1, depth_scores, edges, plane_residual

K = torch.tensor([[[40.0, 0, 31.5], [0, 40, 23.5], [0, 0, 1]]])
SIZE = (48, 64)


def test_scores_after_median_scaling_are_the_hand_worked_ones():
    truth = torch.tensor([[[[0.0, 1.0, 2.0, 4.0]]]])
    depth = torch.tensor([[[[9.0, 0.1, 0.2, 0.6]]]])  # times 10 by the medians 2 and 0.2
    found = depth_scores(depth, truth)
    assert found["abs_rel"].item() == pytest.approx((0 + 0 + 0.5) / 3)
    assert found["delta1"].item() == pytest.approx(2 / 3)
    two = depth_scores(torch.cat([depth, depth]), torch.cat([truth, 0 * truth]))
    assert two["abs_rel"] == found["abs_rel"]  # images without truth do not count
    assert depth_scores(depth, 0 * truth) == {}


def test_a_plane_in_any_scale_has_no_residual_and_a_wavy_one_has_its_waves():
    x = torch.arange(64).float().expand(1, 1, *SIZE)
    plane = 1 / (0.3 + 0.002 * x)  # inverse depth of a plane is linear over the image
    segment = torch.ones(1, *SIZE, dtype=torch.long)
    assert plane_residual(0.07 * plane, plane, K, segment)["plane_residual"] < 1e-6
    wavy = torch.full((1, 1, *SIZE), 2.0)
    wavy[..., ::2] = 2.04  # 1 % up and down about the middle
    found = plane_residual(wavy, 0 * wavy + 2, K, segment)["plane_residual"].item()
    assert found == pytest.approx(0.02 / 2.02, rel=0.05)


def test_each_region_has_a_plane_of_its_own():
    depth = torch.full((1, 1, *SIZE), 2.0)
    depth[..., 32:] = 3.0
    segment = torch.ones(1, *SIZE, dtype=torch.long)
    assert plane_residual(depth, depth, K, segment)["plane_residual"] > 0.05
    segment[..., 32:] = 2
    assert plane_residual(depth, depth, K, segment)["plane_residual"] < 1e-6
    assert plane_residual(depth, depth, K, 0 * segment) == {}


def box(left=20):
    depth = torch.full((1, 1, *SIZE), 3.0)
    depth[..., 10:30, left : left + 20] = 2.0
    return depth


def test_edges_at_their_place_count_whatever_the_scale():
    assert boundary_f1(0.1 * box(), box())["boundary_f1"] == 1
    assert boundary_f1(box(21), box())["boundary_f1"] > 0.9  # a pixel off
    far_off = boundary_f1(box(26), box())["boundary_f1"]
    assert far_off < 0.8
    assert boundary_f1(torch.ones_like(box()), box())["boundary_f1"] == 0
    noisy = box() * (1 + 0.3 * torch.rand(box().shape, generator=torch.Generator().manual_seed(0)))
    assert boundary_f1(noisy, box())["boundary_f1"] < 0.6  # edges everywhere are no edges


def test_unknown_truth_has_no_edges():
    truth = box()
    truth[..., :, 30:] = 0
    assert boundary_f1(box(), truth)["boundary_f1"] > 0.99
    assert boundary_f1(box(), torch.ones_like(truth)) == {}
    assert int(edges(box(), 0.1).sum()) == 22 * 22 - 18 * 18  # two pixels thick, all around
