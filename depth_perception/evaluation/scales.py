"""The scale of an estimator over a recording: what told it, how sure it was, and what it cost.

Depth after the median of a frame's truth shows how good the shape is; what depth in metres is worse than that is the
scale's part.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import DepthEstimate, ScaleKind


class ScaleSample(NamedTuple):
    """The scale at one frame: ``factor`` in metres per unit, ``deviation`` of its logarithm, ``source`` of it.

    ``kind``: metric, up_to_scale or relative. ``aligned``: AbsRel after scaling to the median of the truth, and
    ``right``: the factor that does so; NaN without truth.
    """

    stamp: int
    kind: str
    factor: float
    deviation: float
    source: str
    aligned: float
    right: float


def sample(estimate: DepthEstimate, target: tuple[NDArray, NDArray, Any] | None) -> ScaleSample:
    """Return the sample of one estimate; ``target`` is true depth (H, W), which of it counts (H, W), and whatever."""
    aligned = right = float("nan")
    if target is not None:
        truth, scored, _ = target
        depth, truth = estimate.depth[scored].astype(np.float64), truth[scored].astype(np.float64)
        known = np.isfinite(depth) & (depth > 0)
        if known.any():
            ratio = float(np.median(truth[known]) / np.median(depth[known]))
            aligned = float(np.mean(np.abs(ratio * depth[known] - truth[known]) / truth[known]))
            right = ratio * estimate.scale_factor
    return ScaleSample(
        estimate.stamp,
        estimate.scale.name.lower(),
        estimate.scale_factor,
        estimate.scale_deviation,
        estimate.scale_source,
        aligned,
        right,
    )


def in_metres(estimate: DepthEstimate) -> DepthEstimate:
    """Return the estimate as who wants metres gets it: all unknown (NaN) if it has none."""
    if estimate.scale is ScaleKind.METRIC:
        return estimate
    nothing = np.full_like(estimate.depth, np.nan)
    return replace(estimate, depth=nothing, standard_deviation=nothing)


def summary(samples: Sequence[ScaleSample]) -> dict[str, Any]:
    """Return what a report says of one model over all frames.

    ``metric``: share of frames in metres; ``deviation`` and ``off``: medians of the claimed relative deviation of the
    scale and of how far it was from the truth's; ``aligned``: mean AbsRel after scaling to the truth's median.
    """
    metric = [s for s in samples if s.kind == "metric"]
    ratio = np.array([s.factor / s.right for s in metric if np.isfinite(s.right)])
    aligned = np.array([s.aligned for s in samples if np.isfinite(s.aligned)])
    return {
        "frames": len(samples),
        "metric": len(metric) / len(samples) if samples else 0.0,
        "sources": dict(sorted(Counter(s.source for s in metric if s.source).items())),
        "deviation": float(np.median([s.deviation for s in metric])) if metric else float("nan"),
        "off": float(np.median(np.abs(ratio - 1))) if len(ratio) else float("nan"),
        "aligned": float(np.mean(aligned)) if len(aligned) else float("nan"),
    }


def scale_csv(scales: dict[str, list[ScaleSample]]) -> str:
    """Return one line per model and frame."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["model", *ScaleSample._fields])
    for model, samples in scales.items():
        for each in samples:
            writer.writerow([model, *(_text(value) for value in each)])
    return out.getvalue()


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.9g}" if np.isfinite(value) else ""
    return str(value)
