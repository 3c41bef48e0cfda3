"""Completion of input so dense that planes cost more than they bring: nearest point, median, and smoothing within 2 %.

Every cell of a half-resolution grid takes its nearest point. A point that the median of its 5 x 5 cells contradicts is
an outlier; then cells take their nearest point again without those.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import DepthPrediction, FloatImage
from depth_perception.models.upsample import enlarge

_OUTLIER = 0.3  # relative difference to the median at which a point is dropped
_SAME_SURFACE = 0.02
# Standard deviation over depth, fitted like that of the planes: floor, local change, and per cell to the nearest point.
_FLOOR, _CHANGE, _FRAME, _PER_CELL = 0.002, 0.6, 0.6, 0.003


def complete_dense(sparse: FloatImage, step: int) -> DepthPrediction:
    """Complete checked input (H, W) metres with at least one point, on a grid of ``step`` pixels."""
    height, width = sparse.shape
    measured = np.flatnonzero(sparse != 0)
    grid = np.zeros((-(-height // step), -(-width // step)), np.float32)
    values = 1 / sparse.reshape(-1)[measured]
    grid.reshape(-1)[measured // width // step * grid.shape[1] + measured % width // step] = values
    taken = np.flatnonzero(grid)
    points = grid.reshape(-1)[taken]
    filled, distance = nearest(grid, taken)
    median = cv2.medianBlur(filled, 5)
    misfit = np.abs(points / median.reshape(-1)[taken] - 1)
    kept = misfit < _OUTLIER
    if kept.any() and not kept.all():
        grid.reshape(-1)[taken[~kept]] = 0
        filled, distance = nearest(grid, taken[kept])
        median = cv2.medianBlur(filled, 5)
    smooth = cv2.GaussianBlur(median, (5, 5), 1.2)
    near = np.abs(smooth - median) < median * np.float32(_SAME_SURFACE)
    inverse = np.where(near, smooth, median)
    frame = np.float32(np.median(misfit))
    change = cv2.blur(np.abs(filled / median - 1) + np.abs(smooth / median - 1), (5, 5))
    variance = np.float32(_FLOOR**2) + np.square(change * np.float32(_CHANGE)) + np.square(frame * np.float32(_FRAME))
    variance += np.square(distance * np.float32(_PER_CELL))
    depth = np.reciprocal(enlarge(inverse, step, sparse.shape))
    deviation = enlarge(np.sqrt(variance), step, sparse.shape) * depth
    return DepthPrediction(depth, deviation, keep_measurements(depth, deviation, sparse, measured))


def nearest(grid: FloatImage, taken: NDArray[np.int64]) -> tuple[FloatImage, FloatImage]:
    """Return value of and distance to the nearest of the cells ``taken`` (flat indices), both (h, w)."""
    free = np.ones(grid.shape, np.uint8)
    free.reshape(-1)[taken] = 0
    distance, label = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    table = np.zeros(len(taken) + 2, np.float32)
    table[label.reshape(-1)[taken]] = grid.reshape(-1)[taken]
    return np.take(table, np.asarray(label, np.int32)), np.asarray(distance, np.float32)


def keep_measurements(
    depth: FloatImage, deviation: FloatImage, sparse: FloatImage, measured: NDArray[np.int64]
) -> FloatImage:
    """Write measurements within three standard deviations through into ``depth``, in place.

    Returns float32 (H, W): how far each measurement was believed, from 1 down to 0 with its misfit, NaN elsewhere.
    """
    value, guess = sparse.reshape(-1)[measured], depth.reshape(-1)[measured]
    misfit = np.abs(value - guess) / (3 * deviation.reshape(-1)[measured])
    inlier = np.full(sparse.shape, np.nan, np.float32)
    inlier.reshape(-1)[measured] = 1 / (1 + np.square(np.square(np.minimum(misfit, np.float32(1e6)))))
    depth.reshape(-1)[measured] = np.where(misfit <= 1, value, guess)
    return inlier
