"""Give all methods the same points of a frame and compare their answers with the pixels held out."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.evidence.methods import Entry
from benchmarks.evidence.rows import Key, Row
from depth_perception.evaluation import patterns, peers
from depth_perception.evaluation.boundaries import DENSE, SCAN_LINES, BoundaryBand
from depth_perception.evaluation.real_data import RealFrame
from depth_perception.frames import FloatImage

DENSE_SHARE = 0.3  # a truth known at more pixels than this is searched for edges as an image

_warm: set[tuple] = set()


def measure(frame: RealFrame, seed: int, pattern: str, entries: Sequence[Entry], known: Collection[Key]) -> list[Row]:
    """Return the rows of all ``entries`` that are not ``known``; none where the pattern does not fit the frame."""
    wanted = [e for e in entries if (frame.recording, frame.name, seed, pattern, e.variant, e.version) not in known]
    if not wanted:
        return []
    drawn = patterns.sample(pattern, frame.truth, frame.camera, frame.rings, seed, frame.image)
    if drawn is None or not drawn.held_out.any():
        return []
    dense = np.count_nonzero(frame.truth) > DENSE_SHARE * frame.truth.size
    band = BoundaryBand(frame.truth, drawn.held_out, DENSE if dense else SCAN_LINES)
    fallback = peers.nearest(drawn.sparse)
    found = (_try(frame, seed, pattern, drawn, band, fallback, entry) for entry in wanted)
    return [row for row in found if row is not None]


def _try(frame, seed, pattern, drawn, band, fallback, entry: Entry) -> Row | None:
    """One broken method must not cost the figures of all others."""
    try:
        return _one(frame, seed, pattern, drawn, band, fallback, entry)
    except Exception as error:
        print(f"{entry.variant} failed on {frame.recording} {frame.name} {pattern}: {error}", file=sys.stderr)
        return None


def _one(frame, seed, pattern, drawn, band, fallback, entry: Entry) -> Row:
    if (entry.variant, frame.image.shape) not in _warm:  # first call: caches, lazy imports
        _warm.add((entry.variant, frame.image.shape))
        entry.infer(frame.image, drawn.sparse, frame.camera)
    start = time.perf_counter()
    result = entry.infer(frame.image, drawn.sparse, frame.camera)
    ms = 1000 * (time.perf_counter() - start)
    depth = result.depth if hasattr(result, "depth") else result
    depth = np.where(np.isfinite(depth) & (depth > 0), depth, fallback)
    deviation = getattr(result, "standard_deviation", None)
    figures = score(depth, frame.truth, drawn.held_out, band, deviation, entry.wide)
    return Row(
        recording=frame.recording,
        frame=frame.name,
        seed=seed,
        pattern=pattern,
        method=entry.method,
        variant=entry.variant,
        version=entry.version,
        points=int(np.count_nonzero(drawn.sparse)),
        ms=ms,
        **figures,
    )


def score(
    depth: FloatImage,
    truth: FloatImage,
    held_out: NDArray[np.bool_],
    band: BoundaryBand,
    deviation: FloatImage | None = None,
    wide: float = 1.96,
) -> dict[str, float]:
    """Return the figures of a dense answer (H, W), metres, on the pixels ``held_out``; see ``rows.Row``."""
    right = truth[held_out].astype(np.float64)
    answer = depth[held_out].astype(np.float64)
    error = np.abs(answer - right)
    edges = band.sums(depth).compute()
    figures = {
        "mae": error.mean(),
        "rmse": np.sqrt((error**2).mean()),
        "abs_rel": (error / right).mean(),
        "delta1": (np.maximum(answer / right, right / answer) < 1.25).mean(),
        "boundary_mae": edges["boundary_mae"],
        "smear_rate": edges["smear_rate"],
        "within_1": np.nan,
        "within_95": np.nan,
    }
    if deviation is not None:
        claimed = deviation[held_out]
        figures["within_1"] = (error <= claimed).mean()
        figures["within_95"] = (error <= wide * claimed).mean()
    return {name: float(value) for name, value in figures.items()}
