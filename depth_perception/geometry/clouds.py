"""From depth images to points, without those that hang in the air between two surfaces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import FloatImage

_REACH = 4  # pixels over which a slope must go on for it to be a surface
_STEADY = 0.8  # share of the slope that must be left over that distance


def depth_to_points(depth: FloatImage, rays: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the points (height, width, 3) in metres of a depth image, NaN where depth is.

    ``rays`` (height, width, 3) with z = 1 come from ``camera.rays``. Raises ValueError if the sizes differ.
    """
    if rays.shape != (*depth.shape, 3):
        raise ValueError(f"rays of shape {rays.shape} do not fit a depth image of shape {depth.shape}")
    return rays * np.asarray(depth, np.float32)[..., None]


def flying_pixels(depth: FloatImage, threshold: float) -> NDArray[np.bool_]:
    """Return True (height, width) where a pixel hangs between two surfaces.

    Such a pixel differs from both its neighbours of a row, or of a column, by more than the share ``threshold`` of
    its depth: nearer than one and farther than the other. The same holds for ground seen at a grazing angle, but its
    slope goes on: on a plane, inverse depth is linear in the image. So a pixel stays if, to one side, the step to
    its neighbour goes on for four pixels. A pixel that stands out from all four neighbours alike is flying too; a
    wire one pixel wide is not, as it goes on in one direction. Pixels without depth (NaN or <= 0), and
    those beside them in the direction concerned, are never flying.
    """
    if not threshold >= 0.0:
        raise ValueError(f"threshold must be 0 or more, got {threshold}")
    known = np.where(depth > 0.0, depth, np.nan).astype(np.float32)
    if 0 in known.shape:
        return np.zeros(known.shape, bool)
    with np.errstate(invalid="ignore"):
        inverse = 1.0 / known
        across, alone_in_row = _between(inverse, threshold)
        down, alone_in_column = _between(np.ascontiguousarray(inverse.T), threshold)
    return across | down.T | (alone_in_row & alone_in_column.T)


def _between(w: FloatImage, threshold: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Along each row of inverse depth: pixels between two surfaces, and pixels that stand out to both sides."""
    width = w.shape[1]
    if width < 3:
        return np.zeros(w.shape, bool), np.zeros(w.shape, bool)
    # go on linearly beyond the image, so that a plane stays a plane at its border
    steps = np.arange(_REACH, 0, -1, dtype=np.float32)
    before = w[:, :1] - steps * (w[:, 1:2] - w[:, :1])
    after = w[:, -1:] + steps[::-1] * (w[:, -1:] - w[:, -2:-1])
    wide = np.concatenate([before, w, after], axis=1)
    step = np.diff(wide, axis=1)
    size = np.abs(step)
    bound = np.float32(threshold) * wide
    left, right = slice(_REACH - 1, _REACH - 1 + width), slice(_REACH, _REACH + width)
    # depth differs by more than a share t: |1/w - 1/n| > t/w, which is |n - w| > t * n
    jump = size[:, left] > bound[:, left]
    jump &= size[:, right] > bound[:, _REACH + 1 : _REACH + 1 + width]
    jump[:, 0] = jump[:, -1] = False  # beyond the border nothing is known
    monotone, alone = np.zeros_like(jump), np.zeros_like(jump)
    # few pixels jump, so only those are looked at more closely
    at = np.flatnonzero(jump)
    row, column = np.divmod(at, width)
    column += _REACH
    here = wide[row, column]
    near_left, near_right = step[row, column - 1], step[row, column]
    same_way = near_left * near_right > 0.0
    goes_on = _goes_on(near_left, step[row, column - 2], here - wide[row, column - _REACH])
    goes_on |= _goes_on(near_right, step[row, column + 1], wide[row, column + _REACH] - here)
    monotone.reshape(-1)[at] = same_way & ~goes_on
    alone.reshape(-1)[at] = ~same_way
    return monotone, alone


def _goes_on(near: NDArray[np.float32], second: NDArray[np.float32], far: NDArray[np.float32]) -> NDArray[np.bool_]:
    """True where the step to the neighbour is followed by a like one and keeps up over the whole reach."""
    with np.errstate(divide="ignore"):
        next_ratio, far_ratio = second / near, far / (_REACH * near)
    return (next_ratio > 0.6) & (next_ratio < 1.6) & (far_ratio > _STEADY) & (far_ratio < 1.0 / _STEADY)
