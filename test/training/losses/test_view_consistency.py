"""Consistency over a virtual view: by hand, and as what pulls a wrong shift to the right one."""

from __future__ import annotations

import math

import pytest
import torch

from depth_perception.geometry.splatting import Rendering
from depth_perception.geometry.virtual_views import RoundTrip, inverse_pose, pose_about, random_poses, round_trip
from depth_perception.geometry.warping import rays
from training.losses.view_consistency import ViewConsistencyCriterion, mean_of_seen, relative_miss

HEIGHT, WIDTH = 30, 40
K = torch.tensor([[[34.0, 0, 19.5], [0, 34, 14.5], [0, 0, 1]]])
STILL = torch.eye(4)[None]


def corner(T_world_camera: torch.Tensor) -> torch.Tensor:
    """Depth of two walls that meet, over a floor."""
    directions = (T_world_camera[:, :3, :3] @ rays(K, HEIGHT, WIDTH).flatten(2)).view(1, 3, HEIGHT, WIDTH)
    depth = torch.full((1, 1, HEIGHT, WIDTH), math.inf)
    for *normal, distance in ((0.6, 0, 1, 4.0), (-0.8, 0.1, 1, 4.5), (0, 1, 0, 1.2)):
        n = torch.tensor(normal, dtype=torch.float32)
        t = (distance - T_world_camera[0, :3, 3] @ n) / (directions * n.view(1, 3, 1, 1)).sum(1, keepdim=True)
        depth = torch.where(t > 0, torch.minimum(depth, t), depth)
    return depth


def trip_of(estimate, there, back, mask, scale=1.0, image=None):
    image = torch.zeros(len(estimate), 3, *estimate.shape[2:]) if image is None else image
    return RoundTrip(
        STILL.expand(len(estimate), 4, 4),
        Rendering(image, there, mask),
        image,
        estimate,
        torch.full((len(estimate), 1, 1, 1), scale),
        scale * estimate,
        Rendering(image, back, mask),
    )


def row(*values):
    return torch.tensor(values, dtype=torch.float32).view(1, 1, 1, -1).expand(1, 1, 3, -1).clone()


def test_terms_by_hand():
    mask = row(1, 1, 0) > 0
    trip = trip_of(row(1, 3, 99), row(4, 4, 0), row(2.2, 1.5, 0), mask, scale=2.0)
    parts = ViewConsistencyCriterion(view=1.0, frame=10.0, image=0.0)(torch.zeros(1, 3, 3, 3), row(2, 2, 5), trip)
    assert parts["view"].item() == pytest.approx((2 / 4 + 2 / 4) / 2)
    assert parts["frame"].item() == pytest.approx((0.1 + 0.25) / 2)
    assert parts["image"].item() == 0
    assert parts["loss"].item() == pytest.approx(0.5 + 10 * 0.175)


def test_colours_count_where_something_came_back():
    mask = torch.zeros(1, 1, 6, 8, dtype=torch.bool)
    mask[..., 4:] = True
    image = torch.rand(1, 3, 6, 8)
    depth = torch.ones(1, 1, 6, 8)
    dark = torch.where(mask, image, 0.0)
    criterion = ViewConsistencyCriterion()
    same = criterion(image, depth, trip_of(depth, depth, depth, mask, image=dark))
    other = criterion(image, depth, trip_of(depth, depth, depth, mask, image=torch.where(mask, 1 - image, 0.0)))
    assert same["image"].item() == pytest.approx(0, abs=1e-6)
    assert other["image"].item() > 0.2


def test_one_side_moves_at_a_time():
    values, target = row(1, 3).requires_grad_(), row(2, 2).requires_grad_()
    mask = row(1, 1) > 0
    relative_miss(values, target, mask, 0).backward()
    assert target.grad is None
    assert torch.allclose(values.grad, torch.tensor([-1.0, 1.0]).expand(1, 1, 3, 2) / 2 / 6)
    values.grad = None
    relative_miss(values, target, mask, 1).backward()
    assert values.grad is None
    assert torch.allclose(target.grad, torch.tensor([1.0, -1.0]).expand(1, 1, 3, 2) / 2 / 6)


