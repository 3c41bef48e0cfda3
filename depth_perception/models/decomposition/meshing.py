"""Triangles of a surface from signed distances on a regular grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage import measure

_SLIGHTLY = 1e-6


def march(
    volume: NDArray[np.float32], low: ArrayLike, cell: float, known: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64]] | None:
    """Return vertices (n, 3) in metres and faces (m, 3) of the zero surface of ``volume`` (a, b, c); None if empty.

    Negative is inside, and faces are counter-clockwise from outside. Node (0, 0, 0) lies at ``low``. Faces are left
    out in cells that have a corner not ``known``, so that the surface is open there (marching cubes, Lorensen and
    Cline, 1987; Lewiner's tables).
    """
    if min(volume.shape) < 2 or not volume.min() < 0 < volume.max():
        return None
    vertices, faces, _, _ = measure.marching_cubes(volume, 0.0, gradient_direction="descent")
    if known is not None:
        whole = known[:-1, :-1, :-1].copy()
        x, y, z = whole.shape
        for a, b, c in np.ndindex(2, 2, 2):
            whole &= known[a : a + x, b : b + y, c : c + z]
        at = np.floor(vertices[faces].mean(1) - _SLIGHTLY).astype(int).clip(0)
        faces = faces[whole[tuple(np.minimum(at, np.array(whole.shape) - 1).T)]]
    if not len(faces):
        return None
    vertices, faces = keep_used(vertices, faces)
    return np.asarray(low, np.float64) + cell * vertices.astype(np.float64), faces.astype(np.int64)


def keep_used(vertices: NDArray, faces: NDArray) -> tuple[NDArray, NDArray]:
    """Return the vertices that faces (m, 3) name, and the faces with the new numbers."""
    used, renamed = np.unique(faces, return_inverse=True)
    return vertices[used], renamed.reshape(-1, 3)
