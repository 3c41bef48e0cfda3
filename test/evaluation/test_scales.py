from __future__ import annotations

import math

import numpy as np
import pytest

from depth_perception.evaluation.scales import ScaleSample, in_metres, sample, scale_csv, summary
from depth_perception.frames import CameraModel, DepthEstimate, ScaleKind

CAMERA = CameraModel.pinhole(10, 10, 1.5, 1.5, 4, 4)


def estimate(depth, kind=ScaleKind.METRIC, factor=2.0) -> DepthEstimate:
    depth = np.asarray(depth, np.float32)
    return DepthEstimate(5, "c", CAMERA, depth, 0.1 * depth, kind, "m", "1", (0.3, 80.0), 0.0,
                         scale_factor=factor, scale_deviation=0.05, scale_source="points")  # fmt: skip


def test_the_right_factor_is_that_of_the_truth():
    truth = np.linspace(1, 4, 16).reshape(4, 4)
    found = sample(estimate(0.8 * truth), (truth, truth > 0, None))
    assert found.factor == 2.0
    assert found.right == pytest.approx(2.5)
    assert found.aligned == pytest.approx(0, abs=1e-6)


def test_only_what_is_scored_counts():
    truth = np.full((4, 4), 2.0)
    depth = np.where(np.arange(4) < 2, 1.0, 9.0) * np.ones((4, 1))
    found = sample(estimate(depth), (truth, np.broadcast_to(np.arange(4) < 2, (4, 4)), None))
    assert found.right == pytest.approx(4.0)


def test_without_truth_nobody_knows():
    assert math.isnan(sample(estimate(np.ones((4, 4))), None).right)
    nothing = estimate(np.full((4, 4), np.nan))
    assert math.isnan(sample(nothing, (np.ones((4, 4)), np.ones((4, 4), bool), None)).aligned)


def test_depth_without_metres_is_unknown():
    metres = estimate(np.ones((4, 4)))
    assert in_metres(metres) is metres
    assert np.isnan(in_metres(estimate(np.ones((4, 4)), ScaleKind.UP_TO_SCALE)).depth).all()


def test_a_summary_of_frames_with_and_without_metres():
    samples = [
        ScaleSample(0, "up_to_scale", 1.0, 0.0, "", 0.1, 2.0),
        ScaleSample(1, "metric", 2.2, 0.1, "points", 0.2, 2.0),
        ScaleSample(2, "metric", 2.0, 0.3, "odometry", math.nan, math.nan),
    ]
    found = summary(samples)
    assert found["metric"] == pytest.approx(2 / 3)
    assert found["sources"] == {"odometry": 1, "points": 1}
    assert found["off"] == pytest.approx(0.1)
    assert found["deviation"] == pytest.approx(0.2)
    assert found["aligned"] == pytest.approx(0.15)
    assert summary([])["frames"] == 0


def test_what_is_not_known_is_left_empty_in_the_file():
    text = scale_csv({"m": [ScaleSample(7, "metric", 2.0, 0.1, "floor", math.nan, math.nan)]})
    assert text.splitlines() == ["model,stamp,kind,factor,deviation,source,aligned,right", "m,7,metric,2,0.1,floor,,"]
