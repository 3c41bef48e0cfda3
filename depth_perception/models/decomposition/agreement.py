"""Regions that masks show as one thing, joined step by step while most of what was seen of them agrees.

No number is compared across views: a view only tells which regions lie in one mask of its own. Two clusters are joined
if over all pairs of their regions, and all views of these, one mask held both more often than not (average linkage,
Sokal and Michener, 1958). A view that is wrong about some things is outvoted, and none is left out for it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

AGREED = 0.5  # share of what was seen of two clusters that must show them as one
_VIEWS = 2  # in which each region of the smaller cluster must be seen beside one of the other, on average
_JITTER = 0.01  # of shares, so that many equal ones are not joined one by one


def join(same: NDArray, both: NDArray, sizes: NDArray, views: int) -> NDArray[np.int64]:
    """Return the cluster (a,) of each of ``a`` regions.

    ``same`` (a, a) counts in how many views one mask held two regions, ``both`` in how many both were seen as things;
    ``sizes`` (a,) is what a region seen in one view counts, and ``views`` how many there are in all. In each round
    those join that are each other's best, so that there are few rounds.
    """
    cluster = np.arange(len(same))
    noise = np.random.default_rng(0).random(len(same)).astype(np.float32)
    needed = min(_VIEWS, max(views, 1))
    while len(same) > 1:
        share = same / np.maximum(both, needed * np.minimum(sizes[:, None], sizes)).clip(1e-9)
        np.fill_diagonal(share, -1.0)
        agreed = share > AGREED
        share += _JITTER * ((noise[:, None] + noise) * 97.0 % 1.0)
        share[~agreed] = -1.0
        best = share.argmax(1)
        here = np.arange(len(best))
        mutual = agreed[here, best] & (best[best] == here)
        if not mutual.any():
            break
        first = np.where(mutual, np.minimum(here, best), here)
        kept, number = np.unique(first, return_inverse=True)
        same, both = _fold(same, number, len(kept)), _fold(both, number, len(kept))
        sizes = np.bincount(number, sizes, len(kept))
        noise = noise[kept]
        cluster = number[cluster]
    return cluster


def _fold(matrix: NDArray, number: NDArray[np.int64], count: int) -> NDArray:
    """Return the sums (count, count) of a matrix over the rows and columns that get the same number, two at most."""
    for axis in (0, 1):
        order = np.argsort(number, kind="stable")
        starts = np.searchsorted(number[order], np.arange(count))
        matrix = np.add.reduceat(np.take(matrix, order, axis), starts, axis)
    return matrix
