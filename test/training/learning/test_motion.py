from __future__ import annotations

import numpy as np
import pytest

from training.learning.motion import FEWEST_TRACKS, corners, glance, measure, rotation


def seen(look, camera, pose):
    return glance(look(pose)[0], camera)


def test_a_camera_that_stands_sees_nothing_move(look, camera, pose):
    found = measure(seen(look, camera, pose()), seen(look, camera, pose()))
    assert found.tracked > 0.95
    assert found.flow < 1e-4
    assert found.parallax < 1e-3


def test_flow_is_that_of_what_is_near_as_a_share_of_the_width(look, camera, pose):
    found = measure(seen(look, camera, pose()), seen(look, camera, pose(x=0.1)))
    near, far = 0.1 * 140 / 2 / 160, 0.1 * 140 / 4 / 160  # f * baseline / depth over the width
    assert far * 0.9 < found.flow < near * 1.1
    assert found.parallax > 0.3 * (near - far)


def test_turning_moves_everything_and_shows_no_parallax(look, camera, pose):
    found = measure(seen(look, camera, pose()), seen(look, camera, pose(yaw=0.06)))
    assert 1.0 < found.flow / (0.06 * 140 / 160) < 1.33  # more towards the sides: 1 + tan² of the angle
    assert found.parallax < 0.004


def test_a_known_rotation_is_taken_as_it_is(look, camera, pose):
    first, second = pose(), pose(x=0.1, yaw=0.05)
    R = (np.linalg.inv(second) @ first)[:3, :3]
    found = measure(seen(look, camera, first), seen(look, camera, second), R)
    assert found.parallax == pytest.approx(0.1 * 140 / 2 / 160, rel=0.3)
    wrong = measure(seen(look, camera, first), seen(look, camera, second), np.eye(3))
    assert wrong.parallax == pytest.approx(wrong.flow, rel=1e-6)


def test_noise_on_a_plain_wall_has_no_corners(camera):
    rng = np.random.default_rng(0)
    gray = np.clip(128 + rng.normal(0, 1, (120, 160)), 0, 255).astype(np.uint8)
    assert len(corners(gray)) < FEWEST_TRACKS


def test_two_different_places_have_no_motion_between_them(look, camera, pose):
    found = measure(seen(look, camera, pose()), seen(look, camera, pose(x=1.9, y=1.1)))
    assert found.tracked < 0.3


def test_rotation_is_found_among_points_that_move_otherwise():
    rng = np.random.default_rng(0)
    before = rng.normal(0, 0.3, (200, 3)) + np.array([0, 0, 1])
    before /= np.linalg.norm(before, axis=1, keepdims=True)
    angle = 0.1
    R = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    after = before @ R.T
    after[:40, 0] += 0.1  # near things
    assert np.allclose(rotation(before, after / np.linalg.norm(after, axis=1, keepdims=True)), R, atol=2e-3)


def test_pictures_of_two_sizes_are_refused(look, camera, pose):
    first = seen(look, camera, pose())
    with pytest.raises(ValueError, match="cannot be compared"):
        measure(first, first._replace(gray=first.gray[:50]))
