"""Measured pixels whose surface the camera cannot see, because something nearer covers it.

A LiDAR above the camera looks over a car that hides the road behind it from the camera. The road's points then fall
between those of the car. A z-buffer alone misses them, as sparse points seldom share a pixel.

A point is hidden if nearer points lie all around it, so that the surface through them covers it. Looking through a
fence or between two cars, nearer points lie all around as well, and yet the point is visible. What tells the two
apart is the view of the LiDAR itself, in which nothing it measured is hidden: a point that stands in a real gap is
surrounded in both views, a hidden one only in the camera's. So the test is exact where the mount is known, and without
it errs towards removing points in gaps no wider than two samples.

Ring patterns are dense along a row and sparse across, random points are neither; the neighbourhood is a cell grid
whose aspect is the one that covers most cells, which needs no ring numbers.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from depth_perception.frames import CameraModel, SparseDepth
from depth_perception.geometry import camera as cameras

_ASPECTS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # cell height by width
_CLEARLY_BETTER = 1.12  # in covered cells; scattered points cover alike at every aspect
_SLANT = 3.0  # tangent of the slant up to which a continuous surface must survive between far samples
# Widest empty angle round a point that counts as surrounded. Pixels are whole, so a point at the very edge of what
# covers it may seem to stand a little outside; with the LiDAR's view as second witness that is let pass.
_SURROUNDED = math.radians(190.0)
_SURROUNDED_ALONE = math.radians(160.0)
_WIDER = math.radians(45.0)  # by how much that angle must be wider in the LiDAR's view, and at least open there
_OPEN = math.radians(195.0)


def remove_hidden(
    sparse: SparseDepth,
    tolerance: float = 0.05,
    camera: CameraModel | None = None,
    T_camera_lidar: ArrayLike | None = None,
) -> SparseDepth:
    """Return ``sparse`` without the points that nearer surfaces hide from the camera; see hidden_points."""
    hidden = hidden_points(sparse, tolerance, camera, T_camera_lidar)
    return sparse.select(~hidden) if hidden.any() else sparse


def hidden_points(
    sparse: SparseDepth,
    tolerance: float = 0.05,
    camera: CameraModel | None = None,
    T_camera_lidar: ArrayLike | None = None,
) -> NDArray[np.bool_]:
    """Return True (m,) for each measured pixel that nearer surfaces hide from the camera.

    A neighbour counts as nearer if it is so by more than the share ``tolerance`` of the depth, plus what a slanted
    surface may rise between the two. ``camera`` (the one the points were projected with) and ``T_camera_lidar`` (4, 4)
    give the view of the LiDAR, whose origin is the transform's translation: pass them whenever they are known. Only
    depth and position decide, so points may come from any pattern.
    """
    if not tolerance > 0.0:
        raise ValueError(f"tolerance must be above 0, got {tolerance}")
    hidden = np.zeros(len(sparse), bool)
    if len(sparse) < 4:
        return hidden
    width, height = cell_size(sparse)
    inverse = 1.0 / sparse.depth
    columns, rows = sparse.columns.astype(np.float32), sparse.rows.astype(np.float32)
    cells = _Cells(columns, rows, inverse, width, height)
    # the share by which a neighbour must be nearer, as a factor on its inverse depth
    factor = 1.0 - tolerance
    suspects = cells.suspects(factor)
    if not suspects.size:
        return hidden
    around = cells.neighbours(suspects)  # (k, 9), -1 for an empty cell
    dx = columns[around] - columns[suspects, None]
    dy = rows[around] - rows[suspects, None]
    focal = float(np.mean([camera.K[0, 0], camera.K[1, 1]])) if camera is not None else 0.8 * max(sparse.shape)
    allowed = tolerance + _SLANT / focal * np.hypot(dx, dy)
    nearer = (around >= 0) & (inverse[around] * (1.0 - allowed) > inverse[suspects, None])
    gap = _widest_gap(dx / width, dy / height, nearer)
    mounted = camera is not None and T_camera_lidar is not None
    closed = gap < (_SURROUNDED if mounted else _SURROUNDED_ALONE)
    suspects, around, nearer, gap = suspects[closed], around[closed], nearer[closed], gap[closed]
    if camera is not None and T_camera_lidar is not None and suspects.size:  # mounted
        origin = np.asarray(T_camera_lidar, np.float64)[:3, 3]
        involved, place = np.unique(np.concatenate([suspects[:, None], around], axis=1), return_inverse=True)
        u, v = _lidar_view(sparse, involved, camera, origin)
        place = place.reshape(len(suspects), -1)
        du, dv = u[place[:, 1:]] - u[place[:, :1]], v[place[:, 1:]] - v[place[:, :1]]
        opened = _widest_gap(du / width, dv / height, nearer)
        suspects = suspects[(opened > _OPEN) & (opened > gap + _WIDER)]
    hidden[suspects] = True
    return hidden


def cell_size(sparse: SparseDepth) -> tuple[float, float]:
    """Return width and height in pixels of cells that hold about one point each, shaped like the pattern.

    Of cells of equal area but different aspect, those that fit the spacing of a pattern are hit most evenly, so that
    fewest stay empty. Scattered points hit cells of any aspect alike; for them they are square.
    """
    columns, rows = sparse.columns, sparse.rows
    area = _covered_area(columns, rows) / len(sparse)
    best, most = (math.sqrt(area), math.sqrt(area)), 0.0
    for aspect in sorted(_ASPECTS, key=lambda a: abs(math.log(a))):
        width, height = math.sqrt(area / aspect), math.sqrt(area * aspect)
        across = int(sparse.shape[1] / width) + 1
        down = int(sparse.shape[0] / height) + 1
        taken = np.zeros(across * down, bool)
        taken[(rows * (1.0 / height)).astype(np.intp) * across + (columns * (1.0 / width)).astype(np.intp)] = True
        covered = float(np.count_nonzero(taken)) * (_CLEARLY_BETTER if aspect == 1.0 else 1.0)
        if covered > most:
            best, most = (width, height), covered
    return best


def _covered_area(columns: NDArray, rows: NDArray) -> float:
    """Image area in pixels over which the points are spread: that of the blocks that hold any."""
    side = max(8.0, 3.0 * math.sqrt(float(np.ptp(columns) + 1) * float(np.ptp(rows) + 1) / len(columns)))
    across = int(columns.max() / side) + 1
    blocks = (rows / side).astype(np.intp) * across + (columns / side).astype(np.intp)
    return float(np.count_nonzero(np.bincount(blocks))) * side * side


class _Cells:
    """The nearest point of each grid cell, with one empty cell all round."""

    def __init__(self, columns: NDArray, rows: NDArray, inverse: NDArray, width: float, height: float):
        column = (columns * (1.0 / width)).astype(np.intp) + 1
        row = (rows * (1.0 / height)).astype(np.intp) + 1
        self._across, self._down = int(column.max()) + 2, int(row.max()) + 2
        self._cell = row * self._across + column
        self._inverse = inverse
        size = self._across * self._down
        self._best = np.zeros(size, np.float32)
        np.maximum.at(self._best, self._cell, inverse)
        winners = np.flatnonzero(inverse == self._best[self._cell])
        self._owner = np.full(size, -1, np.intp)
        self._owner[self._cell[winners]] = winners

    def suspects(self, factor: float) -> NDArray[np.intp]:
        """Indices of points that have nearer ones in cells towards all four sides."""
        best = self._best.reshape(self._down, self._across)
        tall, wide = np.ones((3, 2), np.uint8), np.ones((2, 3), np.uint8)
        sides = [
            cv2.dilate(best, kernel, anchor=anchor)
            for kernel, anchor in ((tall, (0, 1)), (tall, (1, 1)), (wide, (1, 0)), (wide, (1, 1)))
        ]
        least = np.minimum(np.minimum(sides[0], sides[1]), np.minimum(sides[2], sides[3])).reshape(-1)
        return np.flatnonzero(least[self._cell] * np.float32(factor) > self._inverse)

    def neighbours(self, points: NDArray[np.intp]) -> NDArray[np.intp]:
        """Nearest point (k, 9) of the cell of each point and the eight around it; -1 for an empty cell."""
        steps = np.array([-1, 0, 1])
        offsets = (steps[:, None] * self._across + steps).reshape(-1)
        return self._owner[self._cell[points][:, None] + offsets]


def _widest_gap(dx: NDArray, dy: NDArray, counted: NDArray[np.bool_]) -> NDArray:
    """Widest angle (k,) in radians, seen from the middle, that holds none of the counted directions."""
    angle = np.arctan2(dy, dx)
    first = np.where(counted, angle, np.inf).min(axis=1, keepdims=True)
    angle = np.sort(np.where(counted, angle, first), axis=1)  # the others take a place already taken
    with np.errstate(invalid="ignore"):
        widest = np.maximum(np.diff(angle, axis=1).max(axis=1), 2.0 * math.pi - (angle[:, -1] - angle[:, 0]))
    return np.where(counted.any(axis=1), widest, 2.0 * math.pi)


def _lidar_view(
    sparse: SparseDepth, chosen: NDArray[np.intp], camera: CameraModel, origin: NDArray[np.float64]
) -> tuple[NDArray, NDArray]:
    """Where points would appear, in pixels, to a camera turned alike but standing at the LiDAR; NaN behind it."""
    pixels = np.stack([sparse.columns[chosen], sparse.rows[chosen]], axis=1)
    points = cameras.unproject(camera, pixels, sparse.depth[chosen]) - origin
    z = np.where(points[:, 2] > 0.0, points[:, 2], np.nan)
    return camera.K[0, 0] * points[:, 0] / z, camera.K[1, 1] * points[:, 1] / z
