from __future__ import annotations

import pytest
from rosbags.rosbag2.metadata import dump_qos_v8, dump_qos_v9, parse_qos

from depth_perception.recordings.qos import QosProfile, default_qos, from_rosbags, merge, to_rosbags


@pytest.mark.parametrize("dump", [dump_qos_v8, dump_qos_v9])
@pytest.mark.parametrize(
    "profile",
    [
        QosProfile(),
        QosProfile("best_effort", "volatile", "keep_last", 5),
        QosProfile("reliable", "transient_local", "keep_all", 1),
    ],
)
def test_round_trip_through_number_and_word_forms(dump, profile):
    stored = dump([to_rosbags(profile)])
    assert from_rosbags(parse_qos(stored)[0], "/x") == profile


def test_form_of_old_distributions():
    text = (
        "- history: 3\n  depth: 0\n  reliability: 1\n  durability: 1\n"
        "  deadline: {sec: 9223372036, nsec: 854775807}\n  lifespan: {sec: 9223372036, nsec: 854775807}\n"
        "  liveliness: 1\n  liveliness_lease_duration: {sec: 9223372036, nsec: 854775807}\n"
        "  avoid_ros_namespace_conventions: false"
    )
    assert from_rosbags(parse_qos(text)[0], "/map") == QosProfile("reliable", "transient_local", "keep_last", 10)


def test_several_publishers_give_the_strongest():
    weak = QosProfile("best_effort", "volatile", "keep_last", 3)
    latched = QosProfile("reliable", "transient_local", "keep_last", 1)
    assert merge([weak, latched, latched], "/a") == QosProfile("reliable", "transient_local", "keep_last", 5)
    assert merge([weak, QosProfile("best_effort", depth=8)], "/a") == QosProfile("best_effort", depth=8)


def test_defaults_by_topic():
    assert default_qos("/tf_static").latched
    assert default_qos("/robot/tf_static").latched
    assert default_qos("/tf").depth == 100
    assert merge([], "/tf_static").latched
    assert default_qos("/image") == QosProfile()


def test_bad_words_are_named():
    with pytest.raises(ValueError, match="reliability: 'sure'"):
        QosProfile(reliability="sure")
    with pytest.raises(ValueError, match="depth: -1"):
        QosProfile(depth=-1)
