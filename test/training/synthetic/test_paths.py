from __future__ import annotations

import numpy as np
import pytest

from training.synthetic.paths import WaypointPath, room_path, street_path


def test_waypoints_are_passed():
    positions = np.array([[0, 0, 0], [1, 0, 0], [2, 1, 0], [3, 1, 0.5]], float)
    path = WaypointPath(np.array([0.0, 1, 2, 4]), positions, np.array([2.7, 2.8, 3.0, -3.0]), sway=0.0, bob=0.0)
    poses = path.poses(np.array([0.0, 1, 2, 4]))
    np.testing.assert_allclose(poses[:, :3, 3], positions, atol=1e-12)
    yaw = np.arctan2(poses[:, 1, 0], poses[:, 0, 0])
    np.testing.assert_allclose(yaw, [2.7, 2.8, 3.0, -3.0], atol=1e-12)
    between = path.poses(np.array([3.0]))[0]
    assert abs(np.arctan2(between[1, 0], between[0, 0])) > 2.9  # the short way round


def test_it_stands_still_outside_its_times():
    path = WaypointPath(np.array([0.0, 1]), np.array([[0, 0, 0], [1, 0, 0]], float), np.zeros(2), sway=0.0, bob=0.0)
    np.testing.assert_allclose(path.poses(np.array([-5.0, 7.0]))[:, 0, 3], [0, 1])
    alone = WaypointPath(np.array([0.0]), np.array([[1.0, 2, 3]]), np.array([0.5]), sway=0.0, bob=0.0)
    np.testing.assert_allclose(alone.poses(np.array([3.0]))[0, :3, 3], [1, 2, 3])


@pytest.mark.parametrize("path", [room_path(5.0), street_path(5.0)])
def test_demo_paths_are_smooth_rigid_motions(path):
    times = np.linspace(0.05, 4.95, 491)
    poses = path.poses(times)
    identity = np.einsum("nij,nkj->nik", poses[:, :3, :3], poses[:, :3, :3])
    np.testing.assert_allclose(identity, np.broadcast_to(np.eye(3), identity.shape), atol=1e-9)
    speed = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1) / 0.01
    assert 0.1 < speed.mean() < 6.0
    assert np.abs(np.diff(speed)).max() < 0.2  # no jumps
