"""What the estimation node publishes: metres on topics of metres, and everything else elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rclpy.node import Node

from depth_perception.frames import DepthEstimate, ScaleKind
from depth_perception.messages.depth_info import depth_scale_message
from depth_perception.nodes.completion_outputs import CompletionOutputs
from depth_perception.pipelines.completion import CompletionInput
from depth_perception.pipelines.parameters import Value
from depth_perception.pipelines.topics import ESTIMATION_OUTPUTS

IN_METRES = frozenset({"depth/image_rect", "depth/standard_deviation", "depth/confidence", "depth/points"})
UNSCALED = "depth/image_unscaled"
SCALE = "depth/scale"


class EstimationOutputs(CompletionOutputs):
    """The publishers of the estimation node."""

    def __init__(self, node: Node, on_problem: Callable[[str, str, str], None]):
        """See ``CompletionOutputs``."""
        super().__init__(node, on_problem, ESTIMATION_OUTPUTS, frozenset({SCALE}))

    def publish(
        self, given: CompletionInput, estimate: DepthEstimate, wanted: frozenset[str], values: Mapping[str, Value]
    ) -> None:
        """Publish the ``wanted`` outputs that make sense at this scale, and the scale for those who come later."""
        is_metric = estimate.scale is ScaleKind.METRIC
        self._publishers[SCALE].publish(depth_scale_message(self._types, estimate))
        if UNSCALED in wanted and not is_metric:
            self._image(UNSCALED, estimate.depth, "32FC1", estimate)
        super().publish(given, estimate, wanted if is_metric else wanted - IN_METRES, values)
