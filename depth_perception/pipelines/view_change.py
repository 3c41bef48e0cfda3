"""Moves what is known of each pixel from one view into another of the same camera."""

from __future__ import annotations

import functools
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, FloatImage
from depth_perception.geometry.camera import is_pinhole, project, rays
from depth_perception.geometry.transforms import invert

_STEPS = 2  # of the search for the place in the old view
_EDGE = 0.05  # of the logarithm of depth: interpolation across more makes points in the air
_MISS = 0.75  # pixels that a point may land beside the pixel it was looked up for
_SPARSE = 16  # pixels between those that are asked how far they move
_OUTSIDE = -1e4

Matrix = NDArray[np.float64]


class Layers(NamedTuple):
    """What is known of each pixel, float32 (H, W), NaN where nothing is.

    ``log``: logarithm of depth. ``fresh``: variance of it by errors that are others in each frame; ``lasting``: by
    those that stay.
    """

    log: FloatImage
    fresh: FloatImage
    lasting: FloatImage


def moved_layers(past: Layers, T_now_past: Matrix, camera: CameraModel, guess: FloatImage) -> Layers:
    """Return ``past`` as the camera sees it after moving; unknown where edges, borders or hidden surfaces are.

    ``guess`` (H, W) is the log depth of now: the place in the old view is looked up with it, then with what was found
    there, so the answer is the past's own.
    """
    directions = _directions(camera)
    T_past_now = invert(T_now_past)
    depth = np.exp(guess)
    for _ in range(_STEPS):
        there = _transformed(directions * depth[..., None], T_past_now)
        u, v = _pixels(there, camera)
        log = _sample(past.log, u, v, cv2.INTER_LINEAR)
        with np.errstate(invalid="ignore", divide="ignore"):
            here = _transformed(there * (np.exp(log) / there[..., 2])[..., None], T_now_past)
        depth = here[..., 2]
    near = _sample(past.log, u, v, cv2.INTER_NEAREST)
    back_u, back_v = _pixels(here, camera)
    rows, columns = np.ogrid[: depth.shape[0], : depth.shape[1]]
    with np.errstate(invalid="ignore"):
        good = (np.abs(near - log) < _EDGE) & (np.hypot(back_u - columns, back_v - rows) < _MISS) & (depth > 0)
        result = np.where(good, np.log(depth), np.float32(np.nan)).astype(np.float32)
    return Layers(result, _sample(past.fresh, u, v, cv2.INTER_LINEAR), _sample(past.lasting, u, v, cv2.INTER_LINEAR))


def largest_flow(T: Matrix, camera: CameraModel, log_depth: FloatImage) -> float:
    """Return how many pixels the image moves at most by the motion ``T`` (4, 4), looked at in every 16th pixel."""
    if np.array_equal(T, np.eye(4)):
        return 0.0
    log = log_depth[::_SPARSE, ::_SPARSE]
    if not np.isfinite(log).any():
        return np.inf
    depth = np.exp(np.where(np.isfinite(log), log, np.nanmin(log)))
    before = _directions(camera)[::_SPARSE, ::_SPARSE] * depth[..., None]
    u, v = _pixels(_transformed(before, T), camera)
    u0, v0 = _pixels(before, camera)
    flow = np.hypot(u - u0, v - v0)
    return float(np.nanmax(flow)) if np.isfinite(flow).any() else np.inf


@functools.lru_cache(maxsize=2)
def _directions(camera: CameraModel) -> NDArray[np.float32]:
    return rays(camera)


def _transformed(points: NDArray, T: Matrix) -> NDArray:
    return points @ T[:3, :3].T.astype(np.float32) + T[:3, 3].astype(np.float32)


def _pixels(points: NDArray, camera: CameraModel) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return column and row (H, W) of points (H, W, 3); far outside where they are not ahead of the camera."""
    if is_pinhole(camera):
        K = camera.K
        z = points[..., 2]
        with np.errstate(invalid="ignore", divide="ignore"):
            u = points[..., 0] / z * np.float32(K[0, 0]) + np.float32(K[0, 2])
            v = points[..., 1] / z * np.float32(K[1, 1]) + np.float32(K[1, 2])
            ahead = z > 0
    else:
        pixels, _ = project(camera, points.reshape(-1, 3))  # NaN where nothing is seen
        u, v = (pixels[:, i].reshape(points.shape[:2]) for i in range(2))
        ahead = np.isfinite(u)
    with np.errstate(invalid="ignore"):
        ahead = ahead & (np.abs(u) < -_OUTSIDE) & (np.abs(v) < -_OUTSIDE)
    u, v = (np.where(ahead, a, np.float32(_OUTSIDE)).astype(np.float32) for a in (u, v))
    return u, v


def _sample(image: FloatImage, u: NDArray[np.float32], v: NDArray[np.float32], method: int) -> FloatImage:
    out = cv2.remap(image, u, v, method, borderMode=cv2.BORDER_CONSTANT, borderValue=float("nan"))
    return np.asarray(out, np.float32)
