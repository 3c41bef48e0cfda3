"""What an evaluation found, as plain data, with its machine-readable files.

``scores.json`` and ``per_frame.csv`` hold only what follows from recording, parameters and code, so
two runs give the same bytes; seconds go into ``timing.json``.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_perception.evaluation.boundaries import BoundarySums
from depth_perception.evaluation.metrics import METRICS, DepthSums
from depth_perception.evaluation.recording_topics import TopicChoice
from depth_perception.evaluation.scales import ScaleSample, scale_csv, summary
from depth_perception.frames import CameraModel, FloatImage, SparseDepth
from depth_perception.pipelines.parameters import Value

HELD_OUT = "held-out points"
TRUTH = "ground truth"

BOUNDARY_METRICS = {
    "boundary_mae": ("Boundary MAE", "m", "mean absolute error in the band around depth edges"),
    "smear_rate": ("Smear rate", "", "share of answers in that band that lie between the surfaces, far from each"),
}
ALL_METRICS = {**METRICS, **BOUNDARY_METRICS}
"""Key of each figure -> (label, unit, definition)."""


CAUSES = {
    "no_partner": "no range data within sync.max_interval of the image",
    "late": "the message came after newer ones had been paired",
    "duplicate": "a second message with the same stamp",
    "queue_full": "no range data within bound, and more images waiting than sync.queue_size",
    "time_jump": "stamps jumped back by more than time_jump.backward",
}
"""What the causes that the synchroniser counts mean."""


@dataclass(frozen=True)
class FrameScore:
    """Figures of one model on one frame against one target (HELD_OUT or TRUTH)."""

    index: int  # number of the frame among those evaluated
    stamp: int
    model: str
    target: str
    scored: int
    figures: dict[str, float]  # keys of ALL_METRICS
    image_coverage: float  # share of all pixels with an answer
    input_points: int
    interval: float | None  # range data minus image [s]


@dataclass
class Total:
    """Sums of one model against one target over all frames."""

    depth: DepthSums = field(default_factory=DepthSums.zero)
    boundary: BoundarySums = field(default_factory=BoundarySums)
    frames: int = 0
    image_coverage: float = 0.0  # sum over frames

    def add(self, depth: DepthSums, boundary: BoundarySums, image_coverage: float) -> None:
        """Merge one frame."""
        self.depth = self.depth + depth
        self.boundary = self.boundary + boundary
        self.frames += 1
        self.image_coverage += image_coverage

    def figures(self) -> dict[str, float]:
        """Return the figures of ALL_METRICS, ``scored``, ``frames`` and ``image_coverage``."""
        coverage = self.image_coverage / self.frames if self.frames else float("nan")
        return {
            **self.depth.compute(),
            **self.boundary.compute(),
            "scored": self.depth.scored,
            "frames": self.frames,
            "image_coverage": coverage,
        }


@dataclass(frozen=True, eq=False)
class Example:
    """Everything needed to draw one frame; estimates are (depth, standard deviation) by model."""

    index: int
    stamp: int
    camera: CameraModel
    image: NDArray[np.uint8]
    sparse: SparseDepth
    held: SparseDepth | None
    truth: FloatImage | None
    estimates: dict[str, tuple[FloatImage, FloatImage]]


@dataclass
class EvaluationResult:
    """All that an evaluation found."""

    recording: dict[str, Any]  # name, seconds, topics
    topics: TopicChoice
    protocol: dict[str, Any]  # hold-out, seed, truth, every, scored range
    parameters: dict[str, Value]
    models: dict[str, str]  # name -> version, in the order asked for
    primary: str = HELD_OUT  # the target that ranks frames
    rows: list[FrameScore] = field(default_factory=list)
    totals: dict[tuple[str, str], Total] = field(default_factory=dict)  # (model, target)
    frames: int = 0
    skipped: Counter[str] = field(default_factory=Counter)  # sets not evaluated, by cause
    messages: dict[str, str] = field(default_factory=dict)  # first text of each cause
    received: dict[str, int] = field(default_factory=dict)
    sync: dict[str, Any] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)
    best: list[Example] = field(default_factory=list)  # best first
    worst: list[Example] = field(default_factory=list)  # worst first
    latency: dict[str, dict[str, list[float]]] = field(default_factory=dict)  # model -> stage -> seconds
    partial: str = ""  # why the evaluation ended early; empty: it did not
    task: str = "completion"  # or estimation
    scales: dict[str, list[ScaleSample]] = field(default_factory=dict)  # model -> one a frame, of estimation only

    def targets(self) -> list[str]:
        """Return the targets that something was scored against, the primary one first."""
        found = [target for _, target in self.totals]
        return [target for target in (TRUTH, HELD_OUT) if target in found]

    def reason(self, cause: str) -> str:
        """Return the first case of a cause in full, or what the cause means."""
        return self.messages.get(cause) or CAUSES.get(cause, "")

    def skip(self, cause: str, text: str) -> None:
        """Count a set or frame that could not be evaluated and keep the first reason in full."""
        self.skipped[cause] += 1
        self.messages.setdefault(cause, text)


def _plain(value: Any) -> Any:
    """Return ``value`` for JSON: NaN and infinity become null, NumPy numbers become Python's."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.integer, np.floating)):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def scores(result: EvaluationResult) -> dict[str, Any]:
    """Return the scores as nested plain data, the same for every run on the same input."""
    models: dict[str, Any] = {}
    for name, version in result.models.items():
        targets = {}
        for target in result.targets():
            total = result.totals.get((name, target))
            if total is not None:
                targets[target] = {
                    **total.figures(),
                    "by_range": total.depth.by_range(),
                    "calibration": total.depth.calibration(),
                }
        models[name] = {"version": version, "scores": targets}
        if name in result.scales:
            models[name]["scale"] = summary(result.scales[name])
    return _plain(
        {
            "recording": result.recording,
            "protocol": result.protocol,
            "frames": result.frames,
            "partial": result.partial,
            "models": models,
            "skipped": dict(sorted(result.skipped.items())),
            "sync": result.sync,
            "parameters": result.parameters,
        }
    )


