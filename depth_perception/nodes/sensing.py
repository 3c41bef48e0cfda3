"""What all nodes share that listen to sensors and look transforms up: names of topics, problems, and an orderly end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from depth_perception.messages.problem import FrontError
from depth_perception.nodes.completion_inputs import CompletionInputs
from depth_perception.pipelines.parameters import ParameterTable, Value
from depth_perception.ros.node_base import PerceptionNode
from depth_perception.ros.statistics import Counters
from depth_perception.ros.tf import TransformListener

Check = Callable[[Mapping[str, Value]], None]


class SensingNode(PerceptionNode):
    """A node with inputs, made while it is active, and a transform listener, made while it is configured."""

    _listener: TransformListener

    def __init__(self, name: str, table: ParameterTable, check: Check, **options: Any):
        """See ``PerceptionNode``."""
        self._inputs: CompletionInputs | None = None
        super().__init__(name, table, check, **options)
        self._drops = Counters()

    def close(self) -> bool:
        """End from whatever state; the worker may be waiting for a transform."""
        if hasattr(self, "_listener"):
            self._listener.transforms.close()
        return super().close()

    def _on_refused(self, error: FrontError) -> None:
        """Tell of a message that the front has refused and counted."""
        self.problem(error.cause, self._topic(error.topic), str(error))

    def _on_unusable(self, error: FrontError) -> None:
        """Count and tell of a set that cannot be used."""
        self._drops.add(error.cause)
        self._on_refused(error)

    def _recent_problems(self) -> list:
        values = self.parameters.values
        window = max(float(values["diagnostics.silence"]), 2 * float(values["diagnostics.period"]))
        return self.problems.recent(time.monotonic() - window)

    def _topic(self, role: str) -> str:
        inputs = self._inputs  # another thread may let go of it
        return role if inputs is None else inputs.topic(role)
