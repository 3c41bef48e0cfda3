"""Depth between the points of a grid: linear on the triangles that they span (Delaunay 1934).

Planes fitted at points foresee what lies beyond them, and are wrong where there is nothing to learn a slope from, as
between the corners of a texture. A triangle says nothing that its three points do not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import FloatImage
from depth_perception.models.neighborhood import Neighborhood

Places = NDArray[np.float64]
Indices = NDArray[np.int64]

_FLAT = 1e-9  # twice the area in cells below which a triangle is a line
_ON_EDGE = 1e-6  # cells on an edge belong to both of its triangles, which agree there
MOST = 1_500  # points: where there are more, planes do as well, and time grows with them


def interpolate(points: Neighborhood, use: NDArray[np.bool_] | None = None) -> FloatImage:
    """Return inverse depth (2, h, w) in 1/m at all cells, NaN outside the triangles.

    The first is linear itself, as planes are; of the second depth is linear. ``use`` (n,): which points to hear, by
    default all. All NaN if the points span no triangle, or are more than MOST.
    """
    from scipy.spatial import Delaunay, QhullError  # heavy, so only when asked for

    heard = np.arange(len(points.inverse)) if use is None else np.flatnonzero(use)
    dense = np.full((2, *points.shape), np.nan, np.float32)
    if len(heard) > MOST:
        return dense
    y, x = points.y[heard].astype(float), points.x[heard].astype(float)
    try:
        corners = Delaunay(np.stack([y, x], 1)).simplices
    except (QhullError, ValueError):  # fewer than three points, or all on one line
        return dense
    cells, triangle, second, third = _covered(y[corners], x[corners], points.shape)
    inverse = points.inverse[heard][corners[triangle]]
    for out, values in zip(dense, (inverse, 1 / inverse)):
        first = values[:, 0]
        out.reshape(-1)[cells] = first + second * (values[:, 1] - first) + third * (values[:, 2] - first)
    np.reciprocal(dense[1], out=dense[1])
    return dense


def _covered(
    y: Places, x: Places, shape: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], Places, Places]:
    """Return the flat cells (k,) in triangles with corners ``y``, ``x`` (m, 3), which triangle each is in, and where.

    The last two (k,) are the weights of a triangle's second and third corner. SciPy's own search for triangles sets
    threads of its linear algebra spinning, which takes a whole core from everybody else.
    """
    dy, dx = y - y[:, :1], x - x[:, :1]
    area = dy[:, 1] * dx[:, 2] - dy[:, 2] * dx[:, 1]
    top, bottom = (np.clip(v, 0, shape[0]) for v in (np.ceil(y.min(1)), np.floor(y.max(1)) + 1))
    left, right = (np.clip(v, 0, shape[1]) for v in (np.ceil(x.min(1)), np.floor(x.max(1)) + 1))
    wide = np.maximum(right - left, 0).astype(np.int64)
    count = np.where(np.abs(area) > _FLAT, np.maximum(bottom - top, 0).astype(np.int64) * wide, 0)
    triangle = np.repeat(np.arange(len(area)), count)  # for every cell in the box around each
    place = np.arange(len(triangle)) - np.repeat(np.cumsum(count) - count, count)
    row, column = np.divmod(place, wide[triangle])
    row += top.astype(np.int64)[triangle]
    column += left.astype(np.int64)[triangle]
    py, px = row - y[triangle, 0], column - x[triangle, 0]
    scale = 1 / np.where(area == 0, 1, area)
    second = py * (dx[:, 2] * scale)[triangle] - px * (dy[:, 2] * scale)[triangle]
    third = px * (dy[:, 1] * scale)[triangle] - py * (dx[:, 1] * scale)[triangle]
    inside = (second >= -_ON_EDGE) & (third >= -_ON_EDGE) & (second + third <= 1 + _ON_EDGE)
    return (row * shape[1] + column)[inside], triangle[inside], second[inside], third[inside]
