"""A small plane for every measured point, and how far the point is to be believed.

Inverse depth is linear in the image on any plane in space, so the surface at point i is written
``inverse(y, x) = inverse_i + gy (y - y_i) + gx (x - x_i)``. The slopes are fitted to the neighbours in all directions
by iteratively reweighted least squares (Cauchy weights), because neighbours beyond a depth edge must not count. Such a
fit finds the optimum next to its start, so it is started twice: from a surface facing the camera with a narrow scale,
which is right beside furniture, and from a plane through everything with a shrinking scale, right on roads. The
start that more neighbours agree with wins. A point that no neighbour's plane meets is an outlier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depth_perception.models.neighborhood import Neighborhood
from depth_perception.models.parallel import bands, parallel_map

Array = NDArray[np.float32]

NARROW: tuple[float, ...] = (0.02, 0.02, 0.02)  # relative residual at which a neighbour counts half
SHRINKING: tuple[float, ...] = (0.3, 0.1, 0.03)
# How far a plane may leave the range of inverse depth of the nine points heard. The floor between a robot and its
# lowest ring goes on towards the camera, so nearer is allowed; farther, a slope soon runs into infinity.
FARTHER, NEARER = 0.9, 1.6
_REACH = 0.3  # weight of a neighbour one block away is exp(-0.3)
_RIDGE = 0.03  # pulls slopes to zero where neighbours say little
_AGREEMENT = 0.03  # relative residual at which a neighbour half agrees
_PREFERENCE = 1.2  # the second start must win by this factor
_SHARED_SLOPE = 0.6  # how much of a slope is taken from the neighbours that agree
_BELIEF_SCALE, _BELIEF_SHARE, _BELIEF_PRIOR = 0.05, 0.2, 0.005


@dataclass(frozen=True, eq=False)
class Surfels:
    """Planes of n points: ``offset`` (n,) inverse depth at the grid's origin, slopes ``gy``, ``gx`` (n,) a cell.

    ``belief`` (n,) in [0, 1]; ``residual`` (n,) relative misfit of the neighbours that agree best.
    """

    offset: Array
    gy: Array
    gx: Array
    belief: Array
    residual: Array


def fit(points: Neighborhood, starts: Sequence[Sequence[float]] = (NARROW, SHRINKING)) -> Surfels:
    """Fit a plane to the neighbours of every point from each start, and rate the points.

    A start is the sequence of scales its iterations use; with no start all slopes are zero and only the rating is made.
    """
    count = len(points.rows)
    inverse = points.inverse
    near = np.take(points.near.reshape(len(points.near), -1), points.rows * points.shape[1] + points.columns, axis=1)
    parts = bands(count, 1 if count < 2000 else 4)

    def solve(band: slice) -> tuple[Array, ...]:
        """See the neighbours from each point and fit: dy, dx, relative rise, reach (k, n), slopes (2, n)."""
        who = near[:, band]
        dy, dx, rise = np.take(points.y, who), np.take(points.x, who), np.take(inverse, who)
        dy -= points.y[band]
        dx -= points.x[band]
        rise *= np.reciprocal(inverse[band])  # relative to the point, so that units do not matter
        rise -= 1
        distance = dy * dy
        distance += dx * dx
        reach = np.exp(distance * np.float32(-_REACH / points.block**2))
        reach *= distance > 0
        return dy, dx, rise, reach, _solve(dy, dx, rise, reach, starts, points.block)

    seen = parallel_map(solve, parts)
    sy, sx = np.concatenate([slopes for *_, slopes in seen], axis=1)

    def rate(job: tuple[slice, tuple[Array, ...]]) -> tuple[Array, Array, Array]:
        """Judge each point by its neighbours: misfit of the neighbours, its own against theirs (k, n), belief (n,)."""
        band, (dy, dx, rise, reach, _) = job
        who = near[:, band]
        mine = rise - dy * sy[band] - dx * sx[band]  # the neighbour against my plane
        theirs = dy * np.take(sy, who)
        theirs += dx * np.take(sx, who)
        theirs *= 1 + rise
        np.subtract(rise, theirs, out=theirs)  # me against the neighbour's
        miss = np.minimum(np.abs(mine), np.abs(theirs))
        miss *= np.float32(1 / _BELIEF_SCALE)
        support = _dot(np.exp(-np.square(miss, out=miss), out=miss), reach)
        prior = np.float32(_BELIEF_PRIOR)
        belief = (support + prior) / (support + np.float32(_BELIEF_SHARE) * reach.sum(0) + prior)
        return (
            mine,
            theirs,
            np.square(np.minimum(belief * np.float32(1 + _BELIEF_SHARE), np.float32(1))),
        )  # 1: all agree

    rated = parallel_map(rate, zip(parts, seen))
    belief = np.concatenate([one for *_, one in rated])
    gy, gx = sy * inverse, sx * inverse

    def share(job: tuple[slice, tuple[Array, ...], tuple[Array, Array, Array]]) -> tuple[Array, Array, Array]:
        """Return the misfit of the believed neighbours and the slopes partly taken from those that agree, (n,)."""
        band, (*_, reach, _slopes), (mine, theirs, _) = job
        who = near[:, band]
        heard = np.take(belief, who)
        heard *= reach
        residual = _dot(heard, np.minimum(np.abs(mine, out=mine), np.float32(1), out=mine))
        residual /= heard.sum(0) + np.float32(1e-6)
        if not starts:
            return residual, gy[band], gx[band]
        theirs *= np.float32(1 / _AGREEMENT)
        np.square(theirs, out=theirs)
        theirs += 1
        alike = np.divide(heard, theirs, out=theirs)
        total = alike.sum(0) + np.float32(1e-6)
        mix = np.float32(_SHARED_SLOPE) * np.minimum(total, np.float32(1))
        new_y = gy[band] + mix * (_dot(alike, np.take(gy, who)) / total - gy[band])
        return residual, new_y, gx[band] + mix * (_dot(alike, np.take(gx, who)) / total - gx[band])

    residual, gy, gx = (np.concatenate(field) for field in zip(*parallel_map(share, zip(parts, seen, rated))))
    offset = np.asarray(inverse - gy * points.y - gx * points.x, np.float32)
    return Surfels(offset, gy, gx, belief, residual)


def _dot(weight: Array, value: Array) -> Array:
    """Return the sum over the neighbours of the products, (n,)."""
    return np.asarray(np.einsum("kn,kn->n", weight, value), np.float32)


def _solve(dy, dx, rise, weight, starts, block) -> Array:
    """Return the relative slopes (2, n) of the start that most neighbours agree with."""
    best = np.zeros((2, rise.shape[1]), np.float32)
    score = np.full(rise.shape[1], -1, np.float32)
    yy, yx, xx, yr, xr = dy * dy, dy * dx, dx * dx, dy * rise, dx * rise
    ridge = np.float32(_RIDGE * block**2)
    for scales in starts:
        first = scales[0] if scales[0] == scales[-1] else 1.0
        w = weight / (1 + np.square(rise / np.float32(first)))
        for scale in scales:
            a, b, c = _dot(w, yy) + ridge, _dot(w, yx), _dot(w, xx) + ridge
            p, q = _dot(w, yr), _dot(w, xr)
            determinant = a * c - b * b
            sy, sx = (p * c - q * b) / determinant, (q * a - p * b) / determinant
            miss = rise - dy * sy - dx * sx
            w = weight / (1 + np.square(miss / np.float32(scale)))
        agreed = (weight / (1 + np.square(miss / np.float32(_AGREEMENT)))).sum(0)
        better = agreed > score * np.float32(_PREFERENCE)
        best = np.where(better, np.stack([sy, sx]), best)
        score = np.where(better, agreed, score)
    return best