def test_images_without_anything_to_compare_do_not_count():
    values = torch.tensor([[[[1.0, 3.0]]], [[[7.0, 7.0]]]])
    mask = torch.tensor([[[[True, True]]], [[[False, False]]]])
    assert mean_of_seen(values, mask).item() == 2
    assert mean_of_seen(values, mask & False).item() == 0


def test_terms_are_faded_in():
    criterion = ViewConsistencyCriterion(start=0.2, full=0.6)
    assert [criterion.strength(p) for p in (0, 0.2, 0.3, 0.6, 1)] == pytest.approx([0, 0, 0.25, 1, 1])
    assert ViewConsistencyCriterion(start=0.5, full=0.5).strength(0.6) == 1
    depth, mask = row(2, 2), row(1, 1) > 0
    trip = trip_of(row(1, 1), depth, depth, mask)
    image = torch.zeros(1, 3, 3, 2)
    parts = [criterion(image, depth, trip, progress=p)["loss"].item() for p in (0.1, 0.4, 0.9)]
    assert parts == pytest.approx([0, parts[2] / 2, parts[2]])
    assert parts[2] > 0
    with pytest.raises(ValueError, match="start"):
        ViewConsistencyCriterion(start=0.7, full=0.6)


def test_true_depth_costs_nothing_and_a_shift_costs():
    image = torch.rand(1, 3, HEIGHT, WIDTH)
    T = pose_about(torch.tensor([3.0]), torch.tensor([[13.0, 5, 0]]), torch.zeros(1, 3))
    cost = {}
    for shift in (0.0, 0.6):
        trip = round_trip(image, corner(STILL) + shift, K, T, lambda _, shift=shift: corner(inverse_pose(T)) + shift)
        cost[shift] = ViewConsistencyCriterion(image=0.0)(image, corner(STILL) + shift, trip)
    assert cost[0.0]["view"] < 2e-3
    assert cost[0.0]["frame"] < 4e-3
    assert cost[0.6]["view"] > 8 * cost[0.0]["view"]


def test_a_flat_depth_that_faces_the_camera_costs_less_than_a_good_one_with_noise():
    """Why these terms cannot stand alone."""
    torch.manual_seed(0)
    image, truth = torch.rand(1, 3, HEIGHT, WIDTH), corner(STILL)
    T = pose_about(torch.tensor([3.0]), torch.tensor([[3.0, 1, 0]]), torch.zeros(1, 3))
    flat = torch.full_like(truth, 3.0)
    noise = 1 + 0.05 * torch.randn(2, 1, HEIGHT, WIDTH)
    collapsed = round_trip(image, flat, K, T, lambda _: flat)
    noisy = round_trip(image, truth * noise[:1], K, T, lambda _: corner(inverse_pose(T)) * noise[1:])
    criterion = ViewConsistencyCriterion(image=0.0)
    assert ((flat - truth).abs() / truth).mean() > 3 * (noise - 1).abs().mean()
    assert criterion(image, flat, collapsed)["loss"] < criterion(image, truth * noise[:1], noisy)["loss"]


def test_learning_from_it_takes_a_wrong_shift_away():
    generator = torch.Generator().manual_seed(0)
    criterion = ViewConsistencyCriterion(image=0.0)
    shift = torch.tensor(0.5, requires_grad=True)  # all that this network can learn
    optimizer = torch.optim.Adam([shift], lr=0.05)
    image = torch.rand(1, 3, HEIGHT, WIDTH)
    for step in range(20):
        depth = corner(STILL) + shift
        T = random_poses(depth, generator)
        trip = round_trip(image, depth, K, T, lambda _, T=T: corner(inverse_pose(T)) + shift)
        optimizer.zero_grad()
        criterion(image, depth, trip, step)["loss"].backward()
        optimizer.step()
    assert abs(shift.item()) < 0.15
