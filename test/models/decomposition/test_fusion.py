import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from depth_perception.frames import CameraModel, PosedDepth
from depth_perception.models.decomposition.fusion import BAND, FusedSurface, image_normals
from depth_perception.models.decomposition.grid import NodeGrid

CAMERA = CameraModel.pinhole(50.0, 50.0, 31.5, 23.5, 64, 48)
GRID = NodeGrid.cover((-0.4, -0.3, 0.7), (0.4, 0.3, 1.3), 0.02, 10**6)


def wall(z=1.0, slope=0.0):
    """A camera at the origin that looks along z at a plane z = ``z`` + ``slope`` x."""
    x = (np.arange(64) - 31.5) / 50
    depth = np.broadcast_to(z / (1 - slope * x), (48, 64)).astype(np.float32)
    return PosedDepth(0, "c", np.zeros((48, 64, 3), np.uint8), CAMERA, depth, np.eye(4))


def fused(*frames):
    surface = FusedSurface(GRID, 4.0, 2.5)
    for frame in frames:
        surface.add(frame)
    return surface


def test_distances_are_signed_metric_and_truncated():
    surface = fused(wall())
    distance, known = surface.sample(torch.tensor([[0.1, 0.1, 0.95], [0.1, 0.1, 1.03], [0.1, 0.1, 0.75]]))
    np.testing.assert_allclose(distance, [0.05, -0.03, 0.08], atol=2e-3)
    assert known.all()
    _, known = surface.sample(torch.tensor([[0.1, 0.1, 1.2], [2.0, 0.0, 1.0]]))
    assert not known.any(), "behind the wall and outside the box nothing was observed"


def test_a_slanted_wall_is_as_far_as_its_normal_says():
    surface = fused(wall(1.0, 0.8))
    points = torch.tensor([[0.0, 0.0, 0.95], [0.1, 0.05, 1.05]])
    exact = (1.0 + 0.8 * points[:, 0] - points[:, 2]) / np.hypot(1, 0.8)
    distance, _ = surface.sample(points)
    np.testing.assert_allclose(distance, exact, atol=6e-3)


def test_views_are_averaged():
    surface = fused(wall(0.98), wall(1.02), wall(1.0))
    distance, _ = surface.sample(torch.tensor([[0.0, 0.0, 0.96]]))
    assert float(distance) == pytest.approx(0.04, abs=5e-3)


def test_what_is_seen_through_is_gone():
    near = fused(wall(0.9))
    assert float(near.sample(torch.tensor([[0.0, 0.0, 0.91]]))[0]) < 0
    for _ in range(6):
        near.add(wall(1.2))
    assert float(near.sample(torch.tensor([[0.0, 0.0, 0.91]]))[0]) > 0.02


def test_nodes_near_the_surface_come_back_with_their_pixels():
    surface = FusedSurface(GRID, 4.0, 2.5)
    nodes, pixels = surface.add(wall())
    points = GRID.points(nodes)
    assert (points[:, 2] - 1.0).abs().max() <= BAND * GRID.cell * 1.3
    row, column = pixels // 64, pixels % 64
    np.testing.assert_allclose(points[:, 0] / points[:, 2] * 50 + 31.5, column, atol=0.51)
    np.testing.assert_allclose(points[:, 1] / points[:, 2] * 50 + 23.5, row, atol=0.51)


def test_frames_without_depth_change_nothing():
    surface = fused(wall())
    before = surface.distance.clone()
    nodes, _ = surface.add(dataclasses.replace(wall(), depth=np.full((48, 64), np.nan, np.float32)))
    assert len(nodes) == 0
    assert torch.equal(surface.distance, before)


def test_normals_are_unit_and_look_at_the_camera():
    normals = image_normals(wall(1.0, 0.8))
    exact = np.array([0.8, 0.0, -1.0]) / np.hypot(1, 0.8)
    np.testing.assert_allclose(normals[5:-5, 5:-5], np.broadcast_to(exact, (38, 54, 3)), atol=0.05)
    depth = wall().depth.copy()
    depth[10, 10] = np.nan
    assert np.isnan(image_normals(dataclasses.replace(wall(), depth=depth))[10, 10]).all()


def test_normals_hold_up_to_an_edge():
    depth = wall().depth.copy()
    depth[:, 32:] = 2.0
    normals = image_normals(dataclasses.replace(wall(), depth=depth))
    assert (normals[8:-8, 6:-6, 2] < -0.95).all()
