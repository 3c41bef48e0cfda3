"""From the working grid to full resolution, with depth edges drawn where the image has them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import FloatImage

_JUMP = 0.03  # relative step in inverse depth between touching cells that counts as an edge
_COLOR = 6.0  # how fast a cell's weight falls with its colour difference, both summed over channels in [0, 1]
_SETTLE = 0.03


def enlarge(coarse: FloatImage, step: int, shape: tuple[int, int]) -> FloatImage:
    """Resize (h, w) by ``step``, bilinearly, and cut to ``shape`` (H, W); the middle of cell i lands on its pixels."""
    if step == 1:
        return coarse[: shape[0], : shape[1]]
    size = (coarse.shape[1] * step, coarse.shape[0] * step)
    return cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR)[: shape[0], : shape[1]]


def enlarge_guided(coarse: FloatImage, step: int, image: NDArray[np.uint8], small: NDArray[np.uint8]) -> FloatImage:
    """Resize (h, w) inverse depth by ``step``; at depth edges each pixel joins the cells that share its colour.

    ``image`` uint8 (H, W, 3) is the guide and ``small`` uint8 (h, w, 3) the same at the size of the grid. Away from
    edges this is bilinear; near one, the 3 x 3 cells around a pixel are weighted by distance and colour and then
    reweighted towards the surface most of the weight is on.
    """
    shape = image.shape[:2]
    smooth = enlarge(coarse, step, shape)
    if step == 1 or min(coarse.shape) < 3:
        return smooth
    window = np.ones((3, 3), np.uint8)
    high, low = cv2.dilate(coarse, window), cv2.erode(coarse, window)
    edge = (high > low * np.float32(1 + _JUMP)).astype(np.uint8)
    edge = np.repeat(np.repeat(edge, step, 0), step, 1)[: shape[0], : shape[1]]
    where = np.flatnonzero(edge)
    if not len(where):
        return smooth
    smooth = np.ascontiguousarray(smooth)
    height, width = coarse.shape
    row, column = np.divmod(where, shape[1])
    cell_row = np.clip(row // step, 1, height - 2)
    cell_column = np.clip(column // step, 1, width - 2)
    middle = np.float32((step - 1) / 2)
    down = (row - middle).astype(np.float32) / np.float32(step)
    across = (column - middle).astype(np.float32) / np.float32(step)
    first = cell_row * width + cell_column
    offsets = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    cells = first + np.array([i * width + j for i, j in offsets])[:, None]  # (9, m)
    value = np.take(coarse.reshape(-1), cells)
    away = np.stack([np.square(cell_row + i - down) + np.square(cell_column + j - across) for i, j in offsets])
    flat, small_flat = image.reshape(-1, 3), small.reshape(-1, 3)
    color = np.zeros(value.shape, np.float32)
    for channel in range(3):
        own = np.take(flat[:, channel], where).astype(np.float32)
        color += np.abs(np.take(small_flat[:, channel], cells) - own)
    weight = np.exp(-away.astype(np.float32) - color * np.float32(_COLOR / 255 / 3))
    center = (weight * value).sum(0) / weight.sum(0)
    for scale in (0.1, _SETTLE):
        share = weight / (1 + np.square((value - center) / (center * np.float32(scale))))
        center = (share * value).sum(0) / share.sum(0)
    smooth.reshape(-1)[where] = center
    return smooth
