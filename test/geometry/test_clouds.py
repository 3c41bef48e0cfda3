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


def flying_along_rows(depth, threshold):
    """The definition, pixel by pixel: between two surfaces, and standing out to both sides."""
    height, width = depth.shape
    between, alone = np.zeros(depth.shape, bool), np.zeros(depth.shape, bool)
    if width < 3:
        return between, alone
    known = np.where(depth > 0, depth, np.nan).astype(np.float32)
    w = np.float32(1) / known

    def at(row, column):
        edge, inner, out = (0, 1, -column) if column < 0 else (width - 1, width - 2, column - width + 1)
        return w[row, column] if 0 <= column < width else w[row, edge] + out * (w[row, edge] - w[row, inner])

    for row in range(height):
        for column in range(1, width - 1):
            here = w[row, column]
            left, right = here - w[row, column - 1], w[row, column + 1] - here
            if not (abs(left) > threshold * w[row, column - 1] and abs(right) > threshold * w[row, column + 1]):
                continue
            goes_on = False
            for side, step in ((-1, left), (1, right)):
                second = side * (at(row, column + 2 * side) - at(row, column + side)) / step
                far = side * (at(row, column + 4 * side) - here) / (4 * step)
                goes_on |= bool(0.6 < second < 1.6 and 0.8 < far < 1.25)
            between[row, column] = left * right > 0 and not goes_on
            alone[row, column] = not left * right > 0
    return between, alone


@pytest.mark.parametrize("threshold", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("kind", ["random", "holes", "ramps", "plane", "thin"])
def test_flying_pixels_are_those_of_the_definition(kind, threshold):
    generator = np.random.default_rng(3)
    depth = generator.uniform(0.5, 5.0, (2, 30) if kind == "thin" else (24, 30)).astype(np.float32)
    if kind == "holes":
        depth[generator.random(depth.shape) < 0.2] = np.nan
        depth[generator.random(depth.shape) < 0.1] = 0.0
    elif kind == "ramps":
        depth = np.cumsum(depth, axis=1, dtype=np.float32)
    elif kind == "plane":
        depth = plane([0.3, 1, 0.02], 0.5)[50:90, 40:80]
        depth[10:20, 15:25] *= np.float32(0.5)
    with np.errstate(invalid="ignore", divide="ignore"):
        across, alone_in_row = flying_along_rows(depth, threshold)
        down, alone_in_column = (found.T for found in flying_along_rows(depth.T, threshold))
    expected = across | down | (alone_in_row & alone_in_column)
    found = clouds.flying_pixels(depth, threshold)
    assert found.any() or kind == "plane"
    assert (found != expected).mean() <= 0.002  # a step within rounding of a bound may fall on either side
