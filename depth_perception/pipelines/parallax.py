"""How far corners are in metres, told by two images between which the camera moved as odometry says.

Corners are followed by Lucas-Kanade's method (Bouguet's pyramids, OpenCV), forth and back, and triangulated with the
known motion. Motion found from the estimate's own depth instead (by P3P) would come out too short: errors of that
depth look like less parallax, and the scale was 20 % too large on a real recording.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, DepthPrediction, FloatImage
from depth_perception.geometry.camera import unproject
from depth_perception.pipelines.scale_measurement import LEAST_DEVIATION, ScaleMeasurement, cells_of, robust_scale

MOST_CORNERS = 300
_LEAST_TRACKS = 12
_LEAST_CELLS = 3  # of the image
_WINDOW = {"winSize": (15, 15), "maxLevel": 3}
_FORTH_AND_BACK = 0.7  # pixels that a corner may miss itself by
_MISS = 1.5  # pixels that a corner may lie beside its epipolar line
_LEAST_PARALLAX = 4.0  # pixels; less is noise, and choosing by it would bias the depth
_PIXEL = 0.5  # what a corner is followed to


class Corners(NamedTuple):
    """``depth`` (n,) in metres in the first image, NaN where it cannot be told; ``parallax`` (n,) in pixels."""

    depth: NDArray[np.float64]
    parallax: NDArray[np.float64]


def grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an RGB image (H, W, 3) as grey (H, W)."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def track(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where corners are in two grey images, each (n, 2) as (column, row); n may be 0."""
    nothing = np.zeros((0, 2))
    least = max(4.0, min(first.shape) / 40)
    corners = cv2.goodFeaturesToTrack(first, MOST_CORNERS, 0.01, least)
    if corners is None:
        return nothing, nothing
    # OpenCV's type hints do not know that nothing may be given where the answer goes
    there, found, _ = cv2.calcOpticalFlowPyrLK(first, second, corners, None, **_WINDOW)  # type: ignore[call-overload]
    back, returned, _ = cv2.calcOpticalFlowPyrLK(second, first, there, None, **_WINDOW)  # type: ignore[call-overload]
    a, b, c = (np.asarray(p, np.float64).reshape(-1, 2) for p in (corners, there, back))
    good = (found.ravel() > 0) & (returned.ravel() > 0) & (np.hypot(*(a - c).T) < _FORTH_AND_BACK)
    return a[good], b[good]


def triangulate(
    here: NDArray[np.float64], there: NDArray[np.float64], T_second_first: NDArray[np.float64], camera: CameraModel
) -> Corners:
    """Return how far corners seen at ``here`` and ``there``, (n, 2) each, are in an undistorted camera.

    NaN for a corner with too little parallax, beside its epipolar line or behind the camera.
    """
    ones = np.ones(len(here))
    turned = unproject(camera, here, ones) @ T_second_first[:3, :3].T  # the rays of the first, as the second sees them
    seen = unproject(camera, there, ones)[:, :2]
    t = T_second_first[:3, 3]
    # depth z puts a corner at z turned + t, and that is where it is seen: two equations each
    A = turned[:, :2] - seen * turned[:, 2:]
    b = seen * t[2] - t[:2]
    focal = np.array([camera.K[0, 0], camera.K[1, 1]])
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.sum(A * b, axis=1) / np.sum(A * A, axis=1)
        ahead = depth * turned[:, 2] + t[2]
        miss = np.hypot(*((A * depth[:, None] - b) / ahead[:, None] * focal).T)
        parallax = np.hypot(*((seen - turned[:, :2] / turned[:, 2:]) * focal).T)
        good = (depth > 0) & (ahead > 0) & (miss < _MISS) & (parallax > _LEAST_PARALLAX)
    return Corners(np.where(good, depth, np.nan), parallax)


def scale_from_parallax(
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    T_second_first: NDArray[np.float64],
    estimate: DepthPrediction,
    camera: CameraModel,
    way_deviation: float,
    turn_deviation: float,
) -> ScaleMeasurement | None:
    """Return the median ratio of triangulated to estimated depth; None if too few corners are seen well enough.

    ``first`` and ``second``: grey images (H, W); ``T_second_first`` (4, 4) from odometry, in metres; ``estimate`` of
    the first, in units. ``way_deviation``: relative standard deviation of the way; ``turn_deviation`` [rad] of the
    turn, which passes for parallax.
    """
    here, there = track(first, second)
    if len(here) < _LEAST_TRACKS:
        return None
    corners = triangulate(here, there, np.asarray(T_second_first, np.float64), camera)
    depth, relative = _at(estimate, here)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.log(corners.depth / depth)
    good = np.isfinite(ratio)
    cell = cells_of(here[good, 1], here[good, 0], (camera.height, camera.width))
    if np.count_nonzero(good) < max(_LEAST_TRACKS, len(here) / 5) or len(np.unique(cell)) < _LEAST_CELLS:
        return None
    parallax = corners.parallax[good]
    scale, deviation = robust_scale(ratio[good], cell, np.hypot(relative[good], _PIXEL / parallax))
    turned = camera.K[0, 0] * turn_deviation / float(np.median(parallax))
    deviation = math.hypot(deviation, way_deviation, turned, LEAST_DEVIATION)
    return ScaleMeasurement(scale, deviation, "odometry", int(np.count_nonzero(good)))


def _at(estimate: DepthPrediction, pixels: NDArray) -> tuple[NDArray, NDArray]:
    """Return depth and relative deviation (n,) at the pixels nearest to (n, 2) positions."""

    def pick(image: FloatImage) -> NDArray:
        row = np.clip(np.rint(pixels[:, 1]).astype(int), 0, image.shape[0] - 1)
        column = np.clip(np.rint(pixels[:, 0]).astype(int), 0, image.shape[1] - 1)
        return image[row, column].astype(np.float64)

    depth = pick(estimate.depth)
    with np.errstate(invalid="ignore", divide="ignore"):
        return depth, pick(estimate.standard_deviation) / depth
