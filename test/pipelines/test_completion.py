from __future__ import annotations

import numpy as np
import pytest

from depth_perception.frames import CameraFrame, CameraModel, DepthPrediction, ScaleKind, SparseDepth
from depth_perception.models import zoo
from depth_perception.models.calibration import Calibration
from depth_perception.models.diffusion import DiffusionCompleter
from depth_perception.models.learned import LearnedCompleter
from depth_perception.models.refiner import RefinerMethod
from depth_perception.pipelines.completion import CompletionInput, CompletionPipeline, CompletionSettings
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.model_selection import ModelChoice
from depth_perception.pipelines.streaming import StreamingSettings

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


def test_the_model_of_the_settings_is_loaded_unless_one_is_given():
    assert CompletionPipeline(CompletionSettings(ModelChoice("fast"))).completer.name == "fast"
    given = Fixed(np.full((2, 4), 2.0), np.full((2, 4), 0.1))
    assert CompletionPipeline(CompletionSettings(ModelChoice("fast")), given).completer is given


def test_belief_in_the_points_is_passed_on():
    completer = Fixed(np.full((2, 4), 2.0), np.full((2, 4), 0.1))
    assert CompletionPipeline(CompletionSettings(), completer).run(given()).inlier is None
    belief = np.full((2, 4), 0.7, np.float32)
    completer.answer = completer.answer._replace(inlier=belief)
    assert CompletionPipeline(CompletionSettings(), completer).run(given()).inlier is belief


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_points_are_no_accident(count):
    """Without a point a learned model says nothing, as those without weights do; from one it makes a plane."""
    network = LearnedCompleter("learned", "1", RefinerMethod(), lambda inputs: tuple(
        np.ones((1, 1, *inputs[0].shape[2:]), np.float32) * value for value in (1.0, 0.1, 0.9)))  # fmt: skip
    camera = CameraModel.pinhole(50, 50, 31.5, 23.5, 64, 48)
    measured = np.zeros((48, 64), np.float32)
    measured[10, 20 : 20 + count] = 3.0
    frame = CompletionInput(
        CameraFrame(5, "cam", np.zeros((48, 64, 3), np.uint8), camera), SparseDepth.from_image(measured)
    )
    for completer in (network, DiffusionCompleter()):
        estimate = CompletionPipeline(CompletionSettings(), completer).run(frame)
        assert estimate.coverage == count
        assert np.isfinite(estimate.standard_deviation).mean() == count
        assert estimate.inlier is None or np.isfinite(estimate.inlier).sum() == count
        if count:
            np.testing.assert_allclose(estimate.depth, 3.0, rtol=1e-3)


def test_the_published_deviation_is_the_one_the_model_claims():
    """A calibrated deviation must not be scaled a second time on its way out."""
    deviation = np.linspace(0.01, 0.9, 8, dtype=np.float32).reshape(2, 4)
    estimate = CompletionPipeline(CompletionSettings(), Fixed(np.full((2, 4), 2.0), deviation)).run(given())
    np.testing.assert_array_equal(estimate.standard_deviation, deviation)


def test_the_width_of_the_95_percent_interval_comes_from_the_calibration():
    completer = Fixed(np.full((2, 4), 2.0), np.full((2, 4), 0.1))
    assert CompletionPipeline(CompletionSettings(), completer).run(given()).wide == pytest.approx(1.96, abs=1e-3)
    completer.calibration = Calibration((0.0,), (0.0,), ((0.0,),), wide=2.7)
    assert CompletionPipeline(CompletionSettings(), completer).run(given()).wide == 2.7


def test_settings_come_from_parameters_and_an_empty_range_is_refused():
    values = COMPLETION_PARAMETERS.resolve({"model": "fast", "depth.min": 1.0, "depth.max": 20.0})
    assert CompletionSettings.from_parameters(values) == CompletionSettings(ModelChoice("fast"), 1.0, 20.0, 0.0)
    with pytest.raises(ValueError, match=r"depth\.min 5 must be below depth\.max 4"):
        CompletionSettings(min_depth=5.0, max_depth=4.0)


def test_the_default_model_is_the_first_of_the_zoo():
    assert COMPLETION_PARAMETERS["model"].default == zoo.names()[0]
    assert set(zoo.names()) <= set(COMPLETION_PARAMETERS["model"].choices)


class Flickering(Fixed):
    """Depth of 2 m, wrong by another 5 % in each frame."""

    def __init__(self, shape):
        super().__init__(np.full(shape, 2.0), np.full(shape, 0.2))
        self.random = np.random.default_rng(0)

    def infer(self, image, sparse, camera=None):
        answer = super().infer(image, sparse, camera)
        noise = self.random.normal(0, 0.05, answer.depth.shape)
        return answer._replace(depth=(answer.depth * np.exp(noise)).astype(np.float32))


def flicker(streaming, poses, frames=12):
    """Mean change from frame to frame of a camera that stands still, in front of something without texture."""
    camera = CameraModel.pinhole(50, 50, 31.5, 23.5, 64, 48)
    pipeline = CompletionPipeline(CompletionSettings(streaming=streaming), Flickering(camera.shape))
    depths = []
    for i in range(frames):
        frame = CameraFrame((i + 1) * 100_000_000, "cam", np.zeros((48, 64, 3), np.uint8), camera)
        measured = SparseDepth.from_image(np.zeros(camera.shape, np.float32))
        depths.append(pipeline.run(CompletionInput(frame, measured, T_fixed_camera=poses)).depth)
    return np.abs(np.diff(np.log(depths[4:]), axis=0)).mean()


def test_streaming_is_off_unless_asked_for_and_needs_to_know_how_the_camera_moves():
    off = flicker(StreamingSettings(), np.eye(4))
    assert off > 0.04
    assert CompletionSettings.from_parameters(COMPLETION_PARAMETERS.defaults()).streaming.enabled is False
    assert flicker(StreamingSettings(enabled=True), np.eye(4)) < 0.6 * off
    assert flicker(StreamingSettings(enabled=True), None) == pytest.approx(off)


def test_another_completer_forgets_the_frames_of_the_last():
    camera = CameraModel.pinhole(50, 50, 31.5, 23.5, 64, 48)
    pipeline = CompletionPipeline(
        CompletionSettings(streaming=StreamingSettings(enabled=True)), Flickering(camera.shape)
    )
    for i in range(3):
        frame = CameraFrame((i + 1) * 100_000_000, "cam", np.zeros((48, 64, 3), np.uint8), camera)
        measured = SparseDepth.from_image(np.zeros(camera.shape, np.float32))
        if i == 2:
            pipeline.completer = Fixed(np.full(camera.shape, 2.02), np.full(camera.shape, 0.2))
            pipeline.completer.name = "other"
        estimate = pipeline.run(CompletionInput(frame, measured, T_fixed_camera=np.eye(4)))
    np.testing.assert_allclose(estimate.depth, 2.02, rtol=1e-5)
    assert pipeline.streaming.resets == {"model": 1}
