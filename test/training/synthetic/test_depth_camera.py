from __future__ import annotations

import numpy as np
import pytest

from depth_perception.frames import CameraModel
from training.synthetic.depth_camera import DepthCamera, measure

CAMERA = CameraModel.pinhole(80, 80, 39.5, 29.5, 80, 60)


def wall(z, normal=(0.0, 0.0, -1.0)):
    return np.full((60, 80), z, np.float32), np.broadcast_to(np.array(normal, np.float32), (60, 80, 3))


def spread(z, sensor):
    depth, normal = wall(z)
    got, deviation = measure(depth, normal, CAMERA, sensor, np.random.default_rng(0))
    return np.nanstd(got - depth), np.nanmean(deviation)


def test_noise_grows_with_distance_as_the_deviation_says():
    sensor = DepthCamera(step=0.0)
    near, said_near = spread(0.6, sensor)
    far, said_far = spread(3.0, sensor)
    assert said_near == pytest.approx(0.0012 + 0.0019 * 0.04, rel=0.35)
    assert said_far == pytest.approx(0.0012 + 0.0019 * 2.6**2, rel=0.35)
    assert near == pytest.approx(said_near, rel=0.3)
    assert far == pytest.approx(said_far, rel=0.3)


def test_steep_surfaces_far_ones_and_steps_are_lost():
    depth, normal = wall(1.0, (1.0, 0.0, 0.0))
    steep, _ = measure(depth, normal, CAMERA, DepthCamera(), np.random.default_rng(0))
    middle = steep[:, 36:44]
    assert np.isnan(middle).all()
    far, _ = measure(*wall(9.0), CAMERA, DepthCamera(), np.random.default_rng(0))
    assert np.isnan(far).all()
    depth, normal = wall(1.0)
    depth = depth.copy()
    depth[:, 40:] = 2.0
    step, deviation = measure(depth, normal, CAMERA, DepthCamera(edge_holes=0.5), np.random.default_rng(0))
    assert 0.3 < np.isnan(step[:, 39:41]).mean() < 0.7
    assert not np.isnan(step[:, :35]).any()
    assert np.array_equal(np.isnan(step), np.isnan(deviation))


def test_disparity_steps_show():
    depth, normal = wall(2.0)
    sensor = DepthCamera(near=0.0, far=0.0, step=0.01)
    got, _ = measure(
        depth + np.linspace(0, 0.3, 80, dtype=np.float32), normal, CAMERA, sensor, np.random.default_rng(0)
    )
    assert len(np.unique(np.round(got, 5))) < 12
