"""Depth that never goes dark: completion while there are points, estimation while there are not.

While points come, an estimator is asked now and then, so that its scale is known when they stop.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from depth_perception.frames import DepthEstimate, ScaleKind
from depth_perception.models.completer import Completer
from depth_perception.models.estimator import Estimator
from depth_perception.pipelines.completion import CompletionInput, CompletionPipeline, CompletionSettings
from depth_perception.pipelines.estimation import EstimationInput, EstimationPipeline, EstimationSettings
from depth_perception.pipelines.metric_scale import Scale
from depth_perception.pipelines.model_selection import NO_ESTIMATOR, EstimatorChoice
from depth_perception.pipelines.parameters import Value
from depth_perception.pipelines.streaming import StreamingSettings

SECOND = 1_000_000_000
_HISTORY = 9  # frames with points whose distance in time tells the range sensor's rate
_ENOUGH = 4  # of them to go by
_DUE = 0.75  # of the usual distance; an image that is earlier than that after points lies between two scans


@dataclass(frozen=True)
class FallbackSettings:
    """``model``: what estimates; ``min_points``: fewer in an image are not completed, but still tell the scale.

    ``period`` [s]: how often the scale is followed while points come. ``partial``: images without any points are to be
    answered in any case, and be it with unknown depth.
    """

    model: EstimatorChoice = field(default_factory=lambda: EstimatorChoice(NO_ESTIMATOR))
    min_points: int = 20
    period: float = 1.0
    partial: bool = False

    @classmethod
    def from_parameters(cls, values: Mapping[str, Value]) -> FallbackSettings:
        """Pick the settings out of the values of COMPLETION_PARAMETERS.

        With sync.policy approximate there is nothing to fall back to: it keeps images back that have no partner.
        """
        is_possible = values["sync.policy"] != "approximate"
        model = EstimatorChoice(
            str(values["fallback.model"]) if is_possible else NO_ESTIMATOR,
            str(values["backend"]),
            str(values["device"]),
            str(values["fallback.model_file"]) if is_possible else "",
        )
        points, period = int(values["fallback.min_points"]), float(values["fallback.period"])
        return cls(model, points, period, bool(values["sync.publish_partial"]))

    @property
    def is_wanted(self) -> bool:
        """True if there is something to fall back to."""
        return self.model.name != NO_ESTIMATOR


def estimation_settings(completion: CompletionSettings, fallback: FallbackSettings) -> EstimationSettings:
    """Return how depth is estimated where it cannot be completed: published alike, without flicker of its own."""
    return EstimationSettings(
        model=fallback.model,
        min_depth=completion.min_depth,
        max_depth=completion.max_depth,
        max_relative_deviation=completion.max_relative_deviation,
        streaming=StreamingSettings(
            completion.streaming.enabled, completion.streaming.memory, completion.streaming.gate
        ),
    )


class FallbackPipeline(CompletionPipeline):
    """A completion pipeline with an estimation pipeline behind it.

    ``completer``, ``estimation.estimator`` and both settings may be replaced between two frames.
    """

    def __init__(
        self, settings: CompletionSettings, fallback: FallbackSettings, completer: Completer, estimator: Estimator
    ):
        super().__init__(settings, completer)
        self.fallback = fallback
        self.estimation = EstimationPipeline(estimation_settings(settings, fallback), estimator)
        self.is_estimating = False
        self.changes = 0  # between completion and estimation
        self.estimated = 0  # frames
        self._followed: int | None = None
        self._stamp = 0
        self._with_points: deque[int] = deque(maxlen=_HISTORY)  # stamps

    @property
    def scale(self) -> Scale:
        """What is known of the estimator's scale at the newest frame."""
        return self.estimation.scale.at(self._stamp)

    def apply(self, settings: CompletionSettings, fallback: FallbackSettings) -> None:
        """Bring other settings into force."""
        self.settings, self.fallback = settings, fallback
        self.estimation.settings = estimation_settings(settings, fallback)

    def reset(self, reason: str) -> None:
        """Forget the last frame and the scale."""
        super().reset(reason)
        self.estimation.reset(reason)
        self._followed = None
        self._with_points.clear()

    def answer(self, given: CompletionInput) -> DepthEstimate | None:
        """Return what ``run`` does, but None for an image without points that needs no answer.

        That is one between two scans of a sensor slower than the camera, and one whose scale is not known either.
        """
        if self.fallback.partial or not self.fallback.is_wanted or len(given.sparse):
            return self.run(given)
        stamp = given.frame.stamp
        is_answerable = self._has_estimator and self.estimation.scale.at(stamp).is_metric
        return self.run(given) if is_answerable and not self.is_between_scans(stamp) else None

    def run(self, given: CompletionInput) -> DepthEstimate:
        """Return dense depth in metres as ``CompletionPipeline.run`` does.

        With fewer points than ``min_points`` it is estimated, if the scale is known; its deviation says how well.
        """
        self._stamp = given.frame.stamp
        if len(given.sparse) >= self.fallback.min_points:
            self._with_points.append(given.frame.stamp)
        if self._has_estimator and len(given.sparse) < self.fallback.min_points:
            estimate = self.estimation.run(_estimation_input(given))
            if estimate.scale is ScaleKind.METRIC:
                self._change(True)
                self.estimated += 1
                return estimate
        self._change(False)
        return super().run(given)

    def follow(self, given: CompletionInput) -> bool:
        """Ask the estimator about a frame with points if it is time to, and learn its scale; returns whether it was.

        To be called once the frame's own depth is on its way.
        """
        stamp = given.frame.stamp
        is_due = self._followed is None or not 0 <= stamp - self._followed < self.fallback.period * SECOND
        if not self._has_estimator or not is_due or len(given.sparse) < self.fallback.min_points:
            return False
        self._followed = stamp
        raw = self.estimation.estimator.infer(given.frame.image, given.frame.camera)
        self.estimation.learn(_estimation_input(given), raw)
        return True

    def is_between_scans(self, stamp: int) -> bool:
        """True if at ``stamp`` no scan was due yet, as far as the sensor's rate is known."""
        if len(self._with_points) < _ENOUGH:
            return False
        usual = statistics.median(later - earlier for earlier, later in pairwise(self._with_points))
        return stamp - self._with_points[-1] < _DUE * usual

    @property
    def _has_estimator(self) -> bool:
        return self.estimation.estimator.name != NO_ESTIMATOR

    def _change(self, is_estimating: bool) -> None:
        if is_estimating != self.is_estimating:
            self.is_estimating = is_estimating
            self.changes += 1
            # what the other model said is no prior for this one
            self.streaming.reset("fallback")
            self.estimation.streaming.reset("fallback")


def _estimation_input(given: CompletionInput) -> EstimationInput:
    if isinstance(given, EstimationInput):
        return given
    return EstimationInput(
        given.frame, given.sparse, given.interval, given.transform_age, given.notes, given.latency, given.T_fixed_camera
    )
