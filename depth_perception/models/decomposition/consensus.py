"""A first guess of the objects: masks of different views that the other views show as one thing.

No number is compared across views. A mask is *contained* in a mask of another view if most of what that view sees of
it lies in there. Two masks are of one object if most of the views that see both contain both in one mask, and a mask
that most views tear apart shows several objects at once and has no say (view consensus, Yan et al., CVPR 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from depth_perception.models.decomposition.key_frame import LabelledPoints

_SEEN = 0.3  # share of a mask that a view must see to be asked
_CONTAINED = 0.8  # share of what it sees that must lie in one mask
_TORN = 0.45  # share of the views asked that may tear a mask apart
_AGREED = 0.5  # share of the views that see both which must show two masks as one
_ROUNDS = 6
_PURE = 0.6  # share of the other masks' votes in a mask that must be for one object
_ITERATIONS = 8
_SAME = 0.5  # votes that two objects have in places of both, for each of the smaller's own, if they are one


class Consensus(NamedTuple):
    """``masks`` lists (image, group) of every mask of an object, (m, 2); ``object`` (m,) counts from 0, -1 no say."""

    masks: NDArray[np.int64]
    object: NDArray[np.int64]
    objects: int


def find_consensus(frames: Sequence[LabelledPoints], places: Sequence[NDArray[np.int64]], smallest: int) -> Consensus:
    """Group the masks of all frames into objects.

    ``places`` name, for each frame, the place in space (n,) that each of its points lies at: equal numbers are the
    same place in all frames. Masks of fewer than ``smallest`` places have no say.
    """
    seen, zero, masks, image = _matrices(frames, places)
    if not len(masks):
        return Consensus(masks, np.zeros(0, np.int64), 0)
    size = np.asarray(seen.sum(1)).reshape(-1)
    belongs = sparse.csr_matrix((np.ones(len(masks)), (np.arange(len(masks)), image)), (len(masks), len(frames)))
    usable = size >= smallest
    _, asked, torn = _evidence(seen, size, seen, zero, belongs, np.ones(len(masks), bool))
    rate = np.asarray(torn.sum(1)).reshape(-1) / np.maximum(np.asarray(asked.sum(1)).reshape(-1), 1)
    usable &= rate <= _TORN
    cluster = np.full(len(masks), -1, np.int64)
    cluster[usable] = np.arange(usable.sum())
    for threshold in _thresholds(len(frames)):
        count = int(cluster.max()) + 1
        joined = sparse.csr_matrix(
            (np.ones(usable.sum()), (cluster[usable], np.flatnonzero(usable))), (count, len(masks))
        )
        union = ((joined @ seen) > 0).astype(np.float64)
        contained, asked, _ = _evidence(
            union, (joined @ size) / np.asarray(joined.sum(1)).reshape(-1), seen, zero, belongs, usable
        )
        together, both = (contained @ contained.T).toarray(), (asked @ asked.T).toarray()
        link = (both >= threshold) & (together >= _AGREED * both)
        merged, group = connected_components(sparse.csr_matrix(link), directed=False)
        cluster[usable] = group[cluster[usable]]
        if merged == count and threshold == 1:
            break
    cluster = _agree(seen, cluster)
    kept, number = np.unique(cluster[cluster >= 0], return_inverse=True)
    cluster[cluster >= 0] = number
    return Consensus(masks, cluster, len(kept))


def _agree(seen: sparse.csr_matrix, cluster: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each mask to the object that most other masks say is in its places, or to none if they do not agree.

    A mask has no vote about itself, so that pieces which single views have cut off join what the others saw.
    """
    size = np.asarray(seen.sum(1)).reshape(-1)
    for _ in range(_ITERATIONS if (cluster >= 0).any() else 0):
        cluster = _join(seen, cluster)
        own = np.flatnonzero(cluster >= 0)
        votes = _votes(seen, cluster)
        heard = (seen @ votes).toarray()  # (masks, objects)
        heard[own, cluster[own]] -= size[own]
        best, total = heard.argmax(1), heard.sum(1)
        most = heard[np.arange(len(best)), best]
        asked = total >= size  # one other view of each place, on average
        after = np.where(asked & (most >= _PURE * total), best, np.where(asked, -1, cluster))
        if np.array_equal(after, cluster):
            break
        cluster = after
    return cluster


def _votes(seen: sparse.csr_matrix, cluster: NDArray[np.int64]) -> sparse.csr_matrix:
    """Return how many masks (places, objects) say of each place that it is of an object."""
    own = np.flatnonzero(cluster >= 0)
    shape = (len(cluster), int(cluster.max(initial=-1)) + 1)
    return (seen.T @ sparse.csr_matrix((np.ones(len(own)), (own, cluster[own])), shape)).tocsr()


