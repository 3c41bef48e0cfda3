"""Depth images to points, and which pixels hang in the air."""

from __future__ import annotations

import numpy as np
import pytest

from depth_perception.frames import CameraModel
from depth_perception.geometry import camera as cameras
from depth_perception.geometry import clouds

CAMERA = CameraModel.pinhole(500.0, 500.0, 79.5, 59.5, 160, 120)


def plane(normal, distance):
    """Depth of the plane normal . X = distance as the camera sees it; NaN where it does not."""
    slope = cameras.rays(CAMERA).astype(np.float64) @ np.asarray(normal, float)
    with np.errstate(divide="ignore"):
        depth = distance / slope
    return np.where(depth > 0, depth, np.nan).astype(np.float32)


def test_depth_to_points_projects_back():
    depth = plane([0.2, 0.1, 1.0], 3.0)
    depth[5, 7] = np.nan
    points = clouds.depth_to_points(depth, cameras.rays(CAMERA))
    assert points.dtype == np.float32
    assert np.isnan(points[5, 7]).all()
    pixels, z = cameras.project(CAMERA, points.reshape(-1, 3))
    known = np.isfinite(z)
    np.testing.assert_allclose(pixels[known], cameras.pixel_grid(CAMERA.shape)[known], atol=1e-3)
    with pytest.raises(ValueError, match="do not fit"):
        clouds.depth_to_points(depth[:-1], cameras.rays(CAMERA))


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("vertical", [False, True])
def test_pixels_between_two_surfaces_are_flying(width, vertical):
    depth = np.full((40, 60), 2.0, np.float32)
    depth[:, 30:] = 6.0
    ramp = np.linspace(2.0, 6.0, width + 2)[1:-1]
    depth[:, 30 : 30 + width] = ramp
    expected = np.zeros(depth.shape, bool)
    expected[:, 30 : 30 + width] = True
    if vertical:
        depth, expected = depth.T.copy(), expected.T
    found = clouds.flying_pixels(depth, 0.05)
    assert not (found & ~expected).any()
    assert found[expected].mean() > 0.6  # of a ramp, at least the middle


@pytest.mark.parametrize(
    ("normal", "distance"),
    [([0, 0, 1], 2.0), ([0, 1, 0], 0.3), ([1, 0, 0], 0.2), ([0.3, 1, 0.02], 0.5), ([1, 0.1, 0.05], 1.0)],
)
def test_planes_survive_at_any_slant(normal, distance):
    depth = plane(normal, distance)
    assert not clouds.flying_pixels(depth, 0.05).any()
    steep = np.abs(np.diff(depth, axis=0)) / depth[1:] > 0.05
    steep_across = np.abs(np.diff(depth, axis=1)) / depth[:, 1:] > 0.05
    if normal in ([0, 1, 0], [1, 0, 0]):
        assert steep.any() or steep_across.any()  # a plain two-sided threshold would cut these


def test_sharp_edges_wires_and_specks():
    depth = np.full((40, 60), 5.0, np.float32)
    depth[:, 30:] = 9.0  # an edge: every pixel lies on a surface
    depth[:, 10] = 2.0  # a wire one pixel wide
    depth[20, :] = np.where(depth[20] > 2.0, depth[20], 2.0)
    depth[15, 45] = 7.0  # a speck that touches nothing
    found = clouds.flying_pixels(depth, 0.05)
    assert np.argwhere(found).tolist() == [[15, 45]]


def test_small_steps_and_missing_values_do_not_fly():
    depth = np.full((20, 20), 5.0, np.float32)
    depth[:, 10] = 5.2
    depth[:, 11:] = 5.4
    assert not clouds.flying_pixels(depth, 0.05).any()
    assert clouds.flying_pixels(depth, 0.03)[:, 10].all()
    depth[:, 9] = np.nan
    assert not clouds.flying_pixels(depth, 0.03).any()
    assert not clouds.flying_pixels(np.full((5, 5), np.nan, np.float32), 0.05).any()
    assert clouds.flying_pixels(np.zeros((0, 4), np.float32), 0.05).shape == (0, 4)
    assert clouds.flying_pixels(np.ones((2, 2), np.float32), 0.05).shape == (2, 2)
    with pytest.raises(ValueError, match="threshold"):
        clouds.flying_pixels(depth, -0.1)
