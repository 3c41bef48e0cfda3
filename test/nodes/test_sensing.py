"""What all nodes of sensors share, tried on the one that needs no model."""

import time
from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy")
from depth_perception.messages.problem import FrontError
from depth_perception.nodes.sensing import SensingNode
from depth_perception.pipelines.decomposition_parameters import DECOMPOSITION_PARAMETERS


@pytest.fixture
def node(ros):
    return ros.add(SensingNode("sensing", DECOMPOSITION_PARAMETERS, lambda values: None, context=ros.context))


def test_a_set_that_cannot_be_used_is_counted_and_told_by_its_topic(node):
    error = FrontError("bad_depth", "depth", "it is no depth")
    node._on_unusable(error)
    node._inputs = SimpleNamespace(topic=lambda role: f"/camera/{role}")
    node._on_unusable(error)
    assert node._drops.snapshot() == {"bad_depth": 2}
    assert [(problem.subject, problem.text) for problem in node._recent_problems()] == [
        ("depth", "it is no depth"),
        ("/camera/depth", "it is no depth"),
    ]


def test_what_the_front_has_counted_is_only_told(node):
    node._on_refused(FrontError("no_stamp", "image", "header.stamp is 0"))
    assert node._drops.snapshot() == {}
    assert [problem.cause for problem in node._recent_problems()] == ["no_stamp"]


def test_problems_grow_old(node, monkeypatch):
    node._on_refused(FrontError("no_stamp", "image", "header.stamp is 0"))
    silence = float(node.parameters.values["diagnostics.silence"])
    now = time.monotonic()
    monkeypatch.setattr("depth_perception.nodes.sensing.time.monotonic", lambda: now + 2 * silence + 10)
    assert node._recent_problems() == []


def test_the_end_wakes_who_waits_for_a_transform(node):
    ended = []
    node._listener = SimpleNamespace(transforms=SimpleNamespace(close=lambda: ended.append(1)))
    assert node.close()
    assert ended == [1]
