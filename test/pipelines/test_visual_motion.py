import cv2
import numpy as np
import pytest

from depth_perception.frames import CameraModel, DepthPrediction
from depth_perception.geometry.camera import rays
from depth_perception.pipelines.scale_measurement import scale_from_motion
from depth_perception.pipelines.visual_motion import grey, track, visual_motion

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


def estimate(depth, unit=1.0):
    depth = (depth / unit).astype(np.float32)
    return DepthPrediction(depth, 0.05 * depth)


@pytest.mark.parametrize("angle", [0.0, 0.05])
def test_motion_is_found_in_units_of_the_estimate(angle):
    first, depth = view()
    T = moved((0.15, -0.05, 0.1), angle)
    second, _ = view(T)
    found = visual_motion(first, second, estimate(depth, 4.0), CAMERA)
    assert found.tracks > 30
    np.testing.assert_allclose(found.T[:3, 3], T[:3, 3] / 4.0, atol=0.02 / 4)
    np.testing.assert_allclose(found.T[:3, :3], T[:3, :3], atol=0.01)
    way = np.linalg.norm(T[:3, 3]) / 4
    assert abs(np.linalg.norm(found.T[:3, 3]) - way) < 3 * found.deviation < way
    scale = scale_from_motion(T[:3, 3], found.T[:3, 3], 0.002, found.deviation)
    assert scale.scale == pytest.approx(4.0, rel=0.05)


def test_standing_still_is_no_baseline():
    first, depth = view()
    found = visual_motion(first, first, estimate(depth), CAMERA)
    assert found is None or scale_from_motion((0.2, 0, 0), found.T[:3, 3], 0.002, found.deviation) is None


def test_nothing_to_follow_says_nothing():
    _, depth = view()
    blank = np.full(CAMERA.shape, 128, np.uint8)
    assert track(blank, blank)[0].shape == (0, 2)
    assert visual_motion(blank, blank, estimate(depth), CAMERA) is None
    first, _ = view()
    other = np.random.default_rng(5).integers(0, 256, CAMERA.shape, dtype=np.uint8)
    assert visual_motion(first, other, estimate(depth), CAMERA) is None
    assert visual_motion(first, first, estimate(np.full(CAMERA.shape, np.nan)), CAMERA) is None


def test_the_same_images_give_the_same_answer():
    first, depth = view()
    second, _ = view(moved((0.1, 0, 0.05)))
    one, two = (visual_motion(first, second, estimate(depth), CAMERA) for _ in range(2))
    np.testing.assert_array_equal(one.T, two.T)


def test_colour_becomes_grey():
    image = np.zeros((4, 5, 3), np.uint8)
    image[..., 1] = 200
    assert grey(image).shape == (4, 5)
    assert grey(image)[0, 0] == pytest.approx(0.587 * 200, abs=1)
