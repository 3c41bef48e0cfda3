from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from depth_perception.frames import CameraModel
from depth_perception.geometry.transform_tree import TransformTree
from depth_perception.geometry.transforms import make_transform
from depth_perception.messages import image
from depth_perception.messages.decomposition_front import (
    DecompositionFront,
    DecompositionFrontSettings,
    pose_of_odometry,
)
from depth_perception.messages.labels import encode_labels
from depth_perception.messages.problem import FrontError
from depth_perception.messages.types import MessageError
from depth_perception.pipelines.decomposition_parameters import DECOMPOSITION_PARAMETERS

from .test_front import CAMERA, SECOND, TYPES, image_message, info_message

POSE = make_transform([1.0, 2.0, 0.5], [0, 0, 0, 1])
DEPTH = np.full((48, 64), 2.0, np.float32)
LABELS = np.zeros((48, 64), np.int32)
LABELS[:, 40:] = 7


def settings(wants_labels=False, **values):
    named = {name.replace("__", "."): value for name, value in values.items()}
    return DecompositionFrontSettings.from_parameters(DECOMPOSITION_PARAMETERS.resolve(named), wants_labels)


def depth_message(stamp, depth=DEPTH, frame="camera"):
    return image.encode_depth(TYPES, depth, "32FC1", stamp, frame)[0]


def label_message(stamp, labels=LABELS):
    return encode_labels(TYPES, labels, "32SC1", stamp, "camera")


class Recorder:
    """A front whose sets are kept, with a camera that stands at POSE in odom."""

    def __init__(self, wants_labels=False, camera=CAMERA, **values):
        transforms = TransformTree(None)
        transforms.insert("odom", "camera", 0, POSE, static=True)
        self.sets, self.problems = [], []
        self.front = DecompositionFront(
            settings(wants_labels, **values), transforms, self.sets.append, self.problems.append
        )
        self.front.on_camera_info(info_message(SECOND, camera), SECOND)

    def frame(self):
        return self.front.assemble(self.sets[-1])


