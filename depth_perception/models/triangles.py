"""Depth between the points of a grid: linear on the triangles that they span (Delaunay 1934).

Planes fitted at points foresee what lies beyond them, and are wrong where there is nothing to learn a slope from, as
between the corners of a texture. A triangle says nothing that its three points do not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import FloatImage
from depth_perception.models.neighborhood import Neighborhood

MOST = 1_500  # points: where there are more, planes do as well, and time grows with them


def interpolate(points: Neighborhood, use: NDArray[np.bool_] | None = None) -> FloatImage:
    """Return inverse depth (2, h, w) in 1/m at all cells, NaN outside the triangles.

    The first is linear itself, as planes are; of the second depth is linear. ``use`` (n,): which points to hear, by
    default all. All NaN if the points span no triangle, or are more than MOST.
    """
    from scipy.interpolate import LinearNDInterpolator  # heavy, so only when asked for
    from scipy.spatial import QhullError

    heard = np.arange(len(points.inverse)) if use is None else np.flatnonzero(use)
    if len(heard) > MOST:
        return np.full((2, *points.shape), np.nan, np.float32)
    where, inverse = np.stack([points.y, points.x], 1)[heard], points.inverse[heard]
    grid = np.mgrid[: points.shape[0], : points.shape[1]].reshape(2, -1).T
    try:
        dense = LinearNDInterpolator(where, np.stack([inverse, 1 / inverse], 1))(grid)
    except (QhullError, ValueError):  # fewer than three points, or all on one line
        return np.full((2, *points.shape), np.nan, np.float32)
    dense[:, 1] = 1 / dense[:, 1]
    return np.asarray(dense.T.reshape(2, *points.shape), np.float32)
