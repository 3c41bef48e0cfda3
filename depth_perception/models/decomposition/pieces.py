"""Channels that two objects share because no view shows both: nothing has pushed them apart, so space has to."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from depth_perception.models.decomposition.key_frame import LabelledPoints

_SHOWN = 5  # points of a mask in both of two pieces that make them one thing


def find_pieces(
    positions: NDArray, frames: Iterable[LabelledPoints], distance: float, smallest: int
) -> list[NDArray[np.int64]]:
    """Return the separate things that one channel holds, as indices into ``positions`` (n, 3), the largest first.

    Pieces farther than ``distance`` metres from each other are two things, unless some mask covers both: an object
    that something in front of it cuts in two. Pieces of fewer than ``smallest`` positions are left out.
    """
    if not len(positions):
        return []
    _, piece = connected_components(_neighbours(positions, distance), directed=False)
    sizes = np.bincount(piece)
    tree = cKDTree(positions)
    links = [np.zeros((2, 0), np.int64)]
    for frame in frames:
        if sizes.size == 1 or not len(frame.points):
            continue
        away, nearest = tree.query(frame.points, distance_upper_bound=distance / 2)
        close = np.isfinite(away)
        count = np.zeros((len(frame.labels), len(sizes)))
        np.add.at(count, (frame.groups[close], piece[nearest[close]]), 1.0)
        for shown in count[frame.labels > 0] >= _SHOWN:
            which = np.flatnonzero(shown)
            links.append(np.stack([np.full(len(which), which[0]), which]) if len(which) else links[0])
    a, b = np.concatenate(links, 1)
    joined = sparse.csr_matrix((np.ones(len(a)), (a, b)), (len(sizes), len(sizes)))
    _, thing = connected_components(joined, directed=False)
    found = [np.flatnonzero(thing[piece] == k) for k in range(int(thing.max()) + 1)]
    return sorted((rows for rows in found if len(rows) >= smallest), key=len, reverse=True)


def _neighbours(positions: NDArray, distance: float) -> sparse.csr_matrix:
    """Return which positions (n, n) lie within a distance, found through cells so that there are not too many."""
    cells, where = np.unique(np.floor(positions / (distance / 4)).astype(np.int64), axis=0, return_inverse=True)
    where = where.reshape(-1)
    first = np.zeros(len(cells), np.int64)
    first[where] = np.arange(len(positions))
    pairs = cKDTree(positions[first]).query_pairs(distance, output_type="ndarray")
    a = np.concatenate([first[pairs[:, 0]], first[where]])
    b = np.concatenate([first[pairs[:, 1]], np.arange(len(positions))])
    return sparse.csr_matrix((np.ones(len(a)), (a, b)), (len(positions), len(positions)))
