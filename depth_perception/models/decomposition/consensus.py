"""A first guess of the objects: what the masks of all views, each with its own numbers, say together.

Regions that masks hold together more often than not become objects (``agreement``). Then every view is taken as an
observer with errors of its own: how likely it shows an object under each of its masks is counted, and each place
goes to the object under which all that was observed there is most likely, in turns (Dawid and Skene, 1979). So a mask
over two things does not speak for either of them against the other, the pieces of one thing speak for it alike, and
a view that misses a thing leaves open where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from depth_perception.models.decomposition.agreement import join
from depth_perception.models.decomposition.key_frame import LabelledPoints

FLOOR = 0.05  # chance that a view shows anything anywhere
_MOST_REGIONS = 2500
_THING = 0.4  # share of views that must show a region as some thing
_UNSURE = 3.0  # places that an object's counts in a view are mixed with
_ELSEWHERE = 0.5  # chance that an object which the view does not show would have one of the labels there
_MISSED = 0.8  # of what a view without a mask says for the background is the most that it says for a thing
_ROUNDS = 4
_ALONE = 0.5  # share of a mask that an object must have for it to be the object's own
_OWN = 0.2  # share of the views of an object that must have a mask of its own


class Consensus(NamedTuple):
    """``evidence`` holds float32 (g, 1 + objects) for each frame: what each of its labels says for each object.

    It is the logarithm of how much more likely than by mistake the view shows the object there; 0 says nothing, and
    column 0 is the background.
    """

    evidence: list[NDArray[np.float32]]
    objects: int


class _Seen(NamedTuple):
    """What frames show: ``place`` and ``group`` (n,) of each observation of a frame, dense numbers from 0."""

    place: NDArray[np.int64]
    group: NDArray[np.int64]
    is_thing: NDArray[np.bool_]  # (groups,)


def find_consensus(
    frames: Sequence[LabelledPoints],
    places: Sequence[NDArray[np.int64]],
    regions: Sequence[NDArray[np.int64]],
    smallest: int,
) -> Consensus:
    """Find the objects that the labels of all frames show.

    ``places`` name, for each frame, the place in space (n,) that each of its points lies at, ``regions`` a larger
    piece of space of some places: equal numbers are the same in all frames. Objects have ``smallest`` places or more.
    """
    views, count, region = _observations(frames, places, regions)
    if not count:
        return Consensus([np.zeros((len(v.is_thing), 1), np.float32) for v in views], 0)
    start = _start(views, region, smallest)
    if not start.max(initial=0):
        return Consensus([_evidence(np.ones((1, len(v.is_thing))), v) for v in views], 0)
    belief = _one_hot(start, int(start.max()) + 1)
    for _ in range(_ROUNDS):
        counts = [_counts(view, belief) for view in views]
        kept = _kept(counts, views, belief, smallest)
        belief = belief @ kept
        counts = [kept.T @ c for c in counts]
        score = np.zeros((count, belief.shape[1]), np.float32)
        for view, own in zip(views, counts):
            score[view.place] += _evidence(own, view)[view.group]
        score[:, 0] += 1e-3  # nobody speaks: background
        belief = _one_hot(score.argmax(1), score.shape[1])
    counts = [_counts(view, belief) for view in views]
    kept = _kept(counts, views, belief, smallest)
    return Consensus([_evidence(kept.T @ c, v) for c, v in zip(counts, views)], kept.shape[1] - 1)


def _observations(
    frames: Sequence[LabelledPoints], places: Sequence[NDArray[np.int64]], regions: Sequence[NDArray[np.int64]]
) -> tuple[list[_Seen], int, NDArray[np.int64]]:
    """Return what each frame shows at each place, the number of places, and the region (places,) of each."""
    nothing = np.zeros(0, np.int64)
    sure = [frame.sure for frame in frames]
    every, first, dense = np.unique(
        np.concatenate([*(p[s] for p, s in zip(places, sure)), nothing]), return_index=True, return_inverse=True
    )
    _, region = np.unique(np.concatenate([*(r[s] for r, s in zip(regions, sure)), nothing])[first], return_inverse=True)
    views, start = [], 0
    for frame in frames:
        groups = frame.groups[frame.sure]
        own = dense[start : start + len(groups)]
        start += len(groups)
        width = max(len(frame.labels), 1)
        pair, votes = np.unique(own * width + groups, return_counts=True)
        at = pair // width
        order = np.lexsort((-votes, at))  # a place has the label most of its points have
        chosen = order[np.flatnonzero(np.diff(at[order], prepend=-1))]
        views.append(_Seen(at[chosen], pair[chosen] % width, frame.labels > 0))
    return views, len(every), region


def _start(views: Sequence[_Seen], region: NDArray[np.int64], smallest: int) -> NDArray[np.int64]:
    """Return a first object (places,) for each place, from 1 on, 0 for none and -1 where that is left open."""
    count = int(region.max(initial=-1)) + 1
    asked, thing = np.zeros(count), np.zeros(count)
    shares = []
    for view in views:
        shape = (len(view.is_thing), count)
        share = sparse.coo_matrix((np.ones(len(view.place)), (view.group, region[view.place])), shape).tocsc()
        seen = np.asarray(share.sum(0)).reshape(-1)
        share = share @ sparse.diags(1.0 / np.maximum(seen, 1))
        asked += seen > 0
        thing += np.asarray(share[view.is_thing].sum(0)).reshape(-1)
        shares.append(share.tocsr())
    things = np.flatnonzero(thing > _THING * asked)
    chosen = things
    if len(chosen) > _MOST_REGIONS:  # the others are left open and find their object by their masks
        chosen = np.sort(np.random.default_rng(0).permutation(chosen)[:_MOST_REGIONS])
    masks = np.concatenate([s[v.is_thing][:, chosen].toarray() for s, v in zip(shares, views)] or [[]])
    shown = np.stack([np.asarray(s[v.is_thing][:, chosen].sum(0)).reshape(-1) for s, v in zip(shares, views)])
    masks, shown = masks.astype(np.float32), shown.astype(np.float32)
    cluster = join(masks.T @ masks, shown.T @ shown, np.ones(len(chosen)), len(views))
    object_of = np.zeros(count, np.int64)
    object_of[things] = -1
    object_of[chosen] = cluster + 1
    first = object_of[region]
    sizes = np.bincount(first[first >= 0], minlength=1)
    sizes[0] = smallest
    number = np.append(np.where(sizes >= smallest, np.cumsum(sizes >= smallest) - 1, 0), -1)
    return number[first]


def _one_hot(values: NDArray[np.int64], width: int) -> sparse.csr_matrix:
    """Return (n, width) with a one where each value (n,) says, none for -1."""
    rows = np.flatnonzero(values >= 0)
    return sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, values[rows])), (len(values), width))


def _counts(view: _Seen, belief: sparse.csr_matrix) -> NDArray[np.float64]:
    """Return how many places (1 + objects, groups) of each object the view shows under each of its labels."""
    of = _one_hot(view.group, len(view.is_thing))
    return np.asarray((belief[view.place].T @ of).toarray(), np.float64)


def _evidence(counts: NDArray, view: _Seen) -> NDArray[np.float32]:
    """Return (groups, 1 + objects) what a label of the view says; see ``Consensus``."""
    usual = np.repeat(counts.sum(0, keepdims=True), len(counts), 0)  # of an object that the view hardly shows
    usual[0] = ~view.is_thing
    usual *= _ELSEWHERE / np.maximum(usual.sum(1, keepdims=True), 1e-9)
    chance = (counts + _UNSURE * usual) / (counts.sum(1, keepdims=True) + _UNSURE)
    said = np.log((chance + FLOOR) / FLOOR)
    nothing = ~view.is_thing  # where a view misses a thing, that does not make the thing of what is around it
    said[1:, nothing] = np.minimum(said[1:, nothing], _MISSED * said[:1, nothing])
    return said.T.astype(np.float32)


def _kept(
    counts: Sequence[NDArray], views: Sequence[_Seen], belief: sparse.csr_matrix, smallest: int
) -> NDArray[np.float32]:
    """Return (1 + objects, 1 + those kept): which are joined to one, and which are left out without masks of their own.

    What is left out counts as nothing. As with regions, only views that show both as things tell whether they are one.
    """
    width = belief.shape[1]
    same, both = np.zeros((width, width)), np.zeros((width, width))
    told, own = np.zeros(width), np.zeros(width)
    for count, view in zip(counts, views):
        things, total = count[:, view.is_thing], count.sum(1)
        shown = np.sqrt(things.sum(1))  # a view that shows much of two objects counts more, but not by its square
        part = things / np.maximum(shown, 1e-9)[:, None]
        same += part @ part.T
        both += np.outer(shown, shown)
        alone = things >= _ALONE * np.maximum(count.sum(0)[view.is_thing], 1)
        enough = total >= smallest / 2
        told += enough & (things.sum(1) > 0.5 * total)
        own += enough & (alone & (things > 0)).any(1)
    sizes = np.asarray(belief.sum(0)).reshape(-1)
    usable = (sizes >= smallest) & (own >= np.maximum(_OWN * told, 1))
    usable[0] = False
    kept = np.flatnonzero(usable)
    group = (
        join(same[np.ix_(kept, kept)], both[np.ix_(kept, kept)], np.ones(len(kept)), len(views)) if len(kept) else kept
    )
    out = np.zeros((width, int(group.max(initial=-1)) + 2), np.float32)
    out[0, 0] = 1.0
    out[kept, group + 1] = 1.0
    return out
