"""How the camera moved between two images, in units of the first one's estimated depth.

Corners are followed by Lucas-Kanade's method (Bouguet's pyramids, OpenCV), forth and back; those with depth are points
in space, and the pose from which they are seen where they are is found by P3P inside RANSAC, then refined.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, DepthPrediction, FloatImage
from depth_perception.geometry.camera import unproject
from depth_perception.pipelines.scale_measurement import cells_of

MOST_CORNERS = 300
_LEAST_TRACKS = 12
_WINDOW = {"winSize": (15, 15), "maxLevel": 3}
_FORTH_AND_BACK = 0.7  # pixels that a corner may miss itself by


class VisualMotion(NamedTuple):
    """``T`` (4, 4) = T_second_first with its translation in units, ``deviation`` of the translation's length in units.

    ``tracks``: how many corners agree.
    """

    T: NDArray[np.float64]
    deviation: float
    tracks: int


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


def grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an RGB image (H, W, 3) as grey (H, W)."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def visual_motion(
    first: NDArray[np.uint8], second: NDArray[np.uint8], estimate: DepthPrediction, camera: CameraModel
) -> VisualMotion | None:
    """Return the camera's motion between two grey images (H, W) of the same undistorted ``camera``.

    ``estimate`` is of the first. None if too few corners agree. The deviation comes from how well they agree (the
    normal matrix of the refined pose), and from what the estimate claims of its own depth.
    """
    here, there = track(first, second)
    if len(here) < _LEAST_TRACKS:
        return None
    depth, relative = _at(estimate, here)
    good = np.isfinite(depth) & (depth > 0)
    if np.count_nonzero(good) < _LEAST_TRACKS:
        return None
    here, there, depth, relative = here[good], there[good], depth[good], relative[good]
    points, K = unproject(camera, here, depth), np.asarray(camera.K, np.float64)
    cv2.setRNGSeed(0)  # the same images shall give the same answer
    done, rotation, translation, chosen = cv2.solvePnPRansac(
        points, there, K, None, iterationsCount=200, reprojectionError=2.0, confidence=0.999, flags=cv2.SOLVEPNP_SQPNP
    )
    if not done or chosen is None or len(chosen) < _LEAST_TRACKS or len(chosen) < len(points) / 3:
        return None
    chosen = chosen.ravel()
    points, there, here, relative = points[chosen], there[chosen], here[chosen], relative[chosen]
    rotation, translation = cv2.solvePnPRefineLM(points, there, K, None, rotation, translation)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = cv2.Rodrigues(rotation)[0], translation.ravel()
    way = float(np.linalg.norm(translation))
    if not math.isfinite(way) or way == 0:
        return None
    from_pixels = _deviation(points, there, K, rotation, translation)
    relative = relative[np.isfinite(relative)]
    cells = len(np.unique(cells_of(here[:, 1], here[:, 0], estimate.depth.shape)))
    from_depth = way * float(np.median(relative)) / math.sqrt(cells) if len(relative) else way
    return VisualMotion(T, math.hypot(from_pixels, from_depth), len(points))


def _at(estimate: DepthPrediction, pixels: NDArray) -> tuple[NDArray, NDArray]:
    """Return depth and relative deviation (n,) at the pixels nearest to (n, 2) positions."""

    def pick(image: FloatImage) -> NDArray:
        row = np.clip(np.rint(pixels[:, 1]).astype(int), 0, image.shape[0] - 1)
        column = np.clip(np.rint(pixels[:, 0]).astype(int), 0, image.shape[1] - 1)
        return image[row, column].astype(np.float64)

    depth = pick(estimate.depth)
    with np.errstate(invalid="ignore", divide="ignore"):
        return depth, pick(estimate.standard_deviation) / depth


def _deviation(points: NDArray, seen: NDArray, K: NDArray, rotation: NDArray, translation: NDArray) -> float:
    """Return the standard deviation of the translation's length by error propagation from the pixels."""
    predicted, jacobian = cv2.projectPoints(points, rotation, translation, K, None)
    miss = (predicted.reshape(-1, 2) - seen).ravel()
    pixel = max(1.4826 * float(np.median(np.abs(miss))), 0.1)  # the tracker is no better
    pose = jacobian[:, :6]
    try:
        covariance = pixel**2 * np.linalg.inv(pose.T @ pose)[3:, 3:]
    except np.linalg.LinAlgError:
        return math.inf
    direction = translation.ravel() / np.linalg.norm(translation)
    return math.sqrt(max(float(direction @ covariance @ direction), 0.0))
