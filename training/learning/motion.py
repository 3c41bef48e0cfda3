"""What two pictures of one camera say about how it moved between them, and how much there is to see.

Corners are followed from one picture into the other and back (pyramidal Lucas-Kanade); those that come back where they
started are believed. Everything is told as a share of the image's width, so that it holds at any resolution.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel
from depth_perception.geometry.camera import resize

WIDTH = 320  # pixels across the picture in which corners are followed
NEAR_THINGS = 80.0  # percentile of all corners' motion: that of what is near
FEWEST_TRACKS = 12  # corners below which their motion says nothing
_ACROSS = 8  # parts of the image side by side
_CORNERS = 8  # of each part
_QUALITY = 0.05  # of the part's best corner
_DISTANCE = 7  # pixels between two corners
_CONTRAST = 2.5  # grey levels: standard deviation around a corner below which it is noise
_RETURN = 0.7  # pixels by which a corner followed there and back may be off
_WINDOW = (21, 21)
_LEVELS = 4

Vectors = NDArray[np.float64]


class Glance(NamedTuple):
    """A picture made small: ``gray`` uint8 (h, w), its pinhole ``camera``, ``corners`` float32 (n, 1, 2) to follow."""

    gray: NDArray[np.uint8]
    camera: CameraModel
    corners: NDArray[np.float32]


class Motion(NamedTuple):
    """``tracked``: share of the corners found again. ``flow``: how far near things moved in the picture.

    ``parallax``: how far they moved besides what the camera's rotation explains, without which no depth can be learned.
    Both are shares of the image's width, NaN where too few corners were found again (``FEWEST_TRACKS``).
    """

    tracked: float
    flow: float
    parallax: float


def glance(image: NDArray[np.uint8], camera: CameraModel) -> Glance:
    """Return what is compared of an RGB uint8 image (H, W, 3), rectified: ``camera`` is a pinhole."""
    height = max(1, round(camera.height * WIDTH / camera.width))
    small = cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA)
    gray = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    return Glance(gray, resize(camera, WIDTH, height), corners(gray))


def corners(gray: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return corners float32 (n, 1, 2), as (column, row), of a grey image; none where all it shows is noise.

    Every part of the image gives its best ones, so that near things without sharp texture are heard, too.
    """
    height, width = gray.shape
    parts = max(1, round(_ACROSS * height / width)), _ACROSS
    rows, columns = (np.linspace(0, side, n + 1).astype(int) for side, n in zip((height, width), parts))
    found = []
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            tile = np.ascontiguousarray(gray[top:bottom, left:right])
            best = cv2.goodFeaturesToTrack(tile, _CORNERS, _QUALITY, _DISTANCE)
            if best is not None:
                found.append(best + np.array([left, top], np.float32))
    if not found:
        return np.zeros((0, 1, 2), np.float32)
    every = np.concatenate(found)
    values = gray.astype(np.float32)
    mean = cv2.blur(values, (7, 7))
    spread = np.sqrt(np.maximum(cv2.blur(values * values, (7, 7)) - mean * mean, 0))
    column, row = every[:, 0].round().astype(int).T
    return np.asarray(every[spread[row, column] >= _CONTRAST], np.float32)


def measure(first: Glance, second: Glance, R_second_first: Vectors | None = None) -> Motion:
    """Return the motion between two pictures of one size; ``R_second_first`` (3, 3): the rotation, where it is known.

    Otherwise the rotation is the one that explains most corners. Raises ValueError for pictures of different sizes.
    """
    if first.gray.shape != second.gray.shape:
        raise ValueError(f"pictures of {first.gray.shape} and {second.gray.shape} cannot be compared")
    start, end = follow(first.gray, second.gray, first.corners)
    tracked = len(start) / max(len(first.corners), 1)
    if len(start) < FEWEST_TRACKS:
        return Motion(tracked, float("nan"), float("nan"))
    before, after = rays(first.camera, start), rays(second.camera, end)
    turned = before @ (rotation(before, after) if R_second_first is None else R_second_first).T
    ahead = turned[:, 2] > 0.1
    K = second.camera.K
    at = turned[ahead, :2] / turned[ahead, 2:] * (K[0, 0], K[1, 1]) + (K[0, 2], K[1, 2])
    rest = np.linalg.norm(end[ahead] - at, axis=1) / WIDTH
    flow = np.linalg.norm(end - start, axis=1) / WIDTH
    parallax = float(np.percentile(rest, NEAR_THINGS)) if ahead.any() else float("nan")
    return Motion(tracked, float(np.percentile(flow, NEAR_THINGS)), parallax)


def follow(first: NDArray[np.uint8], second: NDArray[np.uint8], points: NDArray[np.float32]) -> tuple[Vectors, Vectors]:
    """Return where ``points`` (n, 1, 2) of one grey image are in both, (m, 2) each: those that are found again."""
    if not len(points):
        return np.zeros((0, 2)), np.zeros((0, 2))
    guess = points.copy()
    there, found, _ = cv2.calcOpticalFlowPyrLK(first, second, points, guess, winSize=_WINDOW, maxLevel=_LEVELS)
    guess = np.array(there)
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(second, first, there, guess, winSize=_WINDOW, maxLevel=_LEVELS)
    good = (found[:, 0] == 1) & (found_back[:, 0] == 1) & (np.linalg.norm(back - points, axis=2)[:, 0] < _RETURN)
    height, width = second.shape
    at = there[:, 0]
    good &= (at[:, 0] >= 0) & (at[:, 0] <= width - 1) & (at[:, 1] >= 0) & (at[:, 1] <= height - 1)
    return points[good, 0].astype(np.float64), at[good].astype(np.float64)


def rays(camera: CameraModel, pixels: Vectors) -> Vectors:
    """Return unit vectors (n, 3) towards ``pixels`` (n, 2) of a pinhole."""
    K = camera.K
    out = np.ones((len(pixels), 3))
    out[:, 0] = (pixels[:, 0] - K[0, 2]) / K[0, 0]
    out[:, 1] = (pixels[:, 1] - K[1, 2]) / K[1, 1]
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def rotation(before: Vectors, after: Vectors, rounds: int = 8) -> Vectors:
    """Return R (3, 3) with after = R before for unit vectors (n, 3), in the sense of the least sum of distances.

    Least squares by SVD (Kabsch, 1976), with weights that turn squares into distances: what lies far away decides.
    """
    weight = np.ones(len(before))
    R = np.eye(3)
    for _ in range(rounds):
        left, _, right = np.linalg.svd((after * weight[:, None]).T @ before)
        R = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right
        weight = 1 / (np.linalg.norm(after - before @ R.T, axis=1) + 1e-4)
    return R
