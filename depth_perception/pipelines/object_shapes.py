"""What is told of an object's mesh: boxes, colour, a sample of its surface, and how much two surfaces agree."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from depth_perception.frames import OrientedBox, TriangleMesh

Points = NDArray[np.float32]
SPECK, SCRAP = 0.01, 0.05  # shares of a mesh's area


def oriented_box(points: NDArray) -> OrientedBox:
    """Return the box of least floor area about ``points`` (n, 3) whose third axis is the world's z.

    Its first axis is the longer horizontal one. The least rectangle about the convex hull has a side along one of the
    hull's (Freeman and Shapira 1975). Raises ValueError without points.
    """
    points = np.asarray(points, np.float64).reshape(-1, 3)
    if not len(points):
        raise ValueError("a box needs at least one point")
    middle = points.mean(axis=0)
    (x, y), sizes, degrees = cv2.minAreaRect((points[:, :2] - middle[:2]).astype(np.float32))
    angle = np.radians(degrees)
    along = np.array([np.cos(angle), np.sin(angle), 0.0])
    across = np.array([-np.sin(angle), np.cos(angle), 0.0])
    width, depth = sizes
    if depth > width:
        along, across, width, depth = across, -along, depth, width
    low, high = points[:, 2].min(), points[:, 2].max()
    center = np.array([x + middle[0], y + middle[1], (low + high) / 2])
    axes = np.stack([along, across, [0.0, 0.0, 1.0]], axis=1)
    return OrientedBox(center, axes, np.array([width, depth, high - low]))


def mean_color(mesh: TriangleMesh) -> tuple[int, int, int]:
    """Return the median RGB of the vertices, grey without colours."""
    if mesh.colors is None or not len(mesh.colors):
        return 128, 128, 128
    red, green, blue = np.median(mesh.colors, axis=0).astype(int).tolist()
    return red, green, blue


def surface_sample(points: NDArray, size: float) -> Points:
    """Return one point for each cell of ``size`` metres that holds some of ``points`` (n, 3): their mean.

    So every part of a surface counts alike, however fine its triangles are.
    """
    points = np.asarray(points, np.float64).reshape(-1, 3)
    if not len(points):
        return np.zeros((0, 3), np.float32)
    _, cell, counts = np.unique(
        np.floor(points / size).astype(np.int64), axis=0, return_inverse=True, return_counts=True
    )
    cell = cell.reshape(-1)
    sums = np.stack([np.bincount(cell, points[:, axis], len(counts)) for axis in range(3)], axis=1)
    return (sums / counts[:, None]).astype(np.float32)


def shares_near(first: Points, second: Points, reach: float) -> tuple[float, float]:
    """Return which share of the first sample lies within ``reach`` metres of the second, and the reverse."""
    if not len(first) or not len(second):
        return 0.0, 0.0
    if np.any(first.min(axis=0) > second.max(axis=0) + reach) or np.any(second.min(axis=0) > first.max(axis=0) + reach):
        return 0.0, 0.0
    to_second, _ = cKDTree(second).query(first, distance_upper_bound=reach)
    to_first, _ = cKDTree(first).query(second, distance_upper_bound=reach)
    return float(np.mean(np.isfinite(to_second))), float(np.mean(np.isfinite(to_first)))


def agreement(first: Points, second: Points, reach: float) -> float:
    """Return how far two samples are of the same surface, in [0, 1]: the mean of ``shares_near``."""
    return sum(shares_near(first, second, reach)) / 2


def within(points: Points, low: NDArray, high: NDArray) -> NDArray[np.bool_]:
    """Return which of ``points`` (n, 3) lie in a box."""
    return np.all((points >= low) & (points <= high), axis=1)


def crop_mesh(mesh: TriangleMesh, keep: NDArray[np.bool_]) -> TriangleMesh:
    """Return the faces chosen by ``keep`` (m,) with the vertices that they use."""
    faces = mesh.faces[keep]
    used, renumbered = np.unique(faces, return_inverse=True)
    colors = None if mesh.colors is None else mesh.colors[used]
    return TriangleMesh(mesh.vertices[used], renumbered.reshape(-1, 3).astype(np.int32), colors)


def without_specks(mesh: TriangleMesh) -> TriangleMesh:
    """Return a mesh without the scraps that are no part of the object, one of which far away would spoil its box.

    Connected parts of less than SPECK of the area go, and those of less than SCRAP that are farther from the larger
    ones than half of the extent of these. They come of stray pixels between two surfaces.
    """
    if not len(mesh.faces):
        return mesh
    first, second = mesh.faces[:, [0, 1]].reshape(-1), mesh.faces[:, [1, 2]].reshape(-1)
    size = len(mesh.vertices)
    edges = coo_matrix((np.ones(len(first), np.int8), (first, second)), (size, size))
    count, part = connected_components(edges, directed=False)
    a, b, c = (mesh.vertices[mesh.faces[:, corner]].astype(np.float64) for corner in range(3))
    of_face = part[mesh.faces[:, 0]]
    areas = np.bincount(of_face, np.linalg.norm(np.cross(b - a, c - a), axis=1), count)
    keep = areas >= SPECK * areas.sum()
    large = areas >= min(SCRAP * areas.sum(), areas.max())
    if (keep & ~large).any():
        body = mesh.vertices[large[part]]
        away, _ = cKDTree(body).query(mesh.vertices)
        nearest = np.full(count, np.inf)
        np.minimum.at(nearest, part, away)
        keep &= large | (nearest <= np.ptp(body, axis=0).max() / 2)
    return mesh if keep.all() else crop_mesh(mesh, keep[of_face])


def join_meshes(meshes: Iterable[TriangleMesh]) -> TriangleMesh:
    """Return one mesh with the faces of all; colours only if every mesh has some."""
    given = list(meshes)
    if len(given) == 1:
        return given[0]
    if not given:
        return TriangleMesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in given[:-1])])
    faces = np.concatenate([mesh.faces + start for mesh, start in zip(given, starts)]).astype(np.int32)
    colors = [mesh.colors for mesh in given if mesh.colors is not None]
    return TriangleMesh(
        np.concatenate([mesh.vertices for mesh in given]),
        faces,
        np.concatenate(colors) if len(colors) == len(given) else None,
    )


def thinned(mesh: TriangleMesh, largest: int) -> TriangleMesh:
    """Return a mesh of at most ``largest`` faces: vertices in one cell become one, on the finest grid that does it.

    Vertex clustering (Rossignac and Borrel 1993); the mesh itself if it is small enough.
    """
    size = float(np.ptp(mesh.vertices, axis=0).max()) / 256 if len(mesh.vertices) else 1.0
    made = mesh
    while len(made.faces) > max(largest, 1):
        cells = np.floor(mesh.vertices / size).astype(np.int64)
        _, first, cell = np.unique(cells, axis=0, return_index=True, return_inverse=True)
        faces = cell.reshape(-1)[mesh.faces]
        whole = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
        colors = None if mesh.colors is None else mesh.colors[first]
        made = TriangleMesh(mesh.vertices[first], faces[whole].astype(np.int32), colors)
        size *= 1.5
    return made
