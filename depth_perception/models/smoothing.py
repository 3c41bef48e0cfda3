"""What points say, spread over a grid and stopped by colour: weighted least squares along rows and columns.

What Min, Choi, Lu, Ham, Sohn, Do, *Fast Global Image Smoothing Based on Weighted Least Squares* (TIP 2014) do for
interpolation: values and their weights are smoothed alike, each by tridiagonal systems along rows, then columns, with a
strength that falls from round to round, and the one is divided by the other. Unlike a straight look from a cell to
a point, this finds ways around corners.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import FloatImage
from depth_perception.models.neighborhood import Neighborhood
from depth_perception.models.surfels import FARTHER, NEARER, Surfels

_ROUNDS = 2  # a third one changes nothing
_FALL = 4.0  # by which the strength falls from round to round
_COLOR = 5 / 255  # colour change at which a link is a third as strong
_REACH = 0.5  # blocks over which surfaces spread
_LINK = 1e-4  # least strength of a link: far from all points there still is an answer


def spread(
    points: Neighborhood,
    values: NDArray[np.float32],
    weight: NDArray[np.float32],
    guide: FloatImage | None,
    reach: float,
) -> FloatImage:
    """Return the mean (k, h, w) of ``values`` (k, n) at every cell, each point by its ``weight`` (n,) and its nearness.

    ``guide`` float32 (channels, h, w) in [0, 1] or None says where to stop; ``reach`` is how many cells values spread
    where nothing stops them.
    """
    heap = np.zeros((len(values) + 1, *points.shape))
    heap[:-1, points.rows, points.columns] = weight * values
    heap[-1, points.rows, points.columns] = weight
    across, down = _links(guide, 1, points.shape), _links(guide, 0, points.shape).T
    total = sum(_FALL**i for i in range(_ROUNDS))
    for i in reversed(range(_ROUNDS)):
        strength = reach**2 * _FALL**i / total
        heap = _solve(across, strength, heap)
        heap = _solve(down, strength, heap.transpose(0, 2, 1)).transpose(0, 2, 1)
    return np.asarray(heap[:-1] / np.maximum(heap[-1], 1e-200), np.float32)


def spread_surfaces(
    points: Neighborhood, planes: Surfels, guide: FloatImage | None, flat: bool = True, wider: float = 1.0
) -> FloatImage:
    """Return inverse depth (2, h, w) in 1/m of planes and of depths, each spread along the colours of ``guide``.

    Without ``flat`` that of planes alone (1, h, w). They spread half a block far, times ``wider``. Both stay as close
    to the points around a cell as planes do.
    """
    values = [planes.offset, planes.gy, planes.gx, *([points.inverse] if flat else [])]
    offset, gy, gx, *rest = spread(points, np.stack(values), planes.belief, guide, _REACH * wider * points.block)
    height, width = points.shape
    y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)
    heard = np.take(points.inverse, points.near)
    least, most = heard.min(0) * np.float32(FARTHER), heard.max(0) * np.float32(NEARER)
    return np.clip(np.stack([offset + gy * y + gx * x, *rest]), least, most)


def _links(guide: FloatImage | None, axis: int, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return how strongly each cell is linked to the one before it (h, w); the first to none."""
    link = np.ones(shape)
    rest, first = (slice(1, None), 0) if axis == 0 else ((slice(None), slice(1, None)), (slice(None), 0))
    if guide is not None:
        change = np.abs(np.diff(guide, axis=axis + 1)).max(0)
        link[rest] = np.maximum(np.exp(change * (-1 / _COLOR)), _LINK)
    link[first] = 0
    return link


def _solve(link: NDArray[np.float64], strength: float, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smooth ``values`` (k, a, b) along the last axis; all rows make one symmetric tridiagonal system."""
    from scipy.linalg.lapack import dptsv  # heavy, so only when asked for

    off = (-strength * link).reshape(-1)
    diagonal = 1 - off
    diagonal[:-1] -= off[1:]
    columns = np.ascontiguousarray(values).reshape(len(values), -1).T  # as LAPACK has them, so nothing is copied
    *_, solved, _ = dptsv(
        diagonal, off[1:], columns, overwrite_d=True, overwrite_e=True, overwrite_b=values.base is None
    )
    return np.asarray(solved).T.reshape(values.shape)
