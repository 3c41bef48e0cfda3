from __future__ import annotations

import math

import pytest
import torch

from depth_perception.geometry.warping import rays
from training.losses.planes import coplanarity, manhattan, normals, plane_depth

SIZE = (32, 40)
K = torch.tensor([[[40.0, 0, 19.5], [0, 40, 15.5], [0, 0, 1]]])
WALL, FLOOR = (0.3, 0.1, 1.0, 3.0), (0.0, 1.0, 0.2, 1.2)  # n and n . X


def plane(*planes):
    """Depth (B, 1, H, W) of planes n . X = d."""
    ray = rays(K, *SIZE)[0]
    return torch.stack([d / (a * ray[0] + b * ray[1] + c * ray[2]) for a, b, c, d in planes])[:, None]


def whole(batch=1):
    return torch.ones(batch, *SIZE, dtype=torch.long)


def test_a_plane_is_found_exactly_and_costs_nothing():
    depth = plane(WALL)
    found = plane_depth(depth, K, whole(), 0.1, 10)
    assert torch.allclose(found, depth, rtol=1e-3)
    assert coplanarity(depth, K, whole()) < 2e-3


def test_the_unit_of_depth_does_not_matter():
    depth = plane(WALL)
    for unit in (0.02, 30.0):
        found = plane_depth(unit * depth, K, whole(), 1e-3, 1e3)
        assert torch.allclose(found, unit * depth, rtol=1e-3), unit


def test_regions_and_images_do_not_mix():
    depth = plane(WALL, (0.0, 0.0, 1.0, 2.0))
    depth[1, :, 16:] = 4.0  # the second image shows two walls
    segment = whole(2)
    segment[1, 16:] = 2
    both = K.repeat(2, 1, 1)
    assert torch.allclose(plane_depth(depth, both, segment, 0.1, 10), depth, rtol=2e-3)
    segment[1] = 1  # taken as one, they are none
    assert (plane_depth(depth, both, segment, 0.1, 10)[1] - depth[1]).abs().mean() > 0.3
    segment[1, :, :20] = 0
    assert (plane_depth(depth, both, segment, 0.1, 10)[1, :, :, :20] == 0).all()


def test_a_bump_costs_its_height_and_is_pushed_back():
    depth = plane((0.0, 0.0, 1.0, 2.0))
    depth[..., 10:14, 10:14] = 2.3
    depth.requires_grad_()
    loss = coplanarity(depth, K, whole())
    # 16 of 1280 pixels stand out by 0.3, and the plane leans a little towards them
    assert 0.3 * 16 / 1280 < loss.item() < 3 * 0.3 * 16 / 1280
    loss.backward()
    assert (depth.grad[..., 10:14, 10:14] > 0).all()
    assert coplanarity(depth, K, 0 * whole()) == 0


def test_normals_are_those_of_the_plane_and_face_the_camera():
    for part in (WALL, FLOOR):
        n = torch.tensor(part[:3]) / math.hypot(*part[:3])
        depth = plane(part)
        if part is FLOOR:
            depth, camera = depth[..., 20:, :], K - torch.tensor([[0.0, 0, 0], [0, 0, 20], [0, 0, 0]])
        else:
            camera = K
        found = normals(depth, camera)
        assert found.shape == (1, 3, *depth.shape[2:])
        assert torch.allclose(found, -n.view(1, 3, 1, 1).expand_as(found), atol=2e-3)


def test_normals_near_a_main_direction_are_drawn_to_it():
    tilt = math.radians(10)
    depth = plane((math.sin(tilt), 0.0, math.cos(tilt), 2.0)).requires_grad_()
    axes = torch.eye(3)
    directions = torch.cat([axes, -axes])[None]
    loss = manhattan(depth, K, whole(), directions)
    assert loss.item() == pytest.approx(1 - math.cos(tilt), abs=1e-4)
    # later in training less is still close: at epoch 60 the cosine must exceed 0.998
    assert manhattan(depth, K, whole(), directions, epoch=60) == 0
    assert manhattan(depth, K, 0 * whole(), directions) == 0
    assert manhattan(depth, K, whole(), 0 * directions) == 0, "no directions, no loss"
    loss.backward()
    # it turns: one side is pulled nearer, the other pushed away
    left, right = depth.grad[..., 4:16].sum(), depth.grad[..., 24:36].sum()
    assert left * right < 0


def test_cosines_are_exact_under_autocast():
    depth, axes = plane((0.05, 0.0, 1.0, 2.0)), torch.eye(3)
    directions = torch.cat([axes, -axes])[None]
    plain = manhattan(depth, K, whole(), directions)
    with torch.autocast("cpu", torch.bfloat16):
        assert manhattan(depth, K, whole(), directions).item() == pytest.approx(plain.item(), rel=1e-3)
        assert coplanarity(depth, K, whole()) < 2e-3
