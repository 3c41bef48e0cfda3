"""Accuracy at depth edges: how sharp the answer is where one surface ends and another begins.

Averages over an image hide what hurts a robot most there: depth that lies on neither surface, the
"flying" points between an object and the wall behind it. Two figures describe it.

*Boundary MAE*: mean absolute error over scored pixels in the band around depth edges of the
reference (in the spirit of the depth boundary errors of Koch et al., iBims-1, 2018).

*Smear rate*: share of the answered pixels in the band whose depth lies strictly between the nearest
and the farthest reference depth of the window around it (twice the band's half size, so that both
surfaces are in it), and farther from *every* reference depth in the window than ``margin`` times their
difference. Taking the closest reference depth of the window forgives an edge that is sharp but a pixel
off, as the soft edge error of Chen et al. 2019 does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class BoundarySettings:
    """What counts as an edge and how wide its band is.

    ``half_rows``, ``half_columns``: how far from an edge its band reaches, and how far apart the two
    pixels of an edge may be; ``jump``: smallest relative step of depth (nearer surface as base);
    ``steepness``: the step must exceed what the slopes on both sides explain by this factor;
    ``margin``: distance from every
    surface, as a share of the window's depth difference, from which on a pixel is smeared.
    """

    half_rows: int = 2
    half_columns: int = 2
    jump: float = 0.10
    steepness: float = 3.0
    margin: float = 0.2


DENSE = BoundarySettings()
"""For reference depth at (nearly) every pixel."""

SCAN_LINES = BoundarySettings(half_rows=1, half_columns=8)
"""For LiDAR points: neighbours on a scan line are columns apart, other lines are not compared."""


@dataclass(frozen=True)
class BoundarySums:
    """Sufficient statistics of the two figures; add to merge."""

    scored: int = 0  # reference pixels in the band
    count: int = 0  # of these, answered
    absolute: float = 0.0  # sum of absolute errors [m]
    smeared: int = 0

    def __add__(self, other: BoundarySums) -> BoundarySums:
        """Merge two sets of pixels."""
        return BoundarySums(
            self.scored + other.scored,
            self.count + other.count,
            self.absolute + other.absolute,
            self.smeared + other.smeared,
        )

    def compute(self) -> dict[str, float]:
        """Return ``boundary_mae`` [m] and ``smear_rate``; NaN without an answered pixel in the band."""
        if self.count == 0:
            return {"boundary_mae": float("nan"), "smear_rate": float("nan")}
        return {"boundary_mae": self.absolute / self.count, "smear_rate": self.smeared / self.count}


def depth_edges(reference: NDArray[np.floating], settings: BoundarySettings = DENSE) -> NDArray[np.bool_]:
    """Return bool (height, width): True at both pixels of a pair between which depth jumps.

    ``reference`` is metres, not finite or <= 0 where unknown. Pairs lie in one row or one column, at
    most ``half_rows`` or ``half_columns`` apart, so that an edge is found across small holes too. Inverse depth
    of a plane changes linearly over the image, so a pair is an edge only if its inverse depths differ
    by more than ``steepness`` times what the slope before and the slope after the pair predict: a
    road seen at a grazing angle has no edges.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(np.isfinite(reference) & (reference > 0), 1.0 / reference.astype(np.float64), np.nan)
    edges = _row_edges(inverse, settings.half_columns, settings)
    edges |= _row_edges(inverse.T, settings.half_rows, settings).T
    return edges


def _row_edges(inverse: NDArray[np.float64], reach: int, settings: BoundarySettings) -> NDArray[np.bool_]:
    """Edges between pixels of one row, up to ``reach`` columns apart."""
    edges = np.zeros(inverse.shape, bool)
    before = np.full(inverse.shape, np.nan)  # slope per column on the left of each pixel
    after = np.full(inverse.shape, np.nan)  # and on its right
    for distance in range(reach, 0, -1):  # the nearest known neighbour is written last and stays
        slope = np.abs(inverse[:, distance:] - inverse[:, :-distance]) / distance
        known = np.isfinite(slope)
        before[:, distance:][known] = slope[known]
        after[:, :-distance][known] = slope[known]
    np.nan_to_num(before, copy=False)
    np.nan_to_num(after, copy=False)
    with np.errstate(invalid="ignore"):
        for distance in range(1, reach + 1):
            left, right = inverse[:, :-distance], inverse[:, distance:]
            step = np.abs(left - right)
            # relative jump of depth (far - near) / near equals (1/near - 1/far) / (1/far)
            jumps = step > settings.jump * np.minimum(left, right)
            explained = np.maximum(before[:, :-distance], after[:, distance:]) * distance
            jumps &= step > settings.steepness * explained
            edges[:, :-distance] |= jumps
            edges[:, distance:] |= jumps
    return edges


