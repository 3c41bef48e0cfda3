"""How good weights are on frames that were kept from them: against ground truth, else against measured points.

Depth from the image alone is asked for at every measured pixel. Completion is given a part of the points and asked for
the others; where the recording has ground truth, it is given all of them. How depth was aligned before it was compared
is part of every figure's name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_perception.evaluation.holdout import Holdout, split
from depth_perception.evaluation.metrics import DepthSums, depth_sums
from depth_perception.evaluation.results import HELD_OUT, TRUTH
from depth_perception.frames import DepthPrediction, FloatImage, SparseDepth
from depth_perception.models import weights
from depth_perception.models.weights import Weights
from training.learning.frame_files import Recorded, read_frame
from training.learning.running import completer, estimator

NONE, MEDIAN = "none", "median of each image"
FIGURES = ("abs_rel", "mae", "rmse", "delta1")


class Asked(NamedTuple):
    """What is asked of a frame: ``given`` to a completer, ``held`` (m,) measurements to score at, and their kind."""

    given: SparseDepth
    held: SparseDepth
    kind: str


@dataclass
class Scores:
    """Figures by alignment over all frames, and of every frame: stamp in nanoseconds and its figures by alignment.

    ``target``: what was scored against; ``version`` of the weights; ``scored`` values. Empty without any value.
    """

    target: str = ""
    version: str = ""
    scored: int = 0
    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    frames: list[dict[str, Any]] = field(default_factory=list)


def default_holdout(frame: Recorded) -> Holdout:
    """Return whole rings where they are known, as between rings is where completion is needed, else some points."""
    if frame.ring is not None and len(np.unique(frame.ring[frame.ring >= 0])) >= 8:
        return Holdout("rings", every=4)
    return Holdout("points", share=0.2)


def asked(frame: Recorded, holdout: Holdout | None) -> Asked:
    """Return what a frame asks for; ``holdout`` None is for depth from images alone, which is given nothing."""
    sparse = frame.sparse()
    if frame.truth is not None and frame.truth.any():
        return Asked(sparse, SparseDepth.from_image(frame.truth), TRUTH)
    if holdout is None:
        return Asked(sparse, sparse, "measured points")
    return Asked(*split(sparse, holdout, frame.stamp), HELD_OUT)


def aligned(depth: NDArray[np.floating], truth: NDArray[np.floating], how: str) -> NDArray[np.floating]:
    """Return ``depth`` (m,) as it is compared with ``truth`` (m,): as it is, or scaled to the same median."""
    if how == NONE:
        return depth
    known = np.isfinite(depth)
    return depth * (np.median(truth[known]) / np.median(depth[known])) if known.any() else depth


def predictor(found: Weights) -> Callable[[Recorded, SparseDepth], DepthPrediction]:
    """Return what weights answer for a frame and the points given of it."""
    if found.family == "monocular":
        estimates = estimator(found)
        return lambda frame, given: estimates.infer(frame.image, frame.camera)
    completes = completer(found)
    return lambda frame, given: completes.infer(frame.image, given.image(), frame.camera)


def alignments(found: Weights) -> tuple[str, ...]:
    """Return how depth of these weights can be compared: in metres if they are metres, and up to scale."""
    if found.family != "monocular":
        return (NONE,)
    return (MEDIAN, NONE) if found.training.get("scale") == "metric" else (MEDIAN,)


def score(
    found: Weights,
    files: Sequence[Path],
    holdout: Holdout | None,
    progress: Callable[[int, int], None] | None = None,
) -> Scores:
    """Return how good ``found`` is on frames; those with nothing to score are left out."""
    ask, how = predictor(found), alignments(found)
    totals = {name: DepthSums.zero() for name in how}
    out = Scores(version=found.version)
    for number, file in enumerate(files):
        frame = read_frame(file)
        given, held, kind = asked(frame, holdout)
        if len(held) and (len(given) or found.family == "monocular"):
            depth = ask(frame, given).depth[held.rows, held.columns]
            row: dict[str, Any] = {"stamp": frame.stamp, "name": frame.name}
            for name in how:
                sums = depth_sums(aligned(depth, held.depth, name), held.depth)
                totals[name] = totals[name] + sums
                row[name] = _figures(sums)
            out.frames.append(row)
            out.target = kind
        if progress is not None:
            progress(number + 1, len(files))
    out.scored = totals[how[0]].scored
    if out.scored:
        out.figures = {name: _figures(sums) for name, sums in totals.items()}
    return out


def mean_error(found: Weights, files: Sequence[Path]) -> float:
    """Return the mean absolute error in metres at points that were held out."""
    holdout = default_holdout(read_frame(files[0]))
    return score(found, files, holdout).figures.get(NONE, {}).get("mae", float("inf"))


def kept_scores(file: Path, stamp: str, make: Callable[[], Scores]) -> Scores:
    """Return the scores in ``file`` if they are of ``stamp``, else make and keep them."""
    if file.is_file():
        there = json.loads(file.read_text())
        if there.get("of") == stamp:
            return Scores(**there["scores"])
    made = make()
    weights.replace(file, json.dumps({"of": stamp, "scores": asdict(made)}, indent=1).encode())
    return made


def change(before: float, after: float) -> float:
    """Return by which share an error fell: 0.2 is 20 % less, negative is more."""
    return 1 - after / before if before > 0 else float("nan")


def _figures(sums: DepthSums) -> dict[str, float]:
    found = sums.compute()
    return {key: float(found[key]) for key in FIGURES}


def depth_of(
    found: Weights, frame: Recorded, given: SparseDepth, held: SparseDepth, how: str
) -> tuple[FloatImage, FloatImage]:
    """Return depth and standard deviation of a whole frame, aligned at ``held`` as they are scored, for pictures."""
    prediction = predictor(found)(frame, given)
    at = prediction.depth[held.rows, held.columns]
    known = np.isfinite(at)
    factor = 1.0
    if how == MEDIAN and known.any():
        factor = float(np.median(held.depth[known]) / np.median(at[known]))
    return prediction.depth * np.float32(factor), prediction.standard_deviation * np.float32(factor)
