import cv2
import numpy as np
import pytest

from depth_perception.frames import CameraModel, DepthPrediction
from depth_perception.geometry.camera import rays
from depth_perception.pipelines.parallax import grey, scale_from_parallax, track, triangulate

CAMERA = CameraModel.pinhole(150, 150, 79.5, 59.5, 160, 120)


def texture():
    """A lively wall, (400, 600) grey."""
    rng = np.random.default_rng(0)
    return cv2.GaussianBlur(rng.integers(0, 256, (400, 600)).astype(np.float32), (0, 0), 2.5)


def view(T_camera_wall=None):
    """Image and depth [m] of a slanted textured wall seen after moving: T maps the first camera's points."""
    T = np.eye(4) if T_camera_wall is None else T_camera_wall
    normal, offset = np.array([0.4, 0.1, 1.0]), 3.0  # normal @ x = offset in the first camera
    R, t = T[:3, :3], T[:3, 3]
    directions = rays(CAMERA).astype(np.float64)
    turned = directions @ R  # rows: R^T d
    depth = (offset + normal @ (R.T @ t)) / (turned @ normal)
    where = turned * depth[..., None] - R.T @ t
    wall = texture()
    u, v = (where[..., 0] * 120 + 300).astype(np.float32), (where[..., 1] * 120 + 200).astype(np.float32)
    seen = cv2.remap(wall, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    seen = np.clip((seen - 127) * 4 + 127, 0, 255).astype(np.uint8)
    return seen, depth


def moved(translation, angle=0.0):
    T = np.eye(4)
    T[:3, :3] = cv2.Rodrigues(np.array([0.0, angle, 0.0]))[0]
    T[:3, 3] = translation
    return T


def estimate_of(depth, unit=1.0, noise=0.0, relative=0.05):
    """The truth in other units, wrong by a smooth field."""
    field = cv2.resize(
        np.random.default_rng(3).normal(0, noise, (5, 7)), depth.shape[::-1], interpolation=cv2.INTER_CUBIC
    )
    depth = (depth / unit * np.exp(field)).astype(np.float32)
    return DepthPrediction(depth, np.float32(relative) * depth)


def measure(T, depth, first, second, unit=4.0, noise=0.0, way=0.02, turn=0.001, relative=0.05):
    return scale_from_parallax(first, second, T, estimate_of(depth, unit, noise, relative), CAMERA, way, turn)


@pytest.mark.parametrize("angle", [0.0, 0.05])
def test_corners_are_triangulated_in_metres(angle):
    first, depth = view()
    T = moved((0.25, -0.05, 0.1), angle)
    second, _ = view(T)
    here, there = track(first, second)
    assert len(here) > 30
    corners = triangulate(here, there, T, CAMERA)
    known = np.isfinite(corners.depth)
    assert known.mean() > 0.4
    row, column = np.rint(here[known]).astype(int).T[::-1]
    ratio = corners.depth[known] / depth[row, column]
    assert np.median(ratio) == pytest.approx(1, abs=0.01)
    assert (np.abs(ratio - 1) < 0.2).all()
    found = measure(T, depth, first, second)
    assert found.source == "odometry"
    assert found.scale == pytest.approx(4.0, rel=0.02)
    assert abs(np.log(found.scale / 4)) < 2 * found.deviation < 0.12


def test_errors_of_the_estimate_do_not_bias_the_scale():
    first, depth = view()
    T = moved((0.25, -0.05, 0.1))
    second, _ = view(T)
    found = measure(T, depth, first, second, noise=0.25, relative=0.25)
    assert abs(np.log(found.scale / 4)) < 2 * found.deviation
    assert found.scale == pytest.approx(4.0, rel=0.15)


def test_odometry_that_is_less_sure_makes_the_scale_less_sure():
    first, depth = view()
    T = moved((0.25, 0, 0.05))
    second, _ = view(T)
    sure = measure(T, depth, first, second).deviation
    assert measure(T, depth, first, second, way=0.1).deviation >= 0.1 > 2 * sure
    assert measure(T, depth, first, second, turn=0.02).deviation > 2 * sure


def test_motion_that_the_images_do_not_show_tells_nothing():
    first, depth = view()
    second, _ = view(moved((0.25, 0, 0)))
    assert measure(moved((0.25, 0, 0)), depth, first, second) is not None
    assert measure(moved((0, 0.25, 0)), depth, first, second) is None  # corners leave their epipolar lines
    assert measure(moved((-0.25, 0, 0)), depth, first, second) is None  # they would be behind the camera
    assert measure(moved((0.25, 0, 0)), depth, first, first) is None  # nothing has moved
    near, _ = view(moved((0.01, 0, 0)))
    assert measure(moved((0.01, 0, 0)), depth, first, near) is None  # too little parallax


def test_a_third_that_moves_by_itself_does_no_harm():
    first, depth = view()
    T = moved((0.25, 0, 0))
    second, _ = view(T)
    second = second.copy()
    second[:, :50] = np.roll(first, 9, axis=0)[:, :50]
    assert measure(T, depth, first, second).scale == pytest.approx(4.0, rel=0.04)


def test_nothing_to_follow_says_nothing():
    first, depth = view()
    blank = np.full(CAMERA.shape, 128, np.uint8)
    assert track(blank, blank)[0].shape == (0, 2)
    T = moved((0.2, 0, 0))
    assert measure(T, depth, blank, blank) is None
    other = np.random.default_rng(5).integers(0, 256, CAMERA.shape, dtype=np.uint8)
    assert measure(T, depth, first, other) is None
    second, _ = view(T)
    assert measure(T, np.full(CAMERA.shape, np.nan), first, second) is None


def test_colour_becomes_grey():
    image = np.zeros((4, 5, 3), np.uint8)
    image[..., 1] = 200
    assert grey(image).shape == (4, 5)
    assert grey(image)[0, 0] == pytest.approx(0.587 * 200, abs=1)