def _around(image: NDArray, rows: NDArray, columns: NDArray, half_rows: int, half_columns: int, fill: Any):
    """Yield the values of ``image`` at each offset of a window around the pixels; ``fill`` outside."""
    padded = np.pad(image, ((half_rows, half_rows), (half_columns, half_columns)), constant_values=fill)
    for dy in range(2 * half_rows + 1):
        for dx in range(2 * half_columns + 1):
            yield padded[rows + dy, columns + dx]


class BoundaryBand:
    """The band around the depth edges of one reference, against which any number of answers is compared."""

    def __init__(
        self,
        reference: NDArray[np.floating],
        scored: NDArray[np.bool_] | None = None,
        settings: BoundarySettings = DENSE,
    ):
        """See boundary_sums."""
        if scored is not None and scored.shape != reference.shape:
            raise ValueError(f"reference {reference.shape} and scored {scored.shape} differ in size")
        self.shape, self._margin = reference.shape, settings.margin
        known = np.isfinite(reference) & (reference > 0)
        edges = depth_edges(reference, settings)
        rows, columns = np.nonzero(known if scored is None else known & scored)
        near_edge = np.zeros(rows.size, bool)
        if edges.any():
            for around in _around(edges, rows, columns, settings.half_rows, settings.half_columns, False):
                near_edge |= around
        self._rows, self._columns = rows[near_edge], columns[near_edge]
        self._truth = reference[self._rows, self._columns].astype(np.float64)
        surfaces = np.where(known, reference, np.nan).astype(np.float64)
        reach = 2 * settings.half_rows, 2 * settings.half_columns
        self._surfaces = list(_around(surfaces, self._rows, self._columns, *reach, np.nan)) if self._rows.size else []

    def sums(self, predicted: NDArray[np.floating]) -> BoundarySums:
        """Return the sums of an answer (height, width) in metres; raises ValueError if its shape differs."""
        if predicted.shape != self.shape:
            raise ValueError(f"prediction {predicted.shape} and reference {self.shape} differ in size")
        if not self._rows.size:
            return BoundarySums()
        answer = predicted[self._rows, self._columns].astype(np.float64)
        answered = np.isfinite(answer) & (answer > 0)
        answer, truth = answer[answered], self._truth[answered]
        nearest = np.full(answer.size, np.inf)
        farthest = np.full(answer.size, -np.inf)
        closest = np.full(answer.size, np.inf)
        for surface in self._surfaces:
            around = surface if answered.all() else surface[answered]
            np.fmin(nearest, around, out=nearest)
            np.fmax(farthest, around, out=farthest)
            np.fmin(closest, np.abs(around - answer), out=closest)
        between = (answer > nearest) & (answer < farthest)
        smeared = between & (closest > self._margin * (farthest - nearest))
        error = float(np.abs(answer - truth).sum())
        return BoundarySums(self._rows.size, int(answer.size), error, int(smeared.sum()))


def boundary_sums(
    predicted: NDArray[np.floating],
    reference: NDArray[np.floating],
    scored: NDArray[np.bool_] | None = None,
    settings: BoundarySettings = DENSE,
) -> BoundarySums:
    """Return the sums over the band around the depth edges of ``reference``.

    All arrays are (height, width); depths in metres, not finite or <= 0 where unknown. ``scored``
    picks the reference pixels that count (default: all known ones); the others still show where the
    surfaces are, as the points a model was given do when held-out ones are scored.
    Raises ValueError if shapes differ.
    """
    return BoundaryBand(reference, scored, settings).sums(predicted)
