"""What a depth image tells about its surfaces at every pixel: points, normals, jumps and hollows.

Everything is done with whole-image filters, so that 320 x 240 pixels take a few milliseconds.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, FloatImage
from depth_perception.geometry.camera import rays

Mask = NDArray[np.bool_]

_SMOOTH = 0.012  # of log depth: differences beyond this are not smoothed away
_PAD = 6  # pixels
_REACH = 2  # pixels to either side over which slopes are taken
_STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))  # rows, columns: the four directions of a pixel grid


class Relief(NamedTuple):
    """One depth image read as surfaces, in the camera's frame.

    ``points`` float32 (h, w, 3) in metres and ``normals`` float32 (h, w, 3) of length one toward the camera, both 0
    where ``valid`` (h, w) is False; ``area`` float32 (h, w), the surface in a pixel in square metres.
    """

    points: NDArray[np.float32]
    normals: NDArray[np.float32]
    valid: Mask
    area: FloatImage


def relief(depth: FloatImage, camera: CameraModel) -> Relief:
    """Return the surfaces of ``depth`` (h, w), metres, NaN or 0 unknown, as ``camera`` sees them."""
    valid = np.isfinite(depth) & (depth > 0)
    smooth = smoothed(depth, valid)
    view = rays(camera)
    points = np.where(valid[..., None], view * smooth[..., None], np.float32(0))
    across, down = _slope(points, valid, 1), _slope(points, valid, 0)
    normals = _unit(_cross(across, down))
    # averaging over a small window of the same surface takes out most of what noise is left
    weight = valid.astype(np.float32)
    near = cv2.boxFilter(smooth * weight, -1, (5, 5)) / np.maximum(cv2.boxFilter(weight, -1, (5, 5)), 1e-6)
    same = (weight * (np.abs(near - smooth) < 0.02 * smooth)).astype(np.float32)
    normals = _unit(cv2.boxFilter(normals * same[..., None], -1, (5, 5)) + 1e-3 * normals)
    normals *= -np.sign(_dot(normals, view))[..., None]
    # of a plane n . p = d a pixel shows z^2 / (fx fy |n . r|), r its ray with z = 1
    slant = np.abs(_dot(normals, view)).clip(0.1)
    area = np.where(valid, smooth**2 / np.float32(camera.K[0, 0] * camera.K[1, 1]) / slant, 0).astype(np.float32)
    return Relief(points, np.where(valid[..., None], normals, np.float32(0)), valid, area)


def smoothed(depth: FloatImage, valid: Mask) -> FloatImage:
    """Return ``depth`` without the noise inside surfaces; edges stay. 1 where not ``valid``."""
    # a bilateral filter must not mix in unknown pixels: far off in value, they weigh nothing
    logarithm = np.where(valid, np.log(np.where(valid, depth, 1)), np.float32(50)).astype(np.float32)
    # slopes must go on beyond the border, or smoothing would bend them there
    logarithm = np.pad(logarithm, _PAD, "reflect", reflect_type="odd") if min(depth.shape) > _PAD else logarithm
    for _ in range(2):
        logarithm = np.asarray(cv2.bilateralFilter(logarithm, 7, _SMOOTH, 2.5), np.float32)
    if logarithm.shape != depth.shape:
        logarithm = logarithm[_PAD:-_PAD, _PAD:-_PAD]
    return np.where(valid, np.exp(np.minimum(logarithm, 10)), np.float32(1)).astype(np.float32)


def jumps(surfaces: Relief, share: float) -> Mask:
    """Return (h, w) True next to a step in depth of more than ``share`` of it.

    The inverse of depth changes evenly over a plane, however it is tilted: its second difference sees only steps.
    """
    valid = surfaces.valid
    inverse = np.where(valid, 1 / np.where(valid, surfaces.points[..., 2], 1), 0).astype(np.float32)
    found = np.zeros(valid.shape, bool)
    for step in _STEPS:
        before, after = _shift(inverse, step, -1), _shift(inverse, step, 1)
        known = valid & _shift(valid, step, -1) & _shift(valid, step, 1)
        found |= known & (np.abs(before + after - 2 * inverse) > share * inverse)
    return found


def hollows(surfaces: Relief, reach: int, sine: float) -> Mask:
    """Return (h, w) True where surfaces meet in a hollow, as a thing and the table under it.

    Two points ``reach`` pixels to either side whose normals lean toward each other by more than ``sine`` make one
    (the convexity of Stein et al., Object Partitioning using Local Convexity, CVPR 2014).
    """
    points, normals, valid = surfaces.points, surfaces.normals, surfaces.valid
    found = np.zeros(valid.shape, bool)
    for step in _STEPS:
        a, b = _shift(points, step, -reach), _shift(points, step, reach)
        across = b - a
        length = np.sqrt(_dot(across, across))
        bend = _dot(across, _shift(normals, step, reach) - _shift(normals, step, -reach))
        known = valid & _shift(valid, step, -reach) & _shift(valid, step, reach)
        near = length < 0.08 * points[..., 2]  # beyond a jump it says nothing
        found |= known & near & (bend < -sine * np.maximum(length, 1e-6))
    return found


def _slope(points: NDArray[np.float32], valid: Mask, axis: int) -> NDArray[np.float32]:
    """Return (h, w, 3) how points move along ``axis``, from the side on which depth changes least."""
    step = (1, 0) if axis == 0 else (0, 1)
    back, ahead = points - _shift(points, step, -_REACH), _shift(points, step, _REACH) - points
    back_cost, ahead_cost = (
        np.where(_shift(valid, step, sign * _REACH), np.abs(change[..., 2]), np.float32(1e6))
        for sign, change in ((-1, back), (1, ahead))
    )
    both = np.maximum(back_cost, ahead_cost) < 1.5 * np.minimum(back_cost, ahead_cost) + 0.004 * points[..., 2]
    share = np.where(both, np.float32(0.5), (back_cost < ahead_cost).astype(np.float32))[..., None]
    return share * back + (1 - share) * ahead


def _shift(values: NDArray, step: tuple[int, int], reach: int) -> NDArray:
    """Return ``values`` (h, w, ...) of the pixel ``reach`` steps on; 0 or False beyond the border."""
    out = np.zeros_like(values)
    (h, w), (r, c) = values.shape[:2], (step[0] * reach, step[1] * reach)
    if abs(r) < h and abs(c) < w:
        out[max(-r, 0) : h - max(r, 0), max(-c, 0) : w - max(c, 0)] = values[
            max(r, 0) : h - max(-r, 0), max(c, 0) : w - max(-c, 0)
        ]
    return out


def _unit(vectors: NDArray) -> NDArray[np.float32]:
    length = np.sqrt(_dot(vectors, vectors))
    return (vectors / np.maximum(length, 1e-12)[..., None]).astype(np.float32)


def _dot(a: NDArray, b: NDArray) -> NDArray:
    """Return the products along the last axis; many times as fast as a sum over so short an axis."""
    return np.einsum("...i,...i->...", a, b)


def _cross(a: NDArray, b: NDArray) -> NDArray:
    (ax, ay, az), (bx, by, bz) = (np.moveaxis(v, -1, 0) for v in (a, b))
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], -1)