def test_image_and_depth_become_a_posed_frame_without_labels():
    recorder = Recorder()
    recorder.front.on_image(image_message(SECOND), SECOND)
    assert not recorder.sets
    recorder.front.on_depth(depth_message(SECOND + SECOND // 100), SECOND)
    frame = recorder.frame()
    assert (frame.stamp, frame.frame_id, frame.labels) == (SECOND, "camera", None)
    np.testing.assert_array_equal(frame.depth, DEPTH)
    np.testing.assert_array_equal(frame.image, image.decode_image(image_message(SECOND)))
    assert frame.T_world_camera == pytest.approx(POSE)
    np.testing.assert_allclose(frame.camera.K, CAMERA.K)


def test_labels_that_are_wanted_are_waited_for():
    recorder = Recorder(wants_labels=True)
    recorder.front.on_image(image_message(SECOND), SECOND)
    recorder.front.on_depth(depth_message(SECOND), SECOND)
    recorder.front.poll(2 * SECOND)
    assert not recorder.sets
    recorder.front.on_labels(label_message(SECOND), 2 * SECOND)
    np.testing.assert_array_equal(recorder.frame().labels, LABELS)


def test_what_finds_no_partner_is_counted_by_what_was_missing():
    recorder = Recorder(wants_labels=True, sync__timeout=1.0)
    recorder.front.on_image(image_message(SECOND), SECOND)
    recorder.front.on_depth(depth_message(SECOND), SECOND)
    recorder.front.poll(3 * SECOND)
    recorder.front.on_image(image_message(4 * SECOND), 4 * SECOND)
    recorder.front.poll(6 * SECOND)
    recorder.front.on_image(image_message(0), 6 * SECOND)
    assert recorder.front.drops() == {"no_partner_labels": 1, "no_partner_depth": 1, "no_stamp": 1}
    assert recorder.front.missed("labels") is None
    assert recorder.front.missed("depth") == pytest.approx(-3.0)
    assert [problem.cause for problem in recorder.problems] == ["no_stamp"]


def test_a_reset_forgets_what_waits():
    recorder = Recorder()
    recorder.front.on_image(image_message(SECOND), SECOND)
    recorder.front.reset("time_jump")
    recorder.front.on_depth(depth_message(SECOND), SECOND)
    assert not recorder.sets
    recorder.front.on_image(image_message(SECOND), SECOND)
    recorder.front.flush()
    assert len(recorder.sets) == 1


@pytest.mark.parametrize(
    ("depth", "labels", "cause", "topic"),
    [
        (depth_message(SECOND, DEPTH[:, :-4]), label_message(SECOND), "not_registered", "depth"),
        (depth_message(SECOND, frame="other"), label_message(SECOND), "not_registered", "depth"),
        (depth_message(SECOND, np.full_like(DEPTH, np.nan)), label_message(SECOND), "empty_depth", "depth"),
        (depth_message(SECOND), label_message(SECOND, LABELS[:-4]), "bad_label_size", "labels"),
        (depth_message(SECOND), image_message(SECOND), "bad_labels", "labels"),
    ],
)
def test_what_cannot_be_used_is_told_by_cause_and_topic(depth, labels, cause, topic):
    recorder = Recorder(wants_labels=True)
    for take, message in (
        (recorder.front.on_image, image_message(SECOND)),
        (recorder.front.on_depth, depth),
        (recorder.front.on_labels, labels),
    ):
        take(message, SECOND)
    with pytest.raises(FrontError) as caught:
        recorder.frame()
    assert (caught.value.cause, caught.value.topic) == (cause, topic)


def test_an_unknown_pose_is_told_with_both_frames():
    recorder = Recorder(transform__fixed_frame="map")
    recorder.front.on_image(image_message(SECOND), SECOND)
    recorder.front.on_depth(depth_message(SECOND), SECOND)
    with pytest.raises(FrontError, match="where the camera 'camera' is in 'map' is not known") as caught:
        recorder.frame()
    assert caught.value.cause == "no_pose"


def test_labels_and_raw_depth_are_rectified_with_the_image():
    bent = CameraModel(64, 48, CAMERA.K, np.array([-0.3, 0.05, 0, 0, 0]), "plumb_bob")
    bent = replace(bent, P=np.hstack([CAMERA.K, np.zeros((3, 1))]))
    given = {}
    for rectified in (True, False):
        recorder = Recorder(True, bent, depth__is_rectified=rectified, labels__is_rectified=rectified)
        recorder.front.on_image(image_message(SECOND), SECOND)
        depth = np.where(LABELS > 0, np.float32(3.0), DEPTH)
        recorder.front.on_depth(depth_message(SECOND, depth), SECOND)
        recorder.front.on_labels(label_message(SECOND), SECOND)
        frame = given[rectified] = recorder.frame()
        assert not frame.camera.is_distorted
        known = np.isfinite(frame.depth) & (frame.labels >= 0)
        assert ((frame.depth == 3.0) == (frame.labels == 7))[known].all()  # they move together
        assert set(np.unique(frame.labels)) <= {-1, 0, 7}
    np.testing.assert_array_equal(given[True].labels, LABELS)
    assert (given[False].labels != LABELS).any()


def test_the_world_needs_a_frame():
    with pytest.raises(ValueError, match="fixed_frame is empty"):
        settings(transform__fixed_frame="/")


def odometry(parent="odom", child="base_link", turn=(0.0, 0.0, 0.0, 1.0)):
    message = TYPES.make("nav_msgs/msg/Odometry")
    message.header.frame_id, message.child_frame_id = parent, child
    message.header.stamp.sec = 5
    at, to = message.pose.pose.position, message.pose.pose.orientation
    at.x, at.y, at.z = 1.0, 2.0, 3.0
    to.x, to.y, to.z, to.w = turn
    return message


def test_odometry_is_a_transform():
    parent, child, stamp, T = pose_of_odometry(odometry("/odom"))
    assert (parent, child, stamp) == ("odom", "base_link", 5 * SECOND)
    np.testing.assert_allclose(T, make_transform([1, 2, 3], [0, 0, 0, 1]))


@pytest.mark.parametrize(
    ("message", "words"),
    [(odometry(child=""), "must name both of its frames"), (odometry(turn=(0, 0, 0, 0)), "pose of base_link in odom")],
)
def test_odometry_that_cannot_be_is_told(message, words):
    with pytest.raises(MessageError, match=words):
        pose_of_odometry(message)
