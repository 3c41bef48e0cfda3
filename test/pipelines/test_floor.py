import math

import cv2
import numpy as np
import pytest

from depth_perception.frames import CameraModel, DepthPrediction
from depth_perception.geometry.camera import rays
from depth_perception.pipelines.floor import LEVEL, FloorSettings, scale_from_floor

CAMERA = CameraModel.pinhole(60, 60, 39.5, 29.5, 80, 60)


def tilted(pitch, roll=0.0):
    """Up in the optical frame of a camera that looks down by ``pitch`` and leans by ``roll`` [rad]."""
    up = np.array([0, -math.cos(pitch), -math.sin(pitch)])
    turn = np.array([[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]])
    return turn @ up


def room(height=1.0, up=LEVEL, wall=6.0, table=None, camera=CAMERA):
    """Depth [m] of a floor ``height`` below and a wall ahead; ``table``: (height below, share of columns)."""
    down = -(rays(camera).astype(np.float64) @ np.asarray(up))  # metres below the camera, for each metre of depth
    with np.errstate(divide="ignore"):
        depth = np.where(down > 0, height / down, np.inf)
        if table is not None:
            below, share = table
            covers = (np.arange(camera.width) < share * camera.width)[None] & (down > 0)
            at = np.where(down > 0, below / down, np.inf)
            depth = np.where(covers & (at > 1.0), np.minimum(depth, at), depth)
    return np.minimum(depth, wall)


def estimate(depth, unit=1.0, noise=0.0, seed=0):
    depth = depth / unit * np.exp(np.random.default_rng(seed).normal(0, noise, depth.shape))
    return DepthPrediction(depth.astype(np.float32), (0.1 * depth).astype(np.float32))


@pytest.mark.parametrize("unit", [0.2, 1.0, 7.0])
def test_the_height_of_the_camera_gives_the_scale(unit):
    found = scale_from_floor(estimate(room(1.2), unit), CAMERA, 1.2)
    assert found.scale == pytest.approx(unit, rel=0.01)
    assert found.source == "floor"
    assert abs(math.log(found.scale / unit)) < 2 * found.deviation


def test_noise_is_borne():
    found = scale_from_floor(estimate(room(1.0), 3.0, 0.03), CAMERA, 1.0)
    assert found.scale == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize(("pitch", "roll"), [(0.4, 0.0), (0.2, 0.3), (-0.1, -0.1)])
def test_a_camera_that_looks_down_or_leans_needs_gravity(pitch, roll):
    up = tilted(pitch, roll)
    found = scale_from_floor(estimate(room(1.0, up), 2.0), CAMERA, 1.0, up)
    assert found.scale == pytest.approx(2.0, rel=0.02)


def test_gravity_wrong_by_two_degrees_does_little_harm():
    found = scale_from_floor(estimate(room(1.0, tilted(0.035)), 2.0), CAMERA, 1.0, LEVEL)
    assert found.scale == pytest.approx(2.0, rel=0.08)
    assert abs(math.log(found.scale / 2)) < 2 * found.deviation


def test_a_camera_that_looks_straight_down_sees_floor_alone():
    found = scale_from_floor(estimate(np.full(CAMERA.shape, 1.5), 3.0), CAMERA, 1.5, (0, 0, -1))
    assert found.scale == pytest.approx(3.0, rel=0.01)


def test_the_deviation_covers_smooth_errors_of_the_estimate():
    """They look like a slope of the floor; a robot knows better."""
    scores, logs = [], []
    for seed in range(30):
        coarse = np.random.default_rng(seed).normal(0, 0.1, (4, 5))
        field = np.exp(cv2.resize(coarse, (80, 60), interpolation=cv2.INTER_CUBIC))
        found = scale_from_floor(estimate(room(1.0) * field, 2.0), CAMERA, 1.0)
        logs.append(math.log(found.scale / 2))
        scores.append(abs(logs[-1]) / found.deviation)
    assert np.mean(np.array(scores) < 2) > 0.85
    assert np.std(logs) < 0.1


def test_a_table_is_not_the_floor():
    found = scale_from_floor(estimate(room(1.2, table=(0.5, 0.5)), 2.0), CAMERA, 1.2)
    assert found.scale == pytest.approx(2.0, rel=0.02)


def test_no_floor_no_scale():
    wall = np.full(CAMERA.shape, 3.0)
    assert scale_from_floor(estimate(wall), CAMERA, 1.0) is None
    assert scale_from_floor(estimate(np.full(CAMERA.shape, np.nan)), CAMERA, 1.0) is None
    ceiling = room(1.0, up=tuple(-np.asarray(LEVEL)))
    assert scale_from_floor(estimate(ceiling), CAMERA, 1.0) is None


def test_holes_in_the_estimate_are_borne():
    depth = room(1.0)
    depth[::3, ::4] = np.nan
    assert scale_from_floor(estimate(depth, 2.0), CAMERA, 1.0).scale == pytest.approx(2.0, rel=0.02)


def test_a_height_known_badly_gives_a_scale_known_badly():
    well = scale_from_floor(estimate(room()), CAMERA, 1.0)
    badly = scale_from_floor(estimate(room()), CAMERA, 1.0, settings=FloorSettings(height_deviation=0.2))
    assert badly.deviation >= 0.2 > 2 * well.deviation


def test_a_large_image_is_read_in_small():
    camera = CameraModel.pinhole(480, 480, 319.5, 239.5, 640, 480)
    found = scale_from_floor(estimate(room(1.0, camera=camera), 2.0), camera, 1.0)
    assert found.scale == pytest.approx(2.0, rel=0.02)
    assert found.count < 160 * 120
