from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from depth_perception.frames import CameraModel, DepthEstimate, ScaleKind
from depth_perception.messages.depth_info import depth_info_message, depth_scale_message
from depth_perception.messages.types import DEPTH_INFO, stamp_of

STAMP = 1_700_000_000_000_000_031


def estimate():
    depth = np.full((2, 4), 5.0, np.float32)
    depth[0, 0] = np.nan
    return DepthEstimate(
        stamp=STAMP,
        frame_id="camera_optical_frame",
        camera=CameraModel.pinhole(4, 4, 2, 1, 4, 2),
        depth=depth,
        standard_deviation=np.full((2, 4), 0.1, np.float32),
        scale=ScaleKind.METRIC,
        model="diffusion",
        version="1",
        valid_range=(np.float32(0.5), 80),
        input_coverage=np.float64(0.25),
        latency={"decode": 0.001, "project": 0.5, "solve": 0.25},
    )


def skip_unless_built(types):
    if types.family == "rclpy":
        pytest.importorskip("depth_perception.msg", reason="depth_perception/msg is not built (make build)")


def test_everything_is_told(types):
    skip_unless_built(types)
    message = depth_info_message(types, estimate(), -0.0125)
    assert stamp_of(message.header) == STAMP
    assert message.header.frame_id == "camera_optical_frame"
    assert message.scale == 1
    assert (message.model, message.version) == ("diffusion", "1")
    assert (message.min_depth, message.max_depth) == (0.5, 80.0)
    assert (message.coverage, message.input_coverage) == (0.875, 0.25)
    assert message.sync_interval == pytest.approx(-0.0125)
    assert list(message.latency_stage) == ["decode", "project", "solve"]
    assert list(message.latency) == pytest.approx([0.001, 0.5, 0.25])


def test_no_range_data_is_not_a_number(types):
    skip_unless_built(types)
    assert math.isnan(depth_info_message(types, estimate(), None).sync_interval)


def test_constants_are_those_of_the_message(types):
    skip_unless_built(types)
    kind = types.message_class(DEPTH_INFO)
    for scale in ScaleKind:
        assert getattr(kind, f"SCALE_{scale.name}") == scale


def test_it_can_be_sent(types):
    skip_unless_built(types)
    message = depth_info_message(types, estimate(), 0.25)
    if types.family == "rosbags":
        raw = types.typestore.serialize_cdr(message, DEPTH_INFO)
        found = types.typestore.deserialize_cdr(raw, DEPTH_INFO)
    else:
        serialization = pytest.importorskip("rclpy.serialization")
        found = serialization.deserialize_message(serialization.serialize_message(message), type(message))
    assert list(found.latency) == pytest.approx([0.001, 0.5, 0.25])
    assert found.sync_interval == 0.25


def test_the_scale_says_what_told_it(types):
    skip_unless_built(types)
    told = replace(
        estimate(),
        scale=ScaleKind.UP_TO_SCALE,
        scale_factor=2.5,
        scale_deviation=0.1,
        scale_source="floor",
        scale_age=3.0,
    )
    message = depth_scale_message(types, told)
    assert (stamp_of(message.header), message.header.frame_id) == (STAMP, "camera_optical_frame")
    assert (message.kind, message.factor, message.deviation) == (2, 2.5, 0.1)
    assert (message.source, message.age) == ("floor", 3.0)
