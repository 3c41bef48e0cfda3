"""The plain way to a surface: depth images averaged into a grid of truncated signed distances, then marching cubes.

Curless and Levoy, A Volumetric Method for Building Complex Models from Range Images (SIGGRAPH 1996), with projective
distances. It is the geometry of the peers, whatever labels they put on it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import maximum_filter
from skimage import measure

from depth_perception.evaluation.decomposition.decomposed import world_points
from depth_perception.frames import FloatImage, PosedDepth, TriangleMesh

MOST = 4_000_000  # voxels; larger regions take larger ones


def voxel_for(low: ArrayLike, high: ArrayLike, wanted: float, most: int = MOST) -> float:
    """Return the edge of a voxel in metres: ``wanted``, or larger where more than ``most`` would be needed."""
    volume = float(np.prod(np.asarray(high) - np.asarray(low)))
    return max(wanted, (volume / most) ** (1 / 3))


class Tsdf:
    """A box from ``low`` to ``high`` (3,) in metres with voxels of ``voxel`` metres; truncated at ``band`` voxels.

    With ``near``, points (n, 3), only voxels close to these are filled, which is all a surface needs and much faster.
    """

    def __init__(self, low: ArrayLike, high: ArrayLike, voxel: float, band: float = 3.0, near: NDArray | None = None):
        self.low, self.voxel, self.band = np.asarray(low, np.float64), voxel, band * voxel
        self.shape = tuple(np.maximum(np.ceil((np.asarray(high) - self.low) / voxel).astype(int), 2) + 1)
        self.distance = np.ones(self.shape, np.float32)  # in bands
        self.weight = np.zeros(self.shape, np.float32)
        if near is None:
            self._filled = np.arange(self.distance.size)
        else:
            self._filled = np.flatnonzero(self._close(np.asarray(near, np.float64), int(np.ceil(band)) + 1))
        grid = np.stack(np.unravel_index(self._filled, self.shape), 1).astype(np.float32)
        self._centers = grid * np.float32(voxel) + self.low.astype(np.float32)

    def _close(self, points: NDArray, reach: int) -> NDArray[np.bool_]:
        at = np.rint((points - self.low) / self.voxel).astype(np.int64)
        at = at[((at >= 0) & (at < self.shape)).all(1)]
        occupied = np.zeros(self.shape, np.uint8)
        occupied[tuple(at.T)] = 1
        return maximum_filter(occupied, 2 * reach + 1) > 0

    def add(self, frame: PosedDepth, depth: FloatImage | None = None) -> None:
        """Average a frame in, with ``depth`` (h, w) in place of its own if given; unknown pixels say nothing."""
        values = frame.depth if depth is None else depth
        T, K = np.linalg.inv(frame.T_world_camera).astype(np.float32), frame.camera.K
        points = self._centers @ T[:3, :3].T + T[:3, 3]
        z = points[:, 2]
        ahead = np.flatnonzero(z > 0.05)
        points, z = points[ahead], z[ahead]
        u = np.rint(K[0, 0] * points[:, 0] / z + K[0, 2])
        v = np.rint(K[1, 1] * points[:, 1] / z + K[1, 2])
        height, width = values.shape
        inside = (u >= 0) & (v >= 0) & (u < width) & (v < height)
        at, z = self._filled[ahead[inside]], z[inside]
        measured = values[v[inside].astype(np.intp), u[inside].astype(np.intp)]
        with np.errstate(invalid="ignore"):
            signed = (measured - z) / np.float32(self.band)
            seen = (measured > 0) & (signed > -1)
        at, signed = at[seen], np.minimum(signed[seen], 1)
        distance, weight = self.distance.reshape(-1), self.weight.reshape(-1)
        distance[at] = (distance[at] * weight[at] + signed) / (weight[at] + 1)
        weight[at] += 1

    def mesh(self, least: float = 2.0) -> TriangleMesh:
        """Return the surface where at least ``least`` views saw it; empty if there is none."""
        known = self.weight >= least
        values = np.where(known, self.distance, np.float32(1))
        if not (known & (values < 0)).any() or min(self.shape) < 2:
            return TriangleMesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
        # a cell counts only if all its corners are known: else its surface would be the edge of knowledge;
        # scikit-image asks the mask at the cell's far corner
        mask = known.copy()
        for axis in range(3):
            shifted = np.zeros_like(mask)
            source = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
            target = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
            shifted[target] = mask[source]
            mask &= shifted
        try:
            vertices, faces, _, _ = measure.marching_cubes(values, 0.0, mask=mask, gradient_direction="descent")
        except RuntimeError:  # no cell all of whose corners are known has a surface in it
            return TriangleMesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
        place = vertices * self.voxel + self.low
        return TriangleMesh(place.astype(np.float32), faces.astype(np.int32))


def fuse(frames: Sequence[PosedDepth], low: ArrayLike, high: ArrayLike, voxel: float) -> Tsdf:
    """Return the grid with all frames in it."""
    out = Tsdf(low, high, voxel, near=np.concatenate([world_points(frame)[0] for frame in frames]))
    for frame in frames:
        out.add(frame)
    return out


def split_mesh(mesh: TriangleMesh, labels: NDArray[np.int32]) -> dict[int, TriangleMesh]:
    """Return the parts of a mesh by the labels (n,) of its vertices; a face goes where two of its corners belong."""
    if not len(mesh.faces):
        return {}
    corners = np.sort(labels[mesh.faces], axis=1)
    middle = corners[:, 1]  # of three sorted labels the middle one is the majority, if there is one
    majority = (corners[:, 0] == middle) | (corners[:, 2] == middle)
    out = {}
    for label in np.unique(middle[majority & (middle > 0)]).tolist():
        faces = mesh.faces[majority & (middle == label)]
        used, renumbered = np.unique(faces, return_inverse=True)
        out[int(label)] = TriangleMesh(mesh.vertices[used], renumbered.reshape(faces.shape).astype(np.int32))
    return out