def per_frame_csv(result: EvaluationResult) -> str:
    """Return one line per frame, model and target; figures with nine significant digits."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["frame", "stamp", "model", "target", "scored", "input_points", "interval", "image_coverage", *ALL_METRICS]
    )
    for row in result.rows:
        interval = "" if row.interval is None else f"{row.interval:.9f}"
        figures = [f"{row.figures[key]:.9g}" if math.isfinite(row.figures[key]) else "" for key in ALL_METRICS]
        head = [row.index, row.stamp, row.model, row.target, row.scored, row.input_points, interval]
        writer.writerow([*head, f"{row.image_coverage:.9g}", *figures])
    return out.getvalue()


def timing(result: EvaluationResult) -> dict[str, Any]:
    """Return milliseconds by model and stage: mean, median, 95th percentile, maximum, and frames a second."""
    table: dict[str, Any] = {}
    for model, stages in result.latency.items():
        rows = {}
        for stage, seconds in stages.items():
            if seconds:
                values = np.asarray(seconds) * 1e3
                rows[stage] = {
                    "mean_ms": float(values.mean()),
                    "median_ms": float(np.median(values)),
                    "p95_ms": float(np.percentile(values, 95)),
                    "max_ms": float(values.max()),
                }
        total = rows.get("total", {}).get("mean_ms", 0.0)
        table[model] = {"stages": rows, "frames_per_second": 1e3 / total if total else None}
    return table


def write_data(result: EvaluationResult, folder: str | Path) -> list[Path]:
    """Write scores.json, per_frame.csv, timing.json and, of estimation, scale.csv into ``folder``; return the paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "scores.json": json.dumps(scores(result), indent=2, ensure_ascii=False) + "\n",
        "per_frame.csv": per_frame_csv(result),
        "timing.json": json.dumps(_plain(timing(result)), indent=2) + "\n",
    }
    if result.scales:
        contents["scale.csv"] = scale_csv(result.scales)
    for name, text in contents.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in contents]
