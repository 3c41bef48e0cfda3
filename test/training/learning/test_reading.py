from __future__ import annotations

import numpy as np
import pytest

from depth_perception.evaluation.recording_topics import TopicError
from training.learning.reading import RecordedLooks

START, PERIOD = 1_700_000_000_000_000_000, 100_000_000


def test_images_come_with_place_points_and_truth(moving, camera):
    with RecordedLooks(moving) as looks:
        found = list(looks.looks())
        assert looks.world == "odom"
        assert looks.topics.points == "/lidar/points"
        assert len(found) == looks.image_count == 26
        assert not looks.problems
        look = found[3]
        measured, truth = look.measured(), look.truth()
    assert look.stamp == START + 4 * PERIOD
    assert look.camera.shape == camera.shape
    assert look.T_world_camera[0, 3] == pytest.approx(-0.65 + 3 * 0.05)
    assert truth.shape == camera.shape
    at = truth[measured.rows, measured.columns]
    assert np.median(np.abs(measured.depth - at)) < 0.01
    assert len(np.unique(measured.ring)) == 16


def test_reading_goes_on_behind_a_stamp_and_at_a_rate(moving):
    with RecordedLooks(moving) as looks:
        stamps = [look.stamp for look in looks.looks(after=START + 5 * PERIOD, period=3 * PERIOD)]
    assert [(s - START) // PERIOD for s in stamps] == [8, 11, 14, 17, 20, 23, 26]


def test_odometry_tells_poses_where_tf_does_not(bags):
    with RecordedLooks(bags("odometry", motion="odometry")) as looks:
        assert looks.world == "odom"
        first = next(iter(looks.looks()))
    assert first.T_world_camera[0, 3] == pytest.approx(-0.65)


def test_without_motion_messages_no_place_is_known(bags):
    with RecordedLooks(bags("lost", motion="")) as looks:
        assert looks.world == ""
        assert next(iter(looks.looks())).T_world_camera is None


def test_a_camera_alone_is_enough(bags):
    with RecordedLooks(bags("camera", points=False)) as looks:
        assert not looks.has_range_data
        found = list(looks.looks())
    assert len(found) == 26
    assert found[0].measured() is None
    assert found[0].truth() is None


def test_images_without_points_can_be_left_out(bags):
    bag = bags("few_clouds", cloud_every=5)
    with RecordedLooks(bag, needs_points=True) as looks:
        assert len(list(looks.looks())) == 6
    with RecordedLooks(bag) as looks:
        found = list(looks.looks())
        assert len(found) == 26
        assert sum(look.measured() is not None for look in found) == 6


def test_a_recording_without_camera_info_is_refused(bags):
    with pytest.raises(TopicError, match="no camera_info topic"):
        RecordedLooks(bags("uncalibrated", info=False))
