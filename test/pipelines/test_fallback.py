from __future__ import annotations

import numpy as np
import pytest

from depth_perception.frames import CameraFrame, CameraModel, DepthPrediction, ScaleKind, SparseDepth
from depth_perception.models import zoo
from depth_perception.models.estimator import NoEstimator
from depth_perception.pipelines.completion import CompletionInput, CompletionSettings
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.fallback import FallbackPipeline, FallbackSettings
from depth_perception.pipelines.model_selection import EstimatorChoice
from depth_perception.pipelines.streaming import StreamingSettings

TENTH = 100_000_000
CAMERA = CameraModel.pinhole(50, 50, 31.5, 23.5, 64, 48)
TRUTH = np.linspace(2, 5, 64, dtype=np.float32)[None].repeat(48, 0)
UNIT = 3.0


class Completer:
    """Right, if it has a point; remembers how often it was asked."""

    name, version, calls = "completer", "1", 0

    def infer(self, image, sparse, camera=None):
        self.calls += 1
        depth = TRUTH if sparse.any() else np.full_like(TRUTH, np.nan)
        return DepthPrediction(depth, np.float32(0.02) * depth)


class Estimator:
    """Right but for its unit, and 5 % of noise."""

    name, version, scale, calls = "estimator", "2", ScaleKind.UP_TO_SCALE, 0

    def __init__(self):
        self.random = np.random.default_rng(0)

    def infer(self, image, camera=None):
        self.calls += 1
        depth = (TRUTH / UNIT * np.exp(self.random.normal(0, 0.05, TRUTH.shape))).astype(np.float32)
        return DepthPrediction(depth, np.float32(0.1) * depth, np.full_like(depth, np.nan))


def pipeline(estimator=None, streaming=False, **fallback):
    settings = CompletionSettings(streaming=StreamingSettings(enabled=streaming))
    chosen = FallbackSettings(EstimatorChoice("estimation-small"), **fallback)
    return FallbackPipeline(settings, chosen, Completer(), estimator or Estimator())


def frame(tenths, points):
    sparse = np.zeros(CAMERA.shape, np.float32)
    at = np.random.default_rng(tenths).choice(sparse.size, points, replace=False)
    sparse.flat[at] = TRUTH.flat[at]
    image = np.zeros((*CAMERA.shape, 3), np.uint8)
    return CompletionInput(CameraFrame((tenths + 1) * TENTH, "cam", image, CAMERA), SparseDepth.from_image(sparse))


def play(runner, counts, start=0):
    """Return the estimates for frames with so many points each, as the node asks for them."""
    found = []
    for i, points in enumerate(counts):
        given = frame(start + i, points)
        found.append(runner.run(given))
        runner.follow(given)
    return found


def test_depth_goes_on_in_the_first_frame_without_points_and_comes_back_with_the_next():
    runner = pipeline()
    found = play(runner, [300] * 5 + [0] * 5 + [300] * 5)
    assert [e.model for e in found] == ["completer"] * 5 + ["estimator"] * 5 + ["completer"] * 5
    for estimate in found:
        assert estimate.scale is ScaleKind.METRIC
        assert estimate.coverage == 1
        assert abs(np.median(np.log(estimate.depth / TRUTH))) < 0.03
    assert (runner.changes, runner.estimated, runner.is_estimating) == (2, 5, False)
    assert found[5].scale_source == "points"


def test_the_deviation_of_estimated_depth_is_honestly_wider_and_widens():
    found = play(pipeline(), [300] * 3 + [0] * 40)
    completed, first, last = (np.median(found[i].standard_deviation / found[i].depth) for i in (2, 3, -1))
    assert first > 4 * completed
    assert last > first
    errors = np.abs(found[-1].depth - TRUTH)
    assert (errors < 2 * found[-1].standard_deviation).mean() > 0.9


def test_while_points_come_the_estimator_is_asked_now_and_then_only():
    runner = pipeline(period=1.0)
    play(runner, [300] * 25)
    assert runner.estimation.estimator.calls == 3
    assert runner.scale.factor == pytest.approx(UNIT, rel=0.05)


def test_images_between_two_scans_of_a_slower_sensor_are_left_alone():
    runner = pipeline()
    found = []
    for i in range(36):  # a scan for every third image, and none from the 24th on
        given = frame(i, 300 if i % 3 == 0 and i < 24 else 0)
        found.append(runner.answer(given))
        runner.follow(given)
    names = [estimate.model if estimate else "" for estimate in found]
    assert names[9:24] == ["completer", "", ""] * 5  # after the first scans, the rate is known
    assert names[24:] == ["estimator"] * 12  # in the very image for which a scan was due


def test_an_image_that_nobody_can_tell_anything_of_gets_an_answer_only_if_wanted():
    assert pipeline().answer(frame(0, 0)) is None  # no scale yet
    loading = pipeline(NoEstimator())
    assert loading.answer(frame(0, 0)) is None
    assert loading.answer(frame(1, 300)).coverage == 1
    assert pipeline(partial=True).answer(frame(0, 0)).coverage == 0


def test_too_few_points_to_complete_fix_the_scale_alone():
    runner = pipeline(min_points=20)
    (estimate,) = play(runner, [8])
    assert (estimate.model, estimate.scale, estimate.scale_source) == ("estimator", ScaleKind.METRIC, "points")
    assert runner.completer.calls == 0
    assert abs(np.median(np.log(estimate.depth / TRUTH))) < 0.1


def test_without_a_scale_nothing_is_made_up():
    runner = pipeline()
    (estimate,) = play(runner, [0])
    assert (estimate.model, estimate.coverage, estimate.scale) == ("completer", 0, ScaleKind.METRIC)
    assert not runner.is_estimating


def test_without_an_estimator_all_is_as_it_was():
    runner = pipeline(NoEstimator())
    found = play(runner, [300, 5, 0])
    assert [e.model for e in found] == ["completer"] * 3
    assert [e.coverage for e in found] == [1, 1, 0]
    assert (runner.changes, runner.completer.calls) == (0, 3)


def test_a_reset_forgets_the_scale():
    runner = pipeline()
    play(runner, [300] * 2)
    runner.reset("time_jump")
    assert play(runner, [0], 2)[0].coverage == 0


def test_what_one_model_said_is_no_prior_for_the_other():
    runner = pipeline(streaming=True)
    found = play(runner, [300] * 4 + [0] + [300])
    np.testing.assert_array_equal(found[-1].depth, TRUTH)
    assert runner.streaming.resets["fallback"] == 2


def test_settings_come_from_parameters_and_change_together():
    values = COMPLETION_PARAMETERS.resolve(
        {"fallback.model": "estimation-small", "fallback.model_file": "w", "device": "cpu", "fallback.min_points": 7,
         "depth.max": 20.0}
    )  # fmt: skip
    settings = FallbackSettings.from_parameters(values)
    assert settings == FallbackSettings(EstimatorChoice("estimation-small", "auto", "cpu", "w"), 7, 1.0)
    assert settings.is_wanted
    assert not FallbackSettings.from_parameters({**values, "fallback.model": "none"}).is_wanted
    assert COMPLETION_PARAMETERS.defaults()["fallback.model"] == next(iter(zoo.estimators()), "none")
    runner = pipeline()
    runner.apply(CompletionSettings.from_parameters(values), settings)
    assert runner.settings.max_depth == runner.estimation.settings.max_depth == 20


def test_the_stock_synchroniser_has_no_images_to_fall_back_with():
    values = COMPLETION_PARAMETERS.resolve({"sync.policy": "approximate", "fallback.model": "estimation-small"})
    assert not FallbackSettings.from_parameters(values).is_wanted
