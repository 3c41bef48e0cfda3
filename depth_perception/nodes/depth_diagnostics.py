"""What a node of depth measures of itself, and what it tells about that on /diagnostics."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from depth_perception.messages.front import CompletionFront
from depth_perception.nodes.completion_outputs import CompletionOutputs
from depth_perception.nodes.sensing import Check, SensingNode
from depth_perception.pipelines.model_switch import ModelSwitch
from depth_perception.pipelines.parameters import ParameterTable
from depth_perception.ros.diagnostics import Level, Status
from depth_perception.ros.statistics import Counters, LatencyMeter, RateMeter

NANOSECONDS = 1_000_000_000


class DepthDiagnostics(SensingNode):
    """The telling half of ``DepthNode``, which does the work and fills in the figures."""

    task = "depth"  # of the status that tells of the model's work
    _front: CompletionFront
    _outputs: CompletionOutputs

    def __init__(self, name: str, table: ParameterTable, check: Check, **options: Any):
        """See ``SensingNode``."""
        super().__init__(name, table, check, **options)
        self._skipped = Counters()
        self._latency = LatencyMeter()
        self._sets = RateMeter()
        self._completed = RateMeter()
        self._coverage = 0.0
        self._transform_age: float | None = None
        self._quiet_since = 0  # node clock when a frame could first be expected
        self._models: ModelSwitch | None = None
        self._degraded = ""  # why the node runs without the model it was started with

    def more_statuses(self, now: int) -> list[Status]:
        """Return statuses besides inputs, transforms and the task's own."""
        return []

    def tell_more(self, status: Status) -> None:
        """Add figures to the task's status."""

    def statuses(self) -> list[Status]:
        """Return the state of inputs, transforms and the work itself."""
        if self._inputs is None:
            status = Status(self.task)
            status.remark(Level.OK, "not active")
            return [status]
        values, now = self.parameters.values, self.now()
        silence = float(values["diagnostics.silence"])
        wanted = sorted(self._outputs.wanted(bool(values["output.always_publish"])))
        inputs = self._inputs.status(now, silence, bool(wanted))
        if now <= 0:
            inputs.remark(Level.WARN, "use_sim_time is true but nothing has arrived on /clock yet")
        own = self._own_status(now, silence, wanted)
        return [inputs, *self.more_statuses(now), self._transform_status(), own]

    def drops(self) -> dict[str, int]:
        """Return everything lost since the start, by cause."""
        return dict(Counter(self._front.statistics().drops) + Counter(self._drops.snapshot()))

    def _transform_status(self) -> Status:
        status, transforms = Status("transforms"), self._listener.transforms
        age = self._transform_age
        if self._completed.count:
            status.set("age of the newest transform [s]", "static" if age is None else age)
        status.set("failed look-ups", transforms.failures)
        status.set("look-ups that had to wait", transforms.waited)
        for problem in self._recent_problems():
            if problem.cause in ("no_transform", "tf"):
                status.remark(Level.WARN, problem.text)
        if self._listener.incompatible:
            status.remark(Level.ERROR, self._listener.incompatible)
        return status

    def _own_status(self, now: int, silence: float, wanted: list[str]) -> Status:
        status = Status(self.task)
        rate, expected = self._completed.rate(now), float(self.parameters.values["diagnostics.expected_rate"])
        self._tell_model(status)
        status.set("output rate [Hz]", rate)
        status.set("frames", self._completed.count)
        status.set("share of image covered by points", self._coverage)
        self.tell_more(status)
        for stage, (mean, p95) in self._latency.summary().items():
            status.set(f"latency {stage} mean [s]", mean)
            status.set(f"latency {stage} p95 [s]", p95)
        for cause, count in sorted(self.drops().items()):
            status.set(f"drops.{cause}", count)
        status.set("skipped because nobody subscribes", self._skipped.snapshot().get("nobody subscribes", 0))
        status.set("subscribed outputs", ", ".join(wanted) or "none")
        if self._outputs.too_far:
            status.set("pixels beyond 65.534 m in 16UC1", self._outputs.too_far)
        for problem in self._recent_problems():
            if problem.cause not in ("no_transform", "tf", "incompatible_qos"):
                subject = f"{problem.subject}: " if problem.subject else ""
                status.remark(Level.OK if problem.cause == "note" else Level.WARN, subject + problem.text)
        if not wanted:
            status.remark(Level.OK, "nobody subscribes, so nothing is computed")
            return status
        last = self._completed.newest or 0
        quiet = (now - max(last, self._quiet_since)) / NANOSECONDS
        if now > 0 and quiet >= silence:
            status.remark(Level.ERROR, f"no frame completed for {quiet:.1f} s")
        elif 0 < rate < 0.9 * expected:
            status.remark(Level.WARN, f"output rate {rate:.1f} Hz is below 90 % of the expected {expected:g} Hz")
        return status

    def _tell_model(self, status: Status) -> None:
        """Add what runs, where, and what is being loaded to take its place."""
        assert self._models is not None
        completer = self._models.completer
        status.set("model", f"{completer.name} {completer.version}")
        for key in ("backend", "device"):
            if value := getattr(getattr(completer, "run", None), key, ""):
                status.set(key, value)
        if (wish := self._models.wish) is not None:
            choice, since = wish
            settled = "ready" if self._models.is_settled else f"loading for {time.monotonic() - since:.0f} s"
            status.set("next model", f"{choice}: {settled}")
        if self._degraded:
            status.remark(Level.WARN, self._degraded)
