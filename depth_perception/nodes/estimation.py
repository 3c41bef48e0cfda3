"""The estimation node: one camera in, dense depth out, over the live ROS graph; metric as soon as it can be."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from depth_perception.available import optional
from depth_perception.frames import DepthEstimate, ScaleKind
from depth_perception.messages.estimation_front import EstimationFront, FloorFrame, front_settings
from depth_perception.nodes.completion import check_ranges
from depth_perception.nodes.depth import DepthNode
from depth_perception.nodes.estimation_outputs import EstimationOutputs
from depth_perception.pipelines.completion import CompletionInput
from depth_perception.pipelines.estimation import EstimationInput, EstimationPipeline, EstimationSettings
from depth_perception.pipelines.estimation_parameters import ESTIMATION_PARAMETERS
from depth_perception.pipelines.metric_scale import Scale
from depth_perception.pipelines.model_selection import NO_ESTIMATOR, EstimatorChoice, ModelChoice, warm_up_estimator
from depth_perception.pipelines.model_switch import ModelSwitch
from depth_perception.pipelines.parameters import Value
from depth_perception.ros.diagnostics import Level, Status

RESET = "~/reset_scale"


def check_values(values: Mapping[str, Value]) -> None:
    """Raise ValueError if the parameters make no sense together."""
    front_settings(values)
    EstimationSettings.from_parameters(values)
    check_ranges(values)


class EstimationNode(DepthNode):
    """See the module; topics and parameters are listed in pipelines/topics.py and estimation_parameters.py."""

    task = "estimation"
    optional_inputs = frozenset({"points", "sparse_depth"})

    def __init__(self, **options: Any):
        """Declare the parameters and offer the service; raises ParameterError if values cannot be used."""
        super().__init__("estimation_node", ESTIMATION_PARAMETERS, check_values, **options)
        self._scale: Scale | None = None  # of the last frame
        if optional("std_srvs") is None:
            self.get_logger().warning(f"the service {RESET} needs the ROS package std_srvs, which cannot be imported")
        else:
            self.create_service(importlib.import_module("std_srvs.srv").Trigger, RESET, self._on_reset)

    def choice_of(self, values: Mapping[str, Value]) -> ModelChoice:
        """See ``DepthNode``."""
        return EstimatorChoice.from_parameters(values)

    def make_models(self, choice: ModelChoice) -> ModelSwitch:
        """See ``DepthNode``."""
        return ModelSwitch(choice, self._on_model_failed, EstimatorChoice(NO_ESTIMATOR), warm_up_estimator)

    def make_pipeline(self, values: Mapping[str, Value], model: Any) -> EstimationPipeline:
        """See ``DepthNode``."""
        self._scale = None
        return EstimationPipeline(EstimationSettings.from_parameters(values), model)

    def make_front(self, values: Mapping[str, Value]) -> EstimationFront:
        """See ``DepthNode``."""
        floor = FloorFrame.from_parameters(values)
        transforms = self._listener.transforms
        return EstimationFront(front_settings(values), floor, transforms, self._on_set, self._on_refused)

    def make_outputs(self) -> EstimationOutputs:
        """See ``DepthNode``."""
        return EstimationOutputs(self, self.problem)

    def apply(self, values: Mapping[str, Value]) -> None:
        """See ``DepthNode``."""
        assert isinstance(self._front, EstimationFront)
        self._front.settings = front_settings(values)
        self._front.floor = FloorFrame.from_parameters(values)
        self._pipeline.settings = EstimationSettings.from_parameters(values)

    def compute(self, given: CompletionInput, model: Any) -> DepthEstimate | None:
        """See ``DepthNode``; nothing is published without a model, as nothing is known then."""
        if model.name == NO_ESTIMATOR:
            self._drops.add("no_model")
            return None
        assert isinstance(given, EstimationInput)
        self._pipeline.estimator = model
        estimate: DepthEstimate = self._pipeline.run(given)
        self._scale = self._pipeline.scale.at(given.frame.stamp)
        return estimate

    def without_model(self) -> str:
        """See ``DepthNode``."""
        return "nothing is estimated"

    def more_statuses(self, now: int) -> list[Status]:
        """Return what is known of the scale."""
        status, scale = Status("scale"), self._scale
        if scale is None:
            status.remark(Level.OK, "no image was estimated yet")
            return [status]
        filtered = self._pipeline.scale
        status.set("depth is", scale.kind.name.lower())
        status.set("factor [m per unit]", scale.factor)
        status.set("relative deviation", scale.deviation)
        status.set("told last by", scale.source or "nothing")
        if scale.source:
            status.set("told ago [s]", scale.age)
        for name, counts in (
            ("believed", filtered.accepted),
            ("kept out", filtered.rejected),
            ("reset", filtered.resets),
        ):
            for cause, count in sorted(dict(counts).items()):
                status.set(f"{name}: {cause}", count)
        if scale.kind is ScaleKind.UP_TO_SCALE:
            status.remark(Level.WARN, self._unscaled(scale))
        elif scale.kind is ScaleKind.RELATIVE:
            status.remark(Level.WARN, "depth is relative: this model's numbers cannot become metres by a scale")
        return [status]

    def _unscaled(self, scale: Scale) -> str:
        """Return why depth has no metres, and what would give it some."""
        if scale.source:
            return f"depth is up to scale: nothing has told the scale for {scale.age:.0f} s, since {scale.source} did"
        values, ways = self.parameters.values, []
        if values["input.source"] != "none":
            ways.append(f"points on {self._topic(self._front.settings.other_topic)}")
        if values["scale.use_odometry"]:
            fixed = values["transform.fixed_frame"]
            ways.append(f"motion in {fixed}" if fixed else "motion in transform.fixed_frame, which is not set")
        if values["scale.floor_frame"] or values["scale.camera_height"]:
            ways.append("a floor in view")
        else:
            ways.append("scale.camera_height, which is not set")
        return f"depth is up to scale: nothing has told its scale yet; it waits for {', or '.join(ways)}"

    def _on_reset(self, request: Any, response: Any) -> Any:
        """Forget the scale between two frames; called on the executor's thread."""
        response.success = self._worker is not None and self._worker.is_running
        if response.success:
            assert self._worker is not None
            self._worker.between(lambda: self._pipeline.reset("command"))
            response.message = "the scale is forgotten"
        else:
            response.message = "the node is not active, so there is no scale"
        return response
