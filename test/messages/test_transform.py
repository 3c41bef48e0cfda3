from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_perception.messages.transform import tf_message, transform_from_message, transform_message
from depth_perception.messages.types import MessageError, header, rosbags_types

STAMP = 1_700_000_000_000_000_009


def stamped(types, parent="base", child="camera", shift=(1.0, 2.0, 3.0), turn=(0.0, 0.0, 0.0, 1.0)):
    make = types.make
    transform = make(
        "geometry_msgs/msg/Transform",
        translation=make("geometry_msgs/msg/Vector3", **dict(zip("xyz", shift))),
        rotation=make("geometry_msgs/msg/Quaternion", **dict(zip("xyzw", turn))),
    )
    return make(
        "geometry_msgs/msg/TransformStamped",
        header=header(types, STAMP, parent),
        child_frame_id=child,
        transform=transform,
    )


def test_the_matrix_maps_child_points_to_the_parent(read_types):
    half = math.sqrt(0.5)
    parent, child, stamp, T = transform_from_message(stamped(read_types, turn=(0.0, 0.0, half, half)))
    assert (parent, child, stamp) == ("base", "camera", STAMP)
    assert T.dtype == np.float64
    # a quarter turn to the left about z, then the shift: child x is parent y
    assert np.allclose(T @ [1, 0, 0, 1], [1, 3, 3, 1])
    assert np.allclose(T @ [0, 0, 1, 1], [1, 2, 4, 1])


def test_leading_slashes_are_taken_off(types):
    assert transform_from_message(stamped(types, "/map", "//odom"))[:2] == ("map", "odom")


def test_a_slightly_wrong_length_is_mended(types):
    T = transform_from_message(stamped(types, turn=(0.0, 0.0, 0.6004, 0.8004)))[3]
    assert np.allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"parent": ""}, "header.frame_id: empty in the transform of 'camera'"),
        ({"parent": "/"}, "header.frame_id: empty"),
        ({"child": ""}, "child_frame_id: empty in a transform below 'base'"),
        ({"child": "/base"}, "child_frame_id: 'base' is its own parent"),
        ({"turn": (0.0, 0.0, 0.0, 0.0)}, "transform from camera to base: quaternion"),
        ({"turn": (0.0, 0.0, 0.0, 1.1)}, "transform from camera to base: quaternion"),
        ({"turn": (math.nan, 0.0, 0.0, 1.0)}, "transform from camera to base: "),
        ({"shift": (0.0, math.inf, 0.0)}, "transform from camera to base: "),
    ],
)
def test_what_tf2_refuses_is_refused(types, change, text):
    with pytest.raises(MessageError, match=text):
        transform_from_message(stamped(types, **change))


def test_another_message_is_refused(types):
    with pytest.raises(MessageError, match="got a geometry_msgs/msg/Vector3, expected a geometry_msgs/msg/Transform"):
        transform_from_message(types.make("geometry_msgs/msg/Vector3"))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4), st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3))
def test_transforms_survive_writing_and_reading(turn, shift):
    pytest.importorskip("rosbags")
    length = math.hypot(*turn)
    if length < 1e-3:
        return
    types = rosbags_types()
    T = transform_from_message(stamped(types, shift=shift, turn=[v / length for v in turn]))[3]
    parent, child, stamp, again = transform_from_message(transform_message(types, "a", "b", 77, T))
    assert (parent, child, stamp) == ("a", "b", 77)
    assert np.allclose(again, T, atol=1e-12)


def test_written_transforms(types):
    T = np.eye(4)
    T[:3, 3] = 1, 2, 3
    message = transform_message(types, "base", "camera", STAMP, T)
    turn, shift = message.transform.rotation, message.transform.translation
    assert (turn.x, turn.y, turn.z, turn.w) == (0, 0, 0, 1)
    assert (shift.x, shift.y, shift.z) == (1, 2, 3)
    assert (message.header.frame_id, message.child_frame_id) == ("base", "camera")


def test_tf_messages(types):
    if types.family == "rclpy":
        pytest.importorskip("tf2_msgs.msg")
    one = transform_message(types, "base", "camera", STAMP, np.eye(4))
    message = tf_message(types, iter([one, one]))
    assert [t.child_frame_id for t in message.transforms] == ["camera", "camera"]
