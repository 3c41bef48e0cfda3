"""What the decomposition node measures of itself, and what it tells about that on /diagnostics."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

from depth_perception.messages.decomposition_front import DecompositionFront
from depth_perception.nodes.decomposition_outputs import DecompositionOutputs
from depth_perception.nodes.sensing import Check, SensingNode
from depth_perception.pipelines.decomposition import Decomposition, SceneStatus
from depth_perception.pipelines.parameters import ParameterTable
from depth_perception.ros.diagnostics import Level, Status
from depth_perception.ros.statistics import LatencyMeter, RateMeter

NANOSECONDS = 1_000_000_000


def resident_bytes() -> int:
    """Return the memory that this process holds, 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


class DecompositionDiagnostics(SensingNode):
    """The telling half of the decomposition node, which does the work and fills in the figures."""

    _front: DecompositionFront
    _outputs: DecompositionOutputs
    _scene: Decomposition

    def __init__(self, name: str, table: ParameterTable, check: Check, **options: Any):
        """See ``SensingNode``."""
        super().__init__(name, table, check, **options)
        self._latency = LatencyMeter()
        self._taken = RateMeter()
        self._quiet_since = 0
        self._figures: SceneStatus | None = None  # of the scene, as the worker left it
        self._losses: dict[str, float] = {}
        self._labels_from = "nothing"

    def statuses(self) -> list[Status]:
        """Return the state of inputs, transforms, scene and the work itself."""
        if self._inputs is None:
            status = Status("decomposition")
            status.remark(Level.OK, "not active")
            return [status]
        now, silence = self.now(), float(self.parameters.values["diagnostics.silence"])
        inputs = self._inputs.status(now, silence, True)
        if now <= 0:
            inputs.remark(Level.WARN, "use_sim_time is true but nothing has arrived on /clock yet")
        return [inputs, self._transform_status(), self._scene_status(), self._own_status(now, silence)]

    def drops(self) -> dict[str, int]:
        """Return everything lost since the start, by cause."""
        return dict(Counter(self._front.drops()) + Counter(self._drops.snapshot()))

    def _transform_status(self) -> Status:
        status, transforms = Status("transforms"), self._listener.transforms
        status.set("failed look-ups", transforms.failures)
        status.set("look-ups that had to wait", transforms.waited)
        for problem in self._recent_problems():
            if problem.cause in ("no_pose", "tf"):
                subject = f"{problem.subject}: " if problem.subject else ""
                status.remark(Level.WARN, subject + problem.text)
        if self._listener.incompatible:
            status.remark(Level.ERROR, self._listener.incompatible)
        return status

    def _scene_status(self) -> Status:
        status, figures = Status("scene"), self._figures
        objects = self._scene.snapshot.objects
        status.set("objects", len(objects))
        if figures is None:
            status.remark(Level.OK, "no frame was taken yet")
            return status
        counts = (
            ("blocks in memory", figures.live_blocks),
            ("blocks put aside", figures.parked_blocks),
            ("key frames", figures.key_frames),
            ("steps done", figures.steps),
            ("steps to do", figures.pending),
        )
        for key, count in counts:
            status.set(key, count)
        for reason, count in sorted(figures.reasons.items()):
            status.set(f"key frames by {reason}", count)
        for name, value in sorted(self._losses.items()):
            status.set(f"loss {name}", float(value))
        status.set("meshes in memory [MB]", figures.mesh_bytes / 1e6)
        status.set("memory of this process [MB]", resident_bytes() / 1e6)
        if figures.key_frames and not objects and not figures.pending:
            status.remark(Level.WARN, "all key frames were fitted and no object was found: are there labels above 0?")
        return status

    def _own_status(self, now: int, silence: float) -> Status:
        status = Status("decomposition")
        status.set("frames taken", self._taken.count)
        status.set("frame rate [Hz]", self._taken.rate(now))
        status.set("labels from", self._labels_from)
        status.set("objects sent", self._outputs.sent)
        for stage, (mean, p95) in self._latency.summary().items():
            status.set(f"latency {stage} mean [s]", mean)
            status.set(f"latency {stage} p95 [s]", p95)
        for cause, count in sorted(self.drops().items()):
            status.set(f"drops.{cause}", count)
        for name in ("depth", "labels"):
            if self._front.drops().get(f"no_partner_{name}"):
                missed = self._front.missed(name)
                near = "there were none" if missed is None else f"the nearest was {missed:+.3f} s away"
                status.set(f"last image without {name}", near)
        status.set("subscribed outputs", ", ".join(sorted(self._outputs.wanted())) or "none")
        for problem in self._recent_problems():
            if problem.cause not in ("no_pose", "tf", "incompatible_qos"):
                subject = f"{problem.subject}: " if problem.subject else ""
                status.remark(Level.OK if problem.cause == "note" else Level.WARN, subject + problem.text)
        quiet = (now - max(self._taken.newest or 0, self._quiet_since)) / NANOSECONDS
        if now > 0 and quiet >= silence:
            status.remark(Level.ERROR, f"no frame taken for {quiet:.1f} s")
        return status
