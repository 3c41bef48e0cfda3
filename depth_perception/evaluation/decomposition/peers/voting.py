"""Voxels that vote: masks are tracked from frame to frame by their overlap with what the map holds, and counted.

As in Voxblox++ (Grinvald et al., Volumetric Instance-Aware Semantic Mapping and 3D Object Discovery, RA-L 2019) and
Panoptic Multi-TSDFs (Schmid et al., ICRA 2022): each mask takes the number of the map that covers most of it, or a new
one; every voxel keeps counts and shows the number with the most; numbers that share most of their voxels are joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linear_sum_assignment

from depth_perception.evaluation.decomposition.decomposed import (
    Decomposed,
    PlaceLabels,
    labels_of,
    object_region,
    world_points,
)
from depth_perception.evaluation.decomposition.tsdf import Tsdf, fuse, split_mesh, voxel_for
from depth_perception.frames import PosedDepth, TriangleMesh

Labels = NDArray[np.int32]


@dataclass(frozen=True)
class Voting:
    """How masks are tracked and voxels vote.

    ``overlap``: share of a mask's known pixels that a number must cover to be taken, or with ``by_union`` of the union
    of the mask and what is seen of the number; ``several``: several masks of a
    frame may take one number (a thing that the segmenter split); ``join``: share of the votes of the lesser number
    that another one must equal in the same voxels for both to be joined; ``least``: voxels of the smallest thing;
    ``own_tsdf``: a grid for each thing, filled from its masks only, in place of one surface split by label.
    """

    voxel: float = 0.01
    overlap: float = 0.15
    by_union: bool = True
    several: bool = True
    join: float = 0.5
    least: int = 25
    own_tsdf: bool = True

    def decompose(self, frames: Sequence[PosedDepth]) -> Decomposed:
        """Track, count, and cut the surface."""
        low, high = object_region(frames)
        voxel = voxel_for(low, high, self.voxel)
        places, keys = _places(frames, low, high, voxel)
        shown, tracked = self._vote(frames, keys, len(places))
        asked = PlaceLabels(places, shown, 2 * voxel)
        labels = [asked.image(frame) for frame in frames]
        if self.own_tsdf:
            meshes = _meshes_by_mask(frames, tracked, shown, places, voxel)
        else:
            mesh = fuse(frames, low, high, voxel).mesh()
            meshes = split_mesh(mesh, PlaceLabels(places, shown, 3 * voxel)(mesh.vertices))
        return Decomposed(labels, meshes)

    def _vote(self, frames: Sequence[PosedDepth], keys: list[NDArray], count: int) -> tuple[Labels, list[Labels]]:
        """Return the number (count,) each place shows, and each frame's labels under the map's numbers."""
        shown = np.full(count, -1, np.int64)
        columns = 1  # number 0: background
        votes = sparse.csr_matrix((count, columns))
        tracked: list[Labels] = []
        for frame, key in zip(frames, keys):
            given = np.where(key >= 0, labels_of(frame).reshape(-1), -1)
            known = given >= 0
            table, columns = self._matched(given[known], shown[key[known]], columns)
            mapped = np.where(known, table[np.maximum(given, 0)], -1)
            tracked.append(mapped.reshape(frame.depth.shape).astype(np.int32))
            votes.resize((count, columns))
            # a voxel has one vote in a frame, however many pixels show it
            at = np.unique(np.stack([key[known], mapped[known]], 1), axis=0)
            new = sparse.csr_matrix((np.ones(len(at)), (at[:, 0], at[:, 1])), (count, columns))
            votes = votes + new
            touched = np.unique(at[:, 0])
            shown[touched] = np.asarray(votes[touched].argmax(1)).reshape(-1)
        numbers = self._joined(votes)
        final = _folded(votes, numbers)
        shown = np.where(np.asarray(votes.sum(1)).reshape(-1) > 0, np.asarray(final.argmax(1)).reshape(-1), -1)
        sizes = np.bincount(np.maximum(shown, 0), minlength=columns)
        small = sizes[np.maximum(shown, 0)] < self.least
        final_numbers: Labels = np.where((shown > 0) & small, 0, shown).astype(np.int32)
        out = [np.where(m > 0, numbers[np.maximum(m, 0)], m).astype(np.int32) for m in tracked]
        return final_numbers, out

    def _matched(self, given: NDArray, held: NDArray, columns: int) -> tuple[NDArray, int]:
        """Return the map's number for every label of a frame, and how many numbers there are now."""
        table = np.zeros(int(given.max(initial=0)) + 1, np.int64)
        masks = np.unique(given[given > 0])
        cost = np.zeros((len(masks), columns))
        seen = np.bincount(held[held >= 0], minlength=columns)
        for row, mask in enumerate(masks):
            under = held[given == mask]
            under = under[under >= 0]
            if len(under):
                shared = np.bincount(under, minlength=columns)
                cost[row] = shared / (len(under) + (seen - shared if self.by_union else 0))
        cost[:, 0] = 0  # what was missed before may be a thing now
        if self.several:
            best = cost.argmax(1)
        else:
            best = np.zeros(len(masks), np.intp)
            rows, found = linear_sum_assignment(-cost)
            best[rows] = found
        for row, mask in enumerate(masks):
            if len(cost[row]) and cost[row, best[row]] >= self.overlap:
                table[mask] = best[row]
            else:
                table[mask], columns = columns, columns + 1
        return table, columns

    def _joined(self, votes: sparse.csr_matrix) -> NDArray[np.int64]:
        """Return for every number the one it is joined with: those that have votes in the same places."""
        things = votes[:, 1:].tocsc()
        count = things.shape[1]
        total = np.maximum(np.asarray(things.sum(0)).reshape(-1), 1)
        share = np.zeros((count, count))
        for a in range(count):
            rows = things.indices[things.indptr[a] : things.indptr[a + 1]]
            own = sparse.csr_matrix(things[rows])
            least = own.minimum(own[:, [a] * count]) if len(rows) else own
            share[a] = np.asarray(least.sum(0)).reshape(-1) / np.minimum(total[a], total)
        # the lesser joins the one number it shares most with; through it nothing else is joined, or one mask over two
        # things would make them one for ever
        numbers = np.arange(votes.shape[1])
        order = np.argsort(-total, kind="stable")
        for place, a in enumerate(order):
            greater = order[:place]
            if len(greater) and share[a, greater].max() > self.join:
                numbers[a + 1] = numbers[greater[share[a, greater].argmax()] + 1]
        return numbers


