from __future__ import annotations

import numpy as np
import pytest

from depth_perception.frames import CameraModel
from depth_perception.visualization.cloud_view import BACKGROUND, orbit, render_cloud

CAMERA = CameraModel.pinhole(60.0, 60.0, 39.5, 29.5, 80, 60)


def scene():
    depth = np.full((60, 80), 4.0, np.float32)
    image = np.zeros((60, 80, 3), np.uint8)
    image[..., 2] = 200  # blue wall
    depth[20:40, 30:50] = 2.0
    image[20:40, 30:50] = (200, 0, 0)  # red box before it
    return depth, image


def test_from_the_cameras_own_place_the_image_comes_back():
    depth, image = scene()
    picture = render_cloud(depth, image, CAMERA, np.eye(4), flying_threshold=0.5)
    same = np.all(picture == image, axis=2)
    assert same.mean() > 0.97


def test_box_moves_against_the_wall_when_the_viewer_steps_right():
    depth, image = scene()
    T = np.eye(4)
    T[0, 3] = -0.5  # points move to the left as seen by a viewer who went right
    picture = render_cloud(depth, image, CAMERA, T, flying_threshold=0.5)
    red = np.nonzero(np.all(picture == (200, 0, 0), axis=2))[1]
    shift = 39.5 - red.mean()
    assert shift == pytest.approx(60 * 0.5 / 2.0, abs=1.0)
    assert np.all(picture == BACKGROUND, axis=2).any()  # what the box hid is unknown, not smeared


def test_orbit_keeps_the_pivot_in_the_middle():
    depth, _ = scene()
    T = orbit(depth, yaw=25, pitch=10, back=0.2)
    pivot = T @ np.array([0, 0, 4.0, 1.0])
    np.testing.assert_allclose(pivot[:3], [0, 0, 4.8], atol=1e-9)
    viewer = np.linalg.inv(T)[:3, 3]
    assert viewer[0] < 0  # to the left
    assert viewer[1] < 0  # above: y points down


def test_unknown_depth_gives_an_empty_view():
    picture = render_cloud(np.full((60, 80), np.nan, np.float32), np.zeros((60, 80, 3), np.uint8), CAMERA)
    assert np.all(picture == BACKGROUND)


def test_sizes_must_match():
    with pytest.raises(ValueError, match="differ in size"):
        render_cloud(np.ones((10, 10), np.float32), np.zeros((60, 80, 3), np.uint8), CAMERA)
