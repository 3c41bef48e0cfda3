"""The completion node: one camera and one range sensor in, dense depth out, over the live ROS graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from depth_perception.available import optional
from depth_perception.frames import DepthEstimate
from depth_perception.messages.front import CompletionFront, FrontSettings
from depth_perception.nodes.completion_outputs import CompletionOutputs
from depth_perception.nodes.depth import DepthNode
from depth_perception.pipelines.completion import CompletionInput, CompletionPipeline, CompletionSettings
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.model_selection import FALLBACK, ModelChoice
from depth_perception.pipelines.model_switch import ModelSwitch
from depth_perception.pipelines.parameters import ParameterError, Value
from depth_perception.ros.diagnostics import Level, Status


def check_values(values: Mapping[str, Value]) -> None:
    """Raise ValueError if the parameters make no sense together or ask for what is not installed."""
    FrontSettings.from_parameters(values)
    CompletionSettings.from_parameters(values)
    check_ranges(values)
    if values["sync.policy"] == "approximate" and optional("message_filters") is None:
        raise ParameterError(
            "sync.policy: approximate needs the ROS package message_filters, which cannot be imported; "
            "install it or use nearest"
        )


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
        self._last_pairing = (0, 0)  # sets and images without a partner when diagnostics last saw a new set

    def choice_of(self, values: Mapping[str, Value]) -> ModelChoice:
        """See ``DepthNode``."""
        return ModelChoice.from_parameters(values)

    def make_models(self, choice: ModelChoice) -> ModelSwitch:
        """See ``DepthNode``."""
        return ModelSwitch(choice, self._on_model_failed)

    def make_pipeline(self, values: Mapping[str, Value], model: Any) -> CompletionPipeline:
        """See ``DepthNode``."""
        return CompletionPipeline(CompletionSettings.from_parameters(values), model)

    def make_front(self, values: Mapping[str, Value]) -> CompletionFront:
        """See ``DepthNode``."""
        settings = FrontSettings.from_parameters(values)
        return CompletionFront(settings, self._listener.transforms, self._on_set, self._on_refused)

    def make_outputs(self) -> CompletionOutputs:
        """See ``DepthNode``."""
        return CompletionOutputs(self, self.problem)

    def apply(self, values: Mapping[str, Value]) -> None:
        """See ``DepthNode``."""
        self._front.settings = FrontSettings.from_parameters(values)
        self._pipeline.settings = CompletionSettings.from_parameters(values)

    def compute(self, given: CompletionInput, model: Any) -> DepthEstimate | None:
        """See ``DepthNode``."""
        self._pipeline.completer = model
        return self._pipeline.run(given)

    def without_model(self) -> str:
        """See ``DepthNode``."""
        return f"{FALLBACK} answers instead"

    def more_statuses(self, now: int) -> list[Status]:
        """Return the state of synchronisation."""
        return [self._sync_status(now)]

    def _sync_status(self, now: int) -> Status:
        status, found = Status("synchronization"), self._front.statistics().sync
        status.set("policy", self.parameters.values["sync.policy"])
        status.set("pair rate [Hz]", self._sets.rate(now))
        status.set("pairs", self._sets.count)
        if found.pairs:
            status.set("interval mean [s]", found.interval_mean)
            status.set("interval max [s]", found.interval_max)
        for cause, count in sorted(found.drops.items()):
            status.set(f"drops.{cause}", count)
        sets, without = self._sets.count, found.drops.get("no_partner", 0)
        if sets > self._last_pairing[0]:
            self._last_pairing = (sets, without)
        if without > self._last_pairing[1] and not self._sets.rate(now):
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
