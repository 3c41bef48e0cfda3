"""The decomposition node inside the test's process: what it refuses before the first frame, and who segments."""

import re
import sys
import types

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("depth_perception.msg")
pytest.importorskip("torch")
pytest.importorskip("skimage")
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from depth_perception.frames import CameraModel, PosedDepth
from depth_perception.nodes.decomposition import DecompositionNode
from depth_perception.pipelines import scene_model

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


@pytest.fixture
def make(ros):
    def made(**values):
        given = [
            Parameter(name.replace("__", "."), value=value) for name, value in {"profile": "tiny", **values}.items()
        ]
        return ros.add(DecompositionNode(context=ros.context, parameter_overrides=given))

    return made


@pytest.fixture
def own_segmenter(monkeypatch):
    """A module of the user's own that finds one thing in the left half."""
    module = types.ModuleType("my_segmenter")

    def halves(image, depth, camera):
        return (np.arange(image.shape[1]) < image.shape[1] // 2) * np.ones(depth.shape, int)

    module.halves = halves
    monkeypatch.setitem(sys.modules, "my_segmenter", module)


@pytest.mark.parametrize(
    ("segmenter", "reason"),
    [
        ("no_such_thing", "no_such_thing.* is none of builtin, torchvision, transformers, ultralytics"),
        ("ultralytics", "ultralytics is not installed"),
        ("my_segmenter:other", "module my_segmenter has no callable other"),
    ],
)
def test_a_segmenter_that_cannot_be_had_is_refused_with_the_reason(make, own_segmenter, monkeypatch, segmenter, reason):
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    node = make(labels__segmenter=segmenter)
    assert node.trigger_configure() == FAILURE
    assert re.search(reason, node._reason)
    assert node.scene_now() is None


def test_who_waits_for_labels_of_a_topic_needs_no_segmenter(make):
    node = make(labels__segmenter="no_such_thing", labels__source="topic")
    assert node.trigger_configure() == SUCCESS


def test_frames_without_labels_are_segmented_by_the_one_that_was_chosen(make, own_segmenter):
    node = make(labels__segmenter="my_segmenter:halves", labels__source="builtin")
    assert node.trigger_configure() == SUCCESS
    camera = CameraModel.pinhole(20.0, 20.0, 9.5, 7.5, 20, 16)
    frame = PosedDepth(
        1, "camera", np.zeros((16, 20, 3), np.uint8), camera, np.ones((16, 20), np.float32), np.eye(4), None
    )
    labelled, kept = node._add(frame)
    assert kept
    assert (labelled.labels == (np.arange(20) < 10)).all()
    assert node._labels_from == "segmenter my_segmenter:halves"


def test_without_the_model_the_node_says_what_to_install(make, monkeypatch):
    def missing(settings):
        raise scene_model.ModelError("surfaces need torch")

    monkeypatch.setattr("depth_perception.pipelines.decomposition.model_maker", missing)
    node = make()
    assert node.trigger_configure() == FAILURE
    assert node._reason == "surfaces need torch"
