"""Floor 2: from one camera image to one dense depth estimate that says what its numbers mean, ROS-free.

The live node and the offline evaluator run this very object, so a score describes what the robot sees.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import GAUSSIAN_95, DepthEstimate, DepthPrediction, ScaleKind
from depth_perception.models.estimator import Estimator
from depth_perception.pipelines.completion import CompletionInput
from depth_perception.pipelines.floor import LEVEL, FloorSettings, scale_from_floor
from depth_perception.pipelines.metric_scale import MetricScale, ScaleSettings
from depth_perception.pipelines.model_selection import ESTIMATORS, EstimatorChoice
from depth_perception.pipelines.motion_scale import MotionScale, MotionSettings
from depth_perception.pipelines.parameters import Value
from depth_perception.pipelines.scale_measurement import scale_from_points
from depth_perception.pipelines.streaming import Streaming, StreamingSettings, motion_between

Matrix = NDArray[np.float64]
SECOND = 1_000_000_000


@dataclass(frozen=True, eq=False)
class EstimationInput(CompletionInput):
    """What the pipeline needs for one frame, and what may tell the scale: ``sparse``, the camera's pose, the floor.

    ``up`` (3,) is the direction against gravity in the optical frame, None if it is not known, and ``height`` how far
    above the floor the camera is in metres, None if that is not known. ``refused``: cause, topic and explanation of why
    range data that was there could not be used.
    """

    up: NDArray[np.float64] | None = None
    height: float | None = None
    refused: tuple[str, str, str] | None = None


@dataclass(frozen=True)
class EstimationSettings:
    """The parameters that shape the result: model, published range [m], what tells the scale, streaming.

    ``least_points``: fewer do not tell a scale; 0 leaves points out. ``floor_period`` [s]: how often the floor is
    looked for.
    """

    model: EstimatorChoice = field(default_factory=lambda: EstimatorChoice(ESTIMATORS[0]))
    min_depth: float = 0.3
    max_depth: float = 80.0
    max_relative_deviation: float = 0.0
    scale: ScaleSettings = field(default_factory=ScaleSettings)
    motion: MotionSettings = field(default_factory=MotionSettings)
    floor: FloorSettings = field(default_factory=FloorSettings)
    least_points: int = 5
    floor_period: float = 0.5
    streaming: StreamingSettings = field(default_factory=StreamingSettings)

    def __post_init__(self) -> None:
        """Raise ValueError if the published range is empty."""
        if self.min_depth >= self.max_depth:
            raise ValueError(f"depth.min {self.min_depth:g} must be below depth.max {self.max_depth:g}")

    @classmethod
    def from_parameters(cls, values: Mapping[str, Value]) -> EstimationSettings:
        """Pick the settings out of the values of ESTIMATION_PARAMETERS."""
        return cls(
            model=EstimatorChoice.from_parameters(values),
            min_depth=float(values["depth.min"]),
            max_depth=float(values["depth.max"]),
            max_relative_deviation=float(values["depth.max_relative_deviation"]),
            scale=ScaleSettings(
                process_noise=float(values["scale.process_noise"]),
                gate=float(values["scale.gate"]),
                widest=float(values["scale.max_deviation"]),
            ),
            motion=MotionSettings(
                enabled=bool(values["scale.use_odometry"]),
                baseline=float(values["scale.baseline"]),
                deviation=float(values["scale.odometry_deviation"]),
            ),
            floor=FloorSettings(height_deviation=float(values["scale.camera_height_deviation"])),
            least_points=int(values["scale.min_points"]),
            streaming=StreamingSettings.from_parameters(values),
        )


class EstimationPipeline:
    """Run an estimator, find its scale on the way, and keep of its answer what may be published.

    ``settings`` and ``estimator`` may be replaced between two frames; another estimator has another scale.
    """

    def __init__(self, settings: EstimationSettings, estimator: Estimator | None = None):
        """Load the model of ``settings`` unless ``estimator`` is given; raises ValueError if it cannot be had."""
        self._settings = settings
        self._estimator: Estimator = settings.model.load() if estimator is None else estimator
        self.scale = MetricScale(self._estimator.scale, settings.scale)
        self.streaming = Streaming(settings.streaming)
        self._motion = MotionScale(settings.motion)
        self._floor_stamp: int | None = None
        self._last: tuple[int, Matrix | None] | None = None  # stamp and T_fixed_camera

    @property
    def settings(self) -> EstimationSettings:
        """What is in force."""
        return self._settings

    @settings.setter
    def settings(self, settings: EstimationSettings) -> None:
        self._settings = settings
        self.scale.settings = settings.scale
        self.streaming.settings = settings.streaming
        self._motion.settings = settings.motion

    @property
    def estimator(self) -> Estimator:
        """The estimator in use."""
        return self._estimator

    @estimator.setter
    def estimator(self, estimator: Estimator) -> None:
        if estimator is self._estimator:
            return
        self._estimator = estimator
        self.scale.native = estimator.scale
        self.reset("model")

    def reset(self, reason: str) -> None:
        """Forget the scale and all of the past, as after a time jump or by command."""
        self.scale.reset(reason)
        self.streaming.reset(reason)
        self._motion.reset()
        self._floor_stamp = self._last = None

    def run(self, given: EstimationInput) -> DepthEstimate:
        """Return dense depth and its standard deviation, registered to ``given.frame``.

        In metres if the scale is known, and then unknown (NaN) outside the valid range; else in the estimator's unit
        (``scale`` says which). The deviation includes that of the scale. Latency gains the stages ``estimate``,
        ``scale`` and ``finish``. A stamp that goes back by more than a second begins anew.
        """
        frame = given.frame
        if self._last is not None and frame.stamp < self._last[0] - SECOND:
            self.reset("time_jump")
        clock = time.perf_counter
        started = clock()
        raw = self._estimator.infer(frame.image, frame.camera)
        estimated = clock()
        self.learn(given, raw)
        scale = self.scale.at(frame.stamp)
        predicted = self._stream(given, raw, scale.factor if scale.is_metric else None)
        self._last = (frame.stamp, given.T_fixed_camera)
        measured = clock()
        depth, deviation = metric(predicted, scale.factor, scale.deviation)
        keep = self._publishable(depth, deviation, scale.is_metric)
        latency = dict(given.latency)
        latency["estimate"] = estimated - started
        latency["scale"] = measured - estimated
        settings = self._settings
        estimate = DepthEstimate(
            stamp=frame.stamp,
            frame_id=frame.frame_id,
            camera=frame.camera,
            depth=np.where(keep, depth, np.float32(np.nan)),
            standard_deviation=np.where(keep, deviation, np.float32(np.nan)),
            scale=scale.kind,
            model=self._estimator.name,
            version=self._estimator.version,
            valid_range=(settings.min_depth, settings.max_depth) if scale.is_metric else (0.0, np.inf),
            input_coverage=len(given.sparse) / max(depth.size, 1),
            latency=latency,
            wide=getattr(getattr(self._estimator, "calibration", None), "wide", GAUSSIAN_95),
            scale_factor=scale.factor,
            scale_deviation=scale.deviation,
            scale_source=scale.source,
            scale_age=scale.age,
        )
        latency["finish"] = clock() - measured
        return estimate

    def learn(self, given: EstimationInput, raw: DepthPrediction) -> None:
        """Take what this frame tells of the scale; ``raw`` is the estimator's answer to it, in its own unit."""
        if self._estimator.scale is ScaleKind.RELATIVE:
            return
        settings, frame = self._settings, given.frame
        found = []
        if settings.least_points and len(given.sparse) >= settings.least_points:
            found.append(scale_from_points(raw, given.sparse, settings.least_points))
        if settings.motion.enabled:
            found.append(self._motion.measure(frame, raw, given.T_fixed_camera))
        due = self._floor_stamp is None or frame.stamp - self._floor_stamp >= settings.floor_period * SECOND
        if given.height is not None and due and not frame.camera.is_distorted:
            self._floor_stamp = frame.stamp
            up = LEVEL if given.up is None else given.up
            found.append(scale_from_floor(raw, frame.camera, given.height, up, settings.floor))
        for measurement in found:
            if measurement is not None:
                self.scale.add(measurement, frame.stamp)

    def _stream(self, given: EstimationInput, raw: DepthPrediction, factor: float | None) -> DepthPrediction:
        if not self._settings.streaming.enabled:
            return raw
        frame = given.frame
        T = motion_between(None if self._last is None else self._last[1], given.T_fixed_camera)
        if T is not None:
            # depth is filtered in the estimator's unit, so that a better scale is no step
            if factor is None:
                T = None
            else:
                T[:3, 3] /= factor
        depth, deviation = self.streaming.update(
            raw.depth, raw.standard_deviation, frame.image, frame.camera, frame.stamp, T
        )
        return raw._replace(depth=depth, standard_deviation=deviation)

    def _publishable(self, depth: NDArray, deviation: NDArray, is_metric: bool) -> NDArray[np.bool_]:
        settings = self._settings
        with np.errstate(invalid="ignore"):
            keep = np.isfinite(depth) & (depth > 0)
            if is_metric:
                keep &= (depth >= settings.min_depth) & (depth <= settings.max_depth)
            if settings.max_relative_deviation > 0:
                keep &= deviation <= settings.max_relative_deviation * depth
        return keep


def metric(predicted: DepthPrediction, factor: float, deviation: float) -> tuple[NDArray, NDArray]:
    """Return depth and standard deviation (H, W) times ``factor``, whose own relative ``deviation`` is added.

    Errors of the scale and of the pixel are independent, so their variances add up.
    """
    depth = predicted.depth * np.float32(factor)
    own = predicted.standard_deviation * np.float32(factor)
    return depth, np.hypot(own, depth * np.float32(deviation)) if deviation else own
