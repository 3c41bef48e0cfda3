"""Scoring without ground truth: some measurements are kept from the model and asked for afterwards.

Which ones is decided by hashing (seed, image stamp, index of the measurement), so the split of a
frame is the same on every machine and library version, whatever other frames are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import SparseDepth

_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Holdout:
    """``kind`` is ``none``, ``points`` (a random ``share`` of them) or ``rings`` (one of ``every`` rings)."""

    kind: str = "points"
    share: float = 0.2
    every: int = 4
    seed: int = 0

    def __str__(self) -> str:
        """The text that ``parse`` reads."""
        return {"none": "none", "points": f"points:{self.share:g}", "rings": f"rings:{self.every}"}[self.kind]

    @classmethod
    def parse(cls, text: str, seed: int = 0) -> Holdout:
        """Read ``none``, ``points:SHARE`` or ``rings:N``; raises ValueError saying what is allowed."""
        kind, _, value = text.partition(":")
        try:
            if kind == "none" and not value:
                return cls("none", seed=seed)
            if kind == "points" and 0.0 < float(value or 0.2) < 1.0:
                return cls("points", share=float(value or 0.2), seed=seed)
            if kind == "rings" and int(value or 4) >= 2:
                return cls("rings", every=int(value or 4), seed=seed)
        except ValueError:
            pass  # the message below says more than float() would
        raise ValueError(
            f"hold-out {text!r} is not one of: points:SHARE with 0 < SHARE < 1 (points:0.2), "
            "rings:N, which keeps back one laser ring of every N >= 2 (rings:4), none"
        )


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit numbers (the finaliser of SplitMix64; Steele, Lea and Flood 2014)."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def hashes(seed: int, stamp: int, indices: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Return one 64-bit pseudo-random number per index, fixed by seed and stamp."""
    key = _mix(np.array([seed & _MASK], np.uint64)) ^ _mix(np.array([(stamp * 0x9E3779B97F4A7C15) & _MASK], np.uint64))
    return _mix(_mix(np.asarray(indices).astype(np.uint64) + np.uint64(1)) ^ key)


def split(
    sparse: SparseDepth, holdout: Holdout, stamp: int, rings: NDArray[np.integer] | None = None
) -> tuple[SparseDepth, SparseDepth]:
    """Return (kept, held back) of the measurements of the frame with this ``stamp``.

    Rings come from ``rings`` (m,), else from ``sparse.ring``. With kind ``rings`` one ring of every
    ``holdout.every``, counted over the rings present, is held back, starting at a random one, and
    never all of them. At least one measurement is kept; an empty frame gives two empty halves.
    Raises ValueError if rings are asked for but unknown.
    """
    m = len(sparse)
    held = np.zeros(m, bool)
    if holdout.kind == "points" and m > 1:
        wanted = min(max(1, round(holdout.share * m)), m - 1)
        order = np.argsort(hashes(holdout.seed, stamp, sparse.source), kind="stable")
        held[order[:wanted]] = True
    elif holdout.kind == "rings" and m > 0:
        ring = sparse.ring if rings is None else rings
        if ring is None:
            raise ValueError("rings are not known for these points; estimate them with rings_from_elevation")
        present, rank = np.unique(ring, return_inverse=True)
        start = int(hashes(holdout.seed, stamp, np.zeros(1, np.int64))[0] % np.uint64(holdout.every))
        if len(present) > 1:
            if start >= len(present):
                start = len(present) - 1
            held = (rank.reshape(-1) - start) % holdout.every == 0
    return sparse.select(~held), sparse.select(held)


def rings_from_elevation(points: NDArray[np.floating], spacing: float = 0.4) -> NDArray[np.int32]:
    """Return the ring (n,) of each point (n, 3) of a spinning LiDAR, numbered from the lowest up.

    Points are in the sensor's frame, z along the axis of rotation. Rings are the peaks of the
    histogram of elevation angles; where the histogram shows no peaks (solid-state patterns, rings
    blurred by calibration), bands of ``spacing`` degrees are numbered instead.
    """
    points = np.asarray(points, np.float64)
    if len(points) == 0:
        return np.zeros(0, np.int32)
    elevation = np.degrees(np.arctan2(points[:, 2], np.hypot(points[:, 0], points[:, 1])))
    step = 0.05  # degrees, well below the spacing of the densest common sensors (0.2 to 0.4)
    low = np.floor(elevation.min() / step) * step
    bins = ((elevation - low) / step).astype(np.int64)
    histogram = np.bincount(bins, minlength=bins.max() + 1).astype(np.float64)
    smooth = np.convolve(histogram, np.array([0.25, 0.5, 0.25]), mode="same")
    borders = _valleys(smooth)
    # peaks are believed if the histogram is nearly empty between them
    floor = np.mean([smooth[b] for b in borders]) if borders else np.inf
    if len(borders) >= 3 and floor < 0.2 * smooth.mean():
        return np.searchsorted(np.asarray(borders), bins, side="right").astype(np.int32)
    bands = np.floor((elevation - low) / spacing).astype(np.int64)
    return np.unique(bands, return_inverse=True)[1].reshape(-1).astype(np.int32)


def _valleys(smooth: NDArray[np.float64]) -> list[int]:
    """Return the deepest index between each two neighbouring peaks of a histogram.

    Two peaks are told apart by a valley of less than half their height that is also too deep for
    counting noise (four times the root of the count).
    """
    borders: list[int] = []
    peak, valley, where = smooth[0], np.inf, 0
    for index, value in enumerate(smooth):
        if value < valley:
            valley, where = value, index
        lower = min(peak, value)
        if valley < 0.5 * lower and lower - valley > 4.0 * np.sqrt(lower):
            borders.append(where)  # out of the valley: a new peak begins
            peak, valley = value, np.inf
        elif value > peak:
            peak, valley = value, np.inf
    return borders
