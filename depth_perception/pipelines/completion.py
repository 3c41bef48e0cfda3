"""Floor 2: from one camera frame with measured pixels to one dense depth estimate, ROS-free.

The live node and the offline evaluator run this very object, so a score describes what the robot sees.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import (
    GAUSSIAN_95,
    CameraFrame,
    DepthEstimate,
    DepthPrediction,
    FloatImage,
    ScaleKind,
    SparseDepth,
)
from depth_perception.models.completer import Completer
from depth_perception.pipelines.model_selection import FALLBACK, ModelChoice
from depth_perception.pipelines.parameters import Value
from depth_perception.pipelines.streaming import Streaming, StreamingSettings, motion_between


@dataclass(frozen=True, eq=False)
class CompletionInput:
    """What the pipeline needs for one frame.

    ``interval`` is the stamp of the range data minus the stamp of the image, in seconds (None
    without range data); ``transform_age`` how much older than the image the newest transform was,
    in seconds (None when every transform is static); ``notes`` are remarks for the diagnostics;
    ``latency`` holds the seconds already spent, by stage. ``T_fixed_camera`` (4, 4) is where the camera is in a world
    that stands still, None if nobody asked for it or it is not known.
    """

    frame: CameraFrame
    sparse: SparseDepth
    interval: float | None = None
    transform_age: float | None = None
    notes: tuple[str, ...] = ()
    latency: Mapping[str, float] = field(default_factory=dict)
    T_fixed_camera: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class CompletionSettings:
    """The parameters that shape the result: model, published range [m], relative deviation limit, streaming."""

    model: ModelChoice = field(default_factory=lambda: ModelChoice(FALLBACK))
    min_depth: float = 0.3
    max_depth: float = 80.0
    max_relative_deviation: float = 0.0
    streaming: StreamingSettings = field(default_factory=StreamingSettings)

    def __post_init__(self) -> None:
        """Raise ValueError if the published range is empty."""
        if self.min_depth >= self.max_depth:
            raise ValueError(f"depth.min {self.min_depth:g} must be below depth.max {self.max_depth:g}")

    @classmethod
    def from_parameters(cls, values: Mapping[str, Value]) -> CompletionSettings:
        """Pick the settings out of the values of COMPLETION_PARAMETERS."""
        return cls(
            model=ModelChoice.from_parameters(values),
            min_depth=float(values["depth.min"]),
            max_depth=float(values["depth.max"]),
            max_relative_deviation=float(values["depth.max_relative_deviation"]),
            streaming=StreamingSettings.from_parameters(values),
        )


class CompletionPipeline:
    """Run a completion model and keep of its answer what may be published.

    ``settings`` and ``completer`` may be replaced between two frames.
    """

    def __init__(self, settings: CompletionSettings, completer: Completer | None = None):
        """Load the model of ``settings`` unless ``completer`` is given; raises ValueError if it cannot be had."""
        self.settings = settings
        self.completer: Completer = settings.model.load() if completer is None else completer
        self.streaming = Streaming(settings.streaming)
        self._last: tuple[str, NDArray[np.float64] | None] | None = None  # model and T_fixed_camera of the last frame

    def reset(self, reason: str) -> None:
        """Forget the last frame, as after a time jump."""
        self.streaming.reset(reason)
        self._last = None

    def run(self, given: CompletionInput) -> DepthEstimate:
        """Return dense depth and its standard deviation, registered to ``given.frame``.

        Outside the valid range, and where the deviation is too large for its depth, depth and
        deviation are NaN. Latency gains the stages ``complete`` and ``finish``.
        """
        settings, frame = self.settings, given.frame
        started = time.perf_counter()
        predicted = self.completer.infer(frame.image, given.sparse.image(), frame.camera)
        completed = time.perf_counter()
        depth, deviation = self._stream(given, predicted)
        with np.errstate(invalid="ignore"):
            keep = (depth >= settings.min_depth) & (depth <= settings.max_depth)
            if settings.max_relative_deviation > 0:
                keep &= deviation <= settings.max_relative_deviation * depth
        depth = np.where(keep, depth, np.float32(np.nan))
        deviation = np.where(keep, deviation, np.float32(np.nan))
        latency = dict(given.latency)
        latency["complete"] = completed - started
        latency["finish"] = time.perf_counter() - completed
        return DepthEstimate(
            stamp=frame.stamp,
            frame_id=frame.frame_id,
            camera=frame.camera,
            depth=depth,
            standard_deviation=deviation,
            scale=ScaleKind.METRIC,
            model=self.completer.name,
            version=self.completer.version,
            valid_range=(settings.min_depth, settings.max_depth),
            input_coverage=len(given.sparse) / max(depth.size, 1),
            latency=latency,
            inlier=predicted.inlier,
            wide=getattr(getattr(self.completer, "calibration", None), "wide", GAUSSIAN_95),
        )

    def _stream(self, given: CompletionInput, predicted: DepthPrediction) -> tuple[FloatImage, FloatImage]:
        """Return depth and deviation with those of the frames before averaged in, if that is wanted."""
        if not self.settings.streaming.enabled:
            return predicted.depth, predicted.standard_deviation
        frame, model = given.frame, f"{self.completer.name} {self.completer.version}"
        if self._last is not None and self._last[0] != model:
            self.reset("model")
        self.streaming.settings = self.settings.streaming
        T = motion_between(None if self._last is None else self._last[1], given.T_fixed_camera)
        self._last = (model, given.T_fixed_camera)
        return self.streaming.update(
            predicted.depth, predicted.standard_deviation, frame.image, frame.camera, frame.stamp, T
        )
