from __future__ import annotations

import numpy as np
import pytest

from depth_perception.frames import CameraFrame, CameraModel, DepthPrediction, ScaleKind, SparseDepth
from depth_perception.models import zoo
from depth_perception.pipelines.completion import CompletionInput, CompletionPipeline, CompletionSettings
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS

CAMERA = CameraModel.pinhole(50, 50, 1.5, 0.5, 4, 2)


class Fixed:
    """A completer that answers the same whatever it is given, and remembers what that was."""

    name, version = "fixed", "7"

    def __init__(self, depth, deviation):
        self.answer = DepthPrediction(np.array(depth, np.float32), np.array(deviation, np.float32))
        self.seen = None

    def infer(self, image, sparse, camera=None):
        self.seen = (image, sparse, camera)
        return self.answer


def given(**values):
    image = np.zeros((2, 4, 3), np.uint8)
    measured = np.zeros((2, 4), np.float32)
    measured[1, 2] = 3.0
    return CompletionInput(CameraFrame(5, "cam", image, CAMERA), SparseDepth.from_image(measured), **values)


def test_estimate_says_where_it_comes_from():
    completer = Fixed(np.full((2, 4), 2.0), np.full((2, 4), 0.1))
    estimate = CompletionPipeline(CompletionSettings(), completer).run(given(latency={"decode": 0.5}))
    assert (estimate.stamp, estimate.frame_id, estimate.camera) == (5, "cam", CAMERA)
    assert (estimate.model, estimate.version, estimate.scale) == ("fixed", "7", ScaleKind.METRIC)
    assert estimate.input_coverage == pytest.approx(1 / 8)
    assert estimate.valid_range == (0.3, 80.0)
    assert list(estimate.latency) == ["decode", "complete", "finish"]
    assert completer.seen[1][1, 2] == 3.0
    assert completer.seen[2] is CAMERA


def test_depth_out_of_range_is_unknown_with_its_deviation():
    depth = [[0.2, 0.3, 80.0, 80.1], [np.nan, np.inf, -1.0, 5.0]]
    settings = CompletionSettings()
    estimate = CompletionPipeline(settings, Fixed(depth, np.full((2, 4), 0.1))).run(given())
    known = [[False, True, True, False], [False, False, False, True]]
    np.testing.assert_array_equal(estimate.mask, known)
    np.testing.assert_array_equal(np.isfinite(estimate.standard_deviation), known)
    assert estimate.depth.dtype == estimate.standard_deviation.dtype == np.float32


def test_too_uncertain_depth_is_unknown_when_asked_for():
    deviation = [[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, np.nan]]
    settings = CompletionSettings(max_relative_deviation=0.15)
    estimate = CompletionPipeline(settings, Fixed(np.full((2, 4), 2.0), deviation)).run(given())
    assert estimate.mask.tolist() == [[True, True, True, False], [False, False, False, False]]


def test_model_changes_between_frames_and_a_bad_name_changes_nothing():
    pipeline = CompletionPipeline(CompletionSettings(model="fast"))
    pipeline.configure(CompletionSettings(model="diffusion", max_depth=9.0))
    assert pipeline.completer.name == "diffusion"
    with pytest.raises(ValueError, match="no-such-model"):
        pipeline.configure(CompletionSettings(model="no-such-model"))
    assert pipeline.completer.name == "diffusion"
    assert pipeline.settings.max_depth == 9.0


def test_settings_come_from_parameters_and_an_empty_range_is_refused():
    values = COMPLETION_PARAMETERS.resolve({"model": "fast", "depth.min": 1.0, "depth.max": 20.0})
    assert CompletionSettings.from_parameters(values) == CompletionSettings("fast", 1.0, 20.0, 0.0)
    with pytest.raises(ValueError, match=r"depth\.min 5 must be below depth\.max 4"):
        CompletionSettings(min_depth=5.0, max_depth=4.0)


def test_every_model_choice_is_in_the_zoo():
    assert set(COMPLETION_PARAMETERS["model"].choices) == set(zoo.names())
