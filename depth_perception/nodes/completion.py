"""The completion node: one camera and one range sensor in, dense depth out, over the live ROS graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from depth_perception.available import optional
from depth_perception.frames import DepthEstimate
from depth_perception.messages.estimation_front import EstimationFront, FloorFrame
from depth_perception.messages.front import CompletionFront, FrontSettings
from depth_perception.nodes.completion_outputs import CompletionOutputs
from depth_perception.nodes.depth import DepthNode
from depth_perception.pipelines.completion import CompletionInput, CompletionSettings
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.fallback import FallbackPipeline, FallbackSettings
from depth_perception.pipelines.model_selection import (
    FALLBACK,
    NO_ESTIMATOR,
    EstimatorChoice,
    ModelChoice,
    warm_up_estimator,
)
from depth_perception.pipelines.model_switch import ModelSwitch
from depth_perception.pipelines.parameters import ParameterError, Value
from depth_perception.pipelines.synchronizer import SyncedSet
from depth_perception.ros.diagnostics import Level, Status
from depth_perception.ros.statistics import RateMeter


def check_values(values: Mapping[str, Value]) -> None:
    """Raise ValueError if the parameters make no sense together or ask for what is not installed."""
    front_settings(values)
    FallbackSettings.from_parameters(values)
    CompletionSettings.from_parameters(values)
    check_ranges(values)
    if values["sync.policy"] == "approximate" and optional("message_filters") is None:
        raise ParameterError(
            "sync.policy: approximate needs the ROS package message_filters, which cannot be imported; "
            "install it or use nearest"
        )


def front_settings(values: Mapping[str, Value]) -> FrontSettings:
    """Return how messages are read; with something to fall back to, images without range data are of use."""
    settings = FrontSettings.from_parameters(values)
    if not FallbackSettings.from_parameters(values).is_wanted:
        return settings
    return replace(settings, sync=replace(settings.sync, publish_partial=True), wants_pose=True)


def check_ranges(values: Mapping[str, Value]) -> None:
    """Raise ParameterError if the far end of a range is not beyond its near end."""
    for low, high in (("cloud.min_range", "cloud.max_range"), ("output.preview_min", "output.preview_max")):
        if 0 < float(values[high]) <= float(values[low]):
            raise ParameterError(f"{low} {values[low]:g} must be below {high} {values[high]:g}")


class CompletionNode(DepthNode):
    """See the module; topics and parameters are listed in pipelines/topics.py and completion_parameters.py."""

    task = "completion"

    def __init__(self, **options: Any):
        """Declare the parameters; raises ParameterError if their values cannot be used."""
        super().__init__("completion_node", COMPLETION_PARAMETERS, check_values, **options)
        self._estimators: ModelSwitch | None = None  # what completion falls back to
        self._no_fallback = ""  # why there is nothing to fall back to, though it was asked for
        self._pairs = RateMeter()  # of sets with range data
        self._last_pairing = (0, 0)  # pairs and images without a partner when diagnostics last saw a new pair

    def choice_of(self, values: Mapping[str, Value]) -> ModelChoice:
        """See ``DepthNode``."""
        return ModelChoice.from_parameters(values)

    def make_models(self, choice: ModelChoice) -> ModelSwitch:
        """See ``DepthNode``."""
        return ModelSwitch(choice, self._on_model_failed)

    def make_pipeline(self, values: Mapping[str, Value], model: Any) -> FallbackPipeline:
        """See ``DepthNode``."""
        fallback, none = FallbackSettings.from_parameters(values), EstimatorChoice(NO_ESTIMATOR)
        self._no_fallback = ""
        self._estimators = ModelSwitch(fallback.model, self._on_fallback_failed, none, warm_up_estimator)
        return FallbackPipeline(CompletionSettings.from_parameters(values), fallback, model, self._estimators.completer)

    def tear_down(self) -> None:
        """See ``DepthNode``."""
        if self._estimators is not None:
            self._estimators.cancel()
        super().tear_down()

    def make_front(self, values: Mapping[str, Value]) -> CompletionFront:
        """See ``DepthNode``."""
        settings, transforms = front_settings(values), self._listener.transforms
        if FallbackSettings.from_parameters(values).is_wanted:  # then bad range data is no reason to lose an image
            return EstimationFront(settings, FloorFrame(), transforms, self._on_set, self._on_refused)
        return CompletionFront(settings, transforms, self._on_set, self._on_refused)

    def on_time_jump(self, reason: str) -> None:
        """See ``DepthNode``."""
        super().on_time_jump(reason)
        self._pairs.reset()

    def _on_set(self, synced: SyncedSet) -> None:
        if not synced.partial:
            self._pairs.tick(self.now() or synced.image_stamp)
        super()._on_set(synced)

    def make_outputs(self) -> CompletionOutputs:
        """See ``DepthNode``."""
        return CompletionOutputs(self, self.problem)

    def apply(self, values: Mapping[str, Value]) -> None:
        """See ``DepthNode``."""
        self._front.settings = front_settings(values)
        self._pipeline.apply(CompletionSettings.from_parameters(values), FallbackSettings.from_parameters(values))

    def compute(self, given: CompletionInput, model: Any) -> DepthEstimate | None:
        """See ``DepthNode``."""
        assert self._estimators is not None
        pipeline: FallbackPipeline = self._pipeline
        pipeline.completer = model
        pipeline.estimation.estimator = self._estimators.take(given.frame.camera.shape)
        before = pipeline.is_estimating
        refused = getattr(given, "refused", None)
        if refused is not None:  # told with its topic whether or not something else answers
            cause, topic, text = refused
            self.problem(cause, self._topic(topic), text)
        estimate = pipeline.answer(given)
        if estimate is None:
            self._tell_unanswered(given)
            return None
        if pipeline.is_estimating != before:
            self._tell_change(estimate)
        return estimate

    def afterwards(self, given: CompletionInput) -> None:
        """Follow the scale of what would have to answer without range data."""
        self._pipeline.follow(given)

    def without_model(self) -> str:
        """See ``DepthNode``."""
        return f"{FALLBACK} answers instead"

    def more_statuses(self, now: int) -> list[Status]:
        """Return the state of synchronisation, and of what completion falls back to."""
        wanted = FallbackSettings.from_parameters(self.parameters.values).is_wanted
        return [self._sync_status(now), *([self._fallback_status()] if wanted else [])]

    def _on_fallback_failed(self, wish: ModelChoice, error: Exception) -> None:
        """Remember that there is nothing to fall back to; called on any thread."""
        self._no_fallback = f"{wish} cannot be used: {error}; without range data depth is unknown"
        self.get_logger().warning(self._no_fallback)

    def _tell_unanswered(self, given: CompletionInput) -> None:
        """Count an image without points that was left alone."""
        refused = getattr(given, "refused", None)
        if refused is not None:
            self._drops.add(refused[0])
        elif self._pipeline.is_between_scans(given.frame.stamp):
            self._skipped.add("between two scans")
        else:
            self._drops.add("no_range_data")

    def _tell_change(self, estimate: DepthEstimate) -> None:
        """Log that range data is gone or back."""
        if self._pipeline.is_estimating:
            self.get_logger().warning(
                f"no usable range data: depth is estimated by {estimate.model}, its scale known to "
                f"{estimate.scale_deviation:.0%}"
            )
        else:
            self.get_logger().warning("range data is back, or the scale is lost: depth is completed again")

    def _fallback_status(self) -> Status:
        status, pipeline, values = Status("fallback"), self._pipeline, self.parameters.values
        estimator = pipeline.estimation.estimator
        scale = pipeline.scale
        status.set("depth is", "estimated" if pipeline.is_estimating else "completed")
        status.set("changes between the two", pipeline.changes)
        status.set("frames estimated", pipeline.estimated)
        status.set("model", f"{estimator.name} {estimator.version}".strip())
        status.set("scale", scale.kind.name.lower())
        if scale.source:
            status.set("factor [m per unit]", scale.factor)
            status.set("relative deviation of the factor", scale.deviation)
            status.set("told ago [s]", scale.age)
        if self._no_fallback:
            status.remark(Level.WARN, self._no_fallback)
        elif estimator.name == NO_ESTIMATOR:
            is_ready = self._estimators is not None and self._estimators.is_settled
            status.remark(Level.OK, f"{values['fallback.model']} is {'ready' if is_ready else 'being loaded'}")
        elif pipeline.is_estimating:
            status.remark(
                Level.WARN,
                f"no usable range data: depth is estimated by {estimator.name}, "
                f"its scale was told {scale.age:.1f} s ago and is known to {scale.deviation:.0%}",
            )
        return status

    def _sync_status(self, now: int) -> Status:
        status, found = Status("synchronization"), self._front.statistics().sync
        status.set("policy", self.parameters.values["sync.policy"])
        if self.parameters.values["sync.policy"] == "approximate" and self.parameters.values["fallback.model"] != (
            NO_ESTIMATOR
        ):
            status.set("fallback", "off: approximate keeps images back that have no partner")
        status.set("pair rate [Hz]", self._pairs.rate(now))
        status.set("pairs", self._pairs.count)
        if found.pairs:
            status.set("interval mean [s]", found.interval_mean)
            status.set("interval max [s]", found.interval_max)
        for cause, count in sorted(found.drops.items()):
            status.set(f"drops.{cause}", count)
        if found.partials:
            status.set("images without a partner", found.partials)
        pairs, without = self._pairs.count, found.drops.get("no_partner", 0) + found.partials
        if pairs > self._last_pairing[0]:
            self._last_pairing = (pairs, without)
        if without > self._last_pairing[1] and not self._pairs.rate(now):
            status.remark(Level.WARN, self._unpaired(found.missed))
        return status

    def _unpaired(self, missed: float | None) -> str:
        """Return why images find no range data; ``missed`` as in SyncStatistics."""
        values, image, other = (
            self.parameters.values,
            self._topic("image"),
            self._topic(self._front.settings.other_topic),
        )
        if missed is None:
            return f"images on {image} find nothing on {other} to pair with"
        bound = "0 s of sync.policy exact" if values["sync.policy"] == "exact" else f"{values['sync.max_interval']:g} s"
        side = "later" if missed > 0 else "earlier"
        return (
            f"the nearest stamp on {other} is {abs(missed):.3f} s {side} than the image on {image}, and only "
            f"{bound} are allowed; check the drivers' clocks, or change sync.offset or sync.max_interval"
        )