def _join(seen: sparse.csr_matrix, cluster: NDArray[np.int64]) -> NDArray[np.int64]:
    """Make one of objects that claim the same places: in most places of the smaller one both have votes alike."""
    votes = _votes(seen, cluster)
    total = np.asarray(votes.sum(1)).reshape(-1)
    share = sparse.diags(1.0 / np.maximum(total, 1)) @ votes
    both = (votes.T @ share).toarray()  # votes for one in places of the other
    alone = np.diag(both)
    _, group = connected_components(sparse.csr_matrix(both > _SAME * np.minimum(alone[:, None], alone)), directed=False)
    return np.where(cluster >= 0, group[cluster], -1)


def _thresholds(frames: int) -> list[int]:
    """How many views must be able to tell, first many, then fewer."""
    many = [max(round(frames * share), 1) for share in np.linspace(0.5, 0.0, _ROUNDS)]
    return [*many, 1, 1]


def _matrices(
    frames: Sequence[LabelledPoints], places: Sequence[NDArray[np.int64]]
) -> tuple[sparse.csr_matrix, sparse.csr_matrix, NDArray[np.int64], NDArray[np.int64]]:
    """Return masks x places, images x places without an object (both 0 or 1), (image, group) and image of each mask."""
    every, dense = np.unique(np.concatenate([*places, np.zeros(0, np.int64)]), return_inverse=True)
    rows: list[NDArray] = []
    columns: list[NDArray] = []
    zero_rows: list[NDArray] = []
    zero_columns: list[NDArray] = []
    masks: list[tuple[int, int]] = []
    start = 0
    for index, frame in enumerate(frames):
        own, groups = dense[start : start + len(frame.points)], frame.groups
        start += len(frame.points)
        width = max(len(frame.labels), 1)
        at, where = np.unique(own[frame.sure], return_inverse=True)
        counts = np.bincount(where * width + groups[frame.sure], minlength=len(at) * width).reshape(-1, width)
        best = counts.argmax(1)  # a place has the label most of its points have
        for group, label in enumerate(frame.labels):
            mine = at[best == group]
            if label == 0:
                zero_rows.append(np.full(len(mine), index))
                zero_columns.append(mine)
            elif len(mine):
                rows.append(np.full(len(mine), len(masks)))
                columns.append(mine)
                masks.append((index, group))

    def matrix(r: list, c: list, count: int) -> sparse.csr_matrix:
        at = tuple(np.concatenate([*x, np.zeros(0, np.int64)]).astype(np.int64) for x in (r, c))
        return sparse.csr_matrix((np.ones(len(at[0])), at), (count, len(every)))

    listed = np.asarray(masks, np.int64).reshape(-1, 2)
    return (
        matrix(rows, columns, len(masks)),
        matrix(zero_rows, zero_columns, len(frames)),
        listed,
        listed[:, 0],
    )


def _evidence(
    things: sparse.csr_matrix,
    size: NDArray,
    seen: sparse.csr_matrix,
    zero: sparse.csr_matrix,
    belongs: sparse.csr_matrix,
    usable: NDArray[np.bool_],
) -> tuple[sparse.csr_matrix, sparse.csr_matrix, sparse.csr_matrix]:
    """Ask every view about every thing (t, places): in which mask is it (t, m), was it asked, is it torn (t, views).

    A view is asked if it sees enough of the places that one mask of the thing has on average, ``size`` (t,).
    """
    overlap = (things @ seen.T).tocsr()  # (t, m)
    objects = (overlap @ belongs).toarray()  # (t, views), seen as some object
    nothing = (things @ zero.T).toarray()
    asked = (objects + nothing >= _SEEN * size[:, None]) & (objects > nothing)
    entries = overlap.tocoo()
    view = np.asarray(belongs.argmax(1)).reshape(-1)[entries.col]
    inside = asked[entries.row, view] & (entries.data >= _CONTAINED * objects[entries.row, view])
    contained = np.zeros(asked.shape, bool)
    contained[entries.row[inside], view[inside]] = True
    told = inside & usable[entries.col]
    torn = asked & ~contained
    asked[entries.row[inside & ~told], view[inside & ~told]] = False  # a mask without a say cannot be asked
    keep = sparse.csr_matrix((np.ones(told.sum()), (entries.row[told], entries.col[told])), overlap.shape)
    return keep, sparse.csr_matrix(asked.astype(np.float64)), sparse.csr_matrix(torn.astype(np.float64))
