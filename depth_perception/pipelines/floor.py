"""Finds the floor in an estimated depth image: how far below the camera it is, in the estimate's own unit.

With the camera's height in metres that gives the scale, as long as the robot stands on what it sees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from depth_perception.frames import CameraModel, DepthPrediction
from depth_perception.geometry.camera import resize, unproject
from depth_perception.pipelines.scale_measurement import LEAST_DEVIATION, ScaleMeasurement, cells_of, robust_scale

LEVEL = (0.0, -1.0, 0.0)  # up in the optical frame of a camera that looks straight ahead
_WIDTH = 160  # pixels are plenty for a plane
_BIN = 0.05  # of the logarithm of height
_LIKELY = 0.4  # a lower surface this large, compared with the largest, is the floor, and the larger one is on it


@dataclass(frozen=True)
class FloorSettings:
    """``tilt``: how far [rad] the floor may lean from what is thought to be level, also by errors of the depth.

    ``least_share``: of the image that must show floor. ``height_deviation``: of the known height [m].
    """

    tilt: float = 0.35
    least_share: float = 0.03
    height_deviation: float = 0.01


def scale_from_floor(
    estimate: DepthPrediction,
    camera: CameraModel,
    height: float,
    up: ArrayLike = LEVEL,
    settings: FloorSettings | None = None,
) -> ScaleMeasurement | None:
    """Return ``height`` [m] over the height in the estimate; None if no floor is found.

    ``estimate`` (H, W) in units; ``camera`` without distortion; ``up`` (3,) the direction against gravity in the
    optical frame. The floor is the lowest large surface that is level; a plane is fitted to it robustly, so that an
    ``up`` that is wrong by a few degrees does no harm.
    """
    settings = settings or FloorSettings()
    up = np.asarray(up, np.float64) / np.linalg.norm(up)
    points, level, shape, claimed = _points(estimate, camera, up, settings.tilt)
    below = -(points @ up)  # (n,) units
    level &= below > 0
    if np.count_nonzero(level) < settings.least_share * shape[0] * shape[1]:
        return None
    first = _lowest_peak(np.log(below[level]))
    near = level & (np.abs(np.log(np.where(below > 0, below, 1.0)) - first) < 3 * _BIN)
    if np.count_nonzero(near) < settings.least_share * shape[0] * shape[1]:
        return None
    normal, offset = _fit(points[near], up)
    if math.acos(float(np.clip(normal @ up, -1, 1))) > settings.tilt or offset <= 0:
        return None
    # each pixel tells a height of its own: the part of it along the normal
    told = -(points[near] @ normal)
    flat = np.flatnonzero(near)
    good = told > 0
    cell = cells_of(flat[good] // shape[1], flat[good] % shape[1], shape)
    ratio, deviation = robust_scale(np.log(height / told[good]), cell, claimed[near][good])
    deviation = math.hypot(deviation, settings.height_deviation / height)
    return ScaleMeasurement(ratio, math.hypot(deviation, LEAST_DEVIATION), "floor", int(np.count_nonzero(near)))


def _points(
    estimate: DepthPrediction, camera: CameraModel, up: NDArray, tilt: float
) -> tuple[NDArray, NDArray[np.bool_], tuple[int, int], NDArray]:
    """Return points (n, 3), whether the surface at each is level, the size they were seen at and relative deviations.

    Points that are not known are zero and not level.
    """
    height, width = estimate.depth.shape
    small = (max(2, round(height * _WIDTH / width)), _WIDTH) if width > _WIDTH else (height, width)
    depth = cv2.resize(estimate.depth, small[::-1], interpolation=cv2.INTER_NEAREST).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = estimate.standard_deviation / estimate.depth
    claimed = cv2.resize(relative, small[::-1], interpolation=cv2.INTER_NEAREST)
    rows, columns = np.mgrid[: small[0], : small[1]]
    pixels = np.stack([columns.ravel(), rows.ravel()], axis=1)
    known = np.isfinite(depth) & (depth > 0)
    points = unproject(resize(camera, small[1], small[0]), pixels, np.where(known, depth, 0).ravel())
    grid = points.reshape(*small, 3)
    # over a few pixels, as the steps of neighbouring rows are smaller than the noise
    step = 2
    normal, whole = np.zeros_like(grid), np.zeros(small, bool)
    middle = np.s_[step:-step]
    across = grid[middle, 2 * step :] - grid[middle, : -2 * step]
    down = grid[2 * step :, middle] - grid[: -2 * step, middle]
    normal[middle, middle] = np.cross(across, down)
    whole[middle, middle] = (
        known[middle, middle] & known[middle, 2 * step :] & known[middle, : -2 * step]
        & known[2 * step :, middle] & known[: -2 * step, middle]
    )  # fmt: skip
    length = np.linalg.norm(normal, axis=2)
    leaning = np.abs(normal @ up) > math.cos(tilt) * np.maximum(length, 1e-12)
    return points, (leaning & whole).ravel(), small, claimed.ravel()


def _lowest_peak(log_height: NDArray) -> float:
    """Return the most frequent log height, or a frequent one farther below the camera."""
    low, high = float(log_height.min()) - 2 * _BIN, float(log_height.max()) + 2 * _BIN
    counts, edges = np.histogram(log_height, bins=max(3, math.ceil((high - low) / _BIN)), range=(low, high))
    smooth = np.convolve(counts, (1, 2, 1), mode="same")
    peak = (smooth >= np.roll(smooth, 1)) & (smooth >= np.roll(smooth, -1)) & (smooth >= _LIKELY * smooth.max())
    last = int(np.flatnonzero(peak)[-1])
    return float((edges[last] + edges[last + 1]) / 2)


def _fit(points: NDArray, up: NDArray) -> tuple[NDArray, float]:
    """Return unit normal, along ``up``, and offset of the plane ``normal @ x = -offset`` nearest to points (n, 3).

    Least squares with weights that fall off beyond a robust deviation (Tukey's biweight). Distances count relative to
    depth, as errors of estimated depth grow with it.
    """
    weight = 1 / np.maximum(points[:, 2], 1e-6) ** 2
    base = weight
    normal, offset = up, float(np.median(-(points @ up)))
    for _ in range(5):
        centre = weight @ points / weight.sum()
        apart = points - centre
        values, vectors = np.linalg.eigh((apart * weight[:, None]).T @ apart)
        if values[1] < 1e-9 * values[2]:  # a line, not a plane
            break
        normal = vectors[:, 0] * (1.0 if vectors[:, 0] @ up >= 0 else -1.0)
        offset = -float(centre @ normal)
        miss = (points @ normal + offset) * np.sqrt(base)
        width = 4.685 * max(1.4826 * float(np.median(np.abs(miss))), 1e-9)
        weight = base * np.clip(1 - (miss / width) ** 2, 0, None) ** 2
    return normal, offset
