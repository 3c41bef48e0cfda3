from __future__ import annotations

import numpy as np

from training.synthetic.viewpoints import lidar_place, random_camera, random_sensor, white_balance
from training.synthetic.worlds import build_world
from training.synthetic.worlds.world import clearance


def test_cameras_are_as_wide_as_real_ones():
    rng = np.random.default_rng(0)
    cameras = [random_camera(rng, 240, 320) for _ in range(100)]
    wide = np.degrees([2 * np.arctan(160 / camera.K[0, 0]) for camera in cameras])
    assert 40 <= wide.min() < 50
    assert 90 < wide.max() <= 100
    off = np.array([camera.K[:2, 2] / (319, 239) for camera in cameras])
    assert (np.abs(off - 0.5) <= 0.16).all()
    assert off.std() > 0.01


def test_sensors_and_colours_vary():
    rng = np.random.default_rng(0)
    sensors = [random_sensor(rng, 2.0) for _ in range(50)]
    assert max(s.exposure for s in sensors) > 2 * min(s.exposure for s in sensors)
    assert max(s.shot for s in sensors) > 5 * min(s.shot for s in sensors)
    gains = np.array([white_balance(rng) for _ in range(50)])
    np.testing.assert_allclose(gains.mean(1), 1.0, atol=1e-6)
    assert gains.std() > 0.02


def test_the_lidar_is_beside_the_camera_and_free():
    world = build_world(4, "warehouse")
    rng = np.random.default_rng(0)
    for pose in world.camera_poses(rng, 5):
        mount = lidar_place(world, pose, rng)
        assert np.linalg.norm(mount[:3, 3]) <= world.baseline + 1e-9
        assert clearance(world.scene, (pose @ mount)[None, :3, 3])[0] > 0.1
