"""Panoptic quality over a whole scene: a segment is one number in all views together.

As Panoptic Lifting (Siddiqui et al., CVPR 2023) scores: pixels of all views are pooled, a true and a found segment
match where their overlap is more than half of their union, and PQ = SQ RQ (Kirillov et al., Panoptic Segmentation,
CVPR 2019). Only things count: background is no segment. Pixels whose truth is -1 are left out.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Labels = NDArray[np.int32]


class PanopticScore(NamedTuple):
    """All in [0, 1] but the counts. ``sq``: mean overlap of matches, 0 without any; ``rq``: share of matches.

    ``miou``: mean over true things of the overlap with the segment given to each one by the best assignment of
    segments to things; ``switches``: how often a thing came back under another number than in the view before.
    """

    pq: float
    sq: float
    rq: float
    miou: float
    switches: int
    matched: int
    false: int  # found segments without a match
    missed: int  # true things without a match


class ScenePanoptic:
    """Counts view by view; ``compute`` may be called at any time."""

    def __init__(self, least: int = 0):
        """Segments that are found with fewer than ``least`` pixels in all views together are no claim."""
        self.least = least
        self._pairs: dict[tuple[int, int], int] = defaultdict(int)
        self._last: dict[int, int] = {}
        self._switches = 0

    def update(self, found: Labels, truth: Labels) -> None:
        """Count one view: both (h, w); found 0 background, -1 nothing; truth -1 is left out."""
        if found.shape != truth.shape:
            raise ValueError(f"found {found.shape} and truth {truth.shape} differ in size")
        known = truth >= 0
        both = np.stack([truth[known], np.maximum(found[known], 0)], 1)
        pairs, counts = np.unique(both, axis=0, return_counts=True)
        best: dict[int, tuple[int, int]] = {}
        for (true, own), count in zip(pairs.tolist(), counts.tolist()):
            self._pairs[true, own] += count
            if true > 0 and own > 0:
                best[true] = max(best.get(true, (0, 0)), (count, own))
        for true, (_, own) in best.items():
            self._switches += self._last.get(true, own) != own
            self._last[true] = own

    def overlaps(self) -> tuple[NDArray[np.float64], list[int], list[int]]:
        """Return intersection over union (t, f), and the numbers of the t true things and f found segments."""
        size_true: dict[int, int] = defaultdict(int)
        size_found: dict[int, int] = defaultdict(int)
        for (true, own), count in self._pairs.items():
            size_true[true] += count
            size_found[own] += count
        true_ids = sorted(t for t in size_true if t > 0)
        found_ids = sorted(f for f in size_found if f > 0 and size_found[f] >= self.least)
        iou = np.zeros((len(true_ids), len(found_ids)))
        for row, true in enumerate(true_ids):
            for column, own in enumerate(found_ids):
                shared = self._pairs.get((true, own), 0)
                iou[row, column] = shared / (size_true[true] + size_found[own] - shared)
        return iou, true_ids, found_ids

    def matches(self, least: float = 0.0) -> dict[int, int]:
        """Return true thing -> found segment by the best one-to-one assignment, where they overlap more than that."""
        iou, true_ids, found_ids = self.overlaps()
        rows, columns = linear_sum_assignment(-iou)
        return {true_ids[r]: found_ids[c] for r, c in zip(rows, columns) if iou[r, c] > least}

    def compute(self) -> PanopticScore:
        """Return the scores so far; all 0 where there is neither a true nor a found thing."""
        iou, true_ids, found_ids = self.overlaps()
        hits = iou[iou > 0.5]  # more than half of the union: nothing can match twice
        matched, missed, false = len(hits), len(true_ids) - len(hits), len(found_ids) - len(hits)
        sq = float(hits.mean()) if matched else 0.0
        total = matched + 0.5 * (missed + false)
        rq = matched / total if total else 0.0
        rows, columns = linear_sum_assignment(-iou)
        miou = float(iou[rows, columns].sum() / len(true_ids)) if true_ids else 0.0
        return PanopticScore(sq * rq, sq, rq, miou, self._switches, matched, false, missed)
