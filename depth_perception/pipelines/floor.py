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
from depth_perception.pipelines.scale_measurement import LEAST_DEVIATION, ScaleMeasurement, cells_of

LEVEL = (0.0, -1.0, 0.0)  # up in the optical frame of a camera that looks straight ahead
_WIDTH = 160  # pixels are plenty for a plane
_BIN = 0.05  # of the logarithm of height
_PASSES = 3
_LIKELY = 0.4  # a lower surface this large, compared with the largest, is the floor, and the larger one is on it


@dataclass(frozen=True)
class FloorSettings:
    """``tilt``: how far [rad] the floor may lean from what is thought to be level, also by errors of the depth.

    ``level_deviation`` [rad]: how far it probably does. ``least_share``: of the image that must show floor.
    ``height_deviation``: of the known height [m].
    """

    tilt: float = 0.35
    level_deviation: float = 0.03
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
    optical frame. The floor is the lowest large surface that is level; a plane is fitted to it robustly, which may lean
    a little from what ``up`` says.
    """
    settings = settings or FloorSettings()
    up = np.asarray(up, np.float64) / np.linalg.norm(up)
    points, level, shape, claimed = _points(estimate, camera, up, settings.tilt)
    below = -(points @ up)  # (n,) units
    level &= below > 0
    if np.count_nonzero(level) < settings.least_share * shape[0] * shape[1]:
        return None
    first = _lowest_peak(np.log(below[level]))
    # heights are looked for in a plane that is level at first, and then leans as the floor does
    ahead, right = _level_axes(up)
    plane, deviation = np.array([math.exp(first), 0.0, 0.0]), math.inf
    design = np.column_stack([np.ones(len(points)), points @ ahead, points @ right])
    flat = np.zeros(0, np.int64)
    for _ in range(_PASSES):
        expected = design @ plane
        with np.errstate(invalid="ignore", divide="ignore"):
            near = level & (expected > 0) & (np.abs(np.log(below / expected)) < 3 * _BIN)
        flat = np.flatnonzero(near)
        if len(flat) < settings.least_share * shape[0] * shape[1]:
            return None
        cell = cells_of(flat // shape[1], flat % shape[1], shape)
        plane, deviation = _plane(below[flat], design[flat], cell, claimed[flat], settings.level_deviation)
    found = float(plane[0])
    if not (found > 0 and math.isfinite(deviation)):
        return None
    deviation = math.hypot(deviation, settings.height_deviation / height, LEAST_DEVIATION)
    return ScaleMeasurement(height / found, deviation, "floor", len(flat))


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


def _level_axes(up: NDArray) -> tuple[NDArray, NDArray]:
    """Return two unit vectors at right angles to ``up`` and each other, the first as far ahead as can be."""
    ahead = np.array([0.0, 0.0, 1.0]) - up * up[2]
    if np.linalg.norm(ahead) < 1e-3:  # the camera looks straight down or up
        ahead = np.array([0.0, 1.0, 0.0]) - up * up[1]
    ahead /= np.linalg.norm(ahead)
    return ahead, np.cross(up, ahead)


def _plane(
    below: NDArray, design: NDArray, cell: NDArray[np.int64], claimed: NDArray, level_deviation: float
) -> tuple[NDArray, float]:
    """Return the plane ``below = design @ plane`` through (n,) heights below the camera, and what its height varies by.

    Columns of ``design`` (n, 3): one, and where the points are on the floor. Medians of cells, whose errors grow with
    their height, are fitted by weighted least squares with a prior on the slope (Bayesian linear regression): without
    one, a smooth error of the estimate would pass for a slope, and move the plane where it counts, below the camera.
    Cells that do not fit lose weight (Huber), and so do those that hardly see the floor.
    """
    cells, count = np.unique(cell, return_counts=True)
    height = np.array([np.median(below[cell == each]) for each in cells])
    place = np.array([np.median(design[cell == each], axis=0) for each in cells])
    claimed = claimed[np.isfinite(claimed)]
    expected = max(float(np.median(claimed)) if len(claimed) else 1.0, 1e-3)
    prior = np.diag([0.0, 1 / level_deviation**2, 1 / level_deviation**2])
    sees = np.minimum(1, 2 * count / count.max())
    spread, trust = expected, sees
    for _ in range(4):
        weight = trust / (spread * height) ** 2
        normal = (place * weight[:, None]).T @ place + prior
        plane = np.linalg.solve(normal, place.T @ (weight * height))
        miss = np.abs(height - place @ plane) / height
        spread = max(expected, 1.4826 * float(np.median(miss)))
        trust = sees * np.minimum(1, 1.5 * spread / np.maximum(miss, 1e-9))
    return plane, math.sqrt(float(np.linalg.inv(normal)[0, 0])) / max(float(plane[0]), 1e-9)