def _folded(votes: sparse.csr_matrix, numbers: NDArray[np.int64]) -> sparse.csr_matrix:
    columns = votes.shape[1]
    fold = sparse.csr_matrix((np.ones(columns), (np.arange(columns), numbers)), (columns, columns))
    return (votes @ fold).tocsr()


def _places(
    frames: Sequence[PosedDepth], low: NDArray, high: NDArray, voxel: float
) -> tuple[NDArray[np.float64], list[NDArray[np.int64]]]:
    """Return the middles (n, 3) of all voxels seen, and for each frame the voxel (h * w,) of every pixel, -1 none."""
    size = np.ceil((high - low) / voxel).astype(np.int64) + 1
    flat, where = [], []
    for frame in frames:
        points, pixels = world_points(frame)
        at = np.floor((points - low) / voxel).astype(np.int64)
        inside = ((at >= 0) & (at < size)).all(1)
        at, pixels = at[inside], pixels[inside]
        flat.append((at[:, 0] * size[1] + at[:, 1]) * size[2] + at[:, 2])
        where.append(pixels)
    every, dense = np.unique(np.concatenate(flat), return_inverse=True)
    keys, start = [], 0
    for frame, pixels in zip(frames, where):
        key = np.full(frame.depth.size, -1, np.int64)
        key[pixels] = dense[start : start + len(pixels)]
        start += len(pixels)
        keys.append(key)
    at = np.stack([every // (size[1] * size[2]), every // size[2] % size[1], every % size[2]], 1)
    return low + (at + 0.5) * voxel, keys


def _meshes_by_mask(
    frames: Sequence[PosedDepth], tracked: Sequence[Labels], shown: Labels, places: NDArray, voxel: float
) -> dict[int, TriangleMesh]:
    """Return a mesh for every number, from a grid of its own into which only pixels of its masks go."""
    out = {}
    for number in np.unique(shown[shown > 0]).tolist():
        own = places[shown == number]
        grid = Tsdf(own.min(0) - 4 * voxel, own.max(0) + 4 * voxel, voxel, near=own)
        for frame, labels in zip(frames, tracked):
            mine = labels == number
            if mine.any():
                grid.add(frame, np.where(mine, frame.depth, np.float32(np.nan)))
        out[int(number)] = grid.mesh()
    return out
