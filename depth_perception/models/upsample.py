"""From the working grid to full resolution, with depth edges drawn where the image has them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import FloatImage
from depth_perception.models.parallel import bands, parallel_map

_JUMP = 0.08  # relative step in inverse depth between touching cells that counts as an edge
_COLOR = 1.5  # how fast a cell's weight falls with its colour difference, grey in [0, 1]
_SETTLE = (0.1, 0.03)
_CHUNK = 6_000  # pixels worked on at once, to stay in the cache


def enlarge(coarse: FloatImage, step: int, shape: tuple[int, ...]) -> FloatImage:
    """Resize (h, w) by ``step``, bilinearly, and cut to ``shape`` (H, W); the middle of cell i lands on its pixels."""
    if step == 1:
        return coarse[: shape[0], : shape[1]]
    size = (coarse.shape[1] * step, coarse.shape[0] * step)
    large = np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR), np.float32)
    return large[: shape[0], : shape[1]]


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
    edge = (cv2.dilate(coarse, window) > cv2.erode(coarse, window) * np.float32(1 + _JUMP)).astype(np.uint8)
    edge = np.repeat(np.repeat(edge, step, 0), step, 1)[: shape[0], : shape[1]]
    where = np.flatnonzero(edge)
    smooth = np.ascontiguousarray(smooth)
    gray, small_gray = (cv2.cvtColor(i, cv2.COLOR_RGB2GRAY).astype(np.float32) for i in (image, small))

    def work(band: slice) -> FloatImage:
        return _join(coarse, step, gray, small_gray, where[band])

    chunks = bands(len(where), max(1, len(where) // _CHUNK))
    for band, values in zip(chunks, parallel_map(work, chunks)):
        smooth.reshape(-1)[where[band]] = values
    return smooth


def _join(coarse, step, gray, small_gray, where) -> FloatImage:
    """Return new values (m,) for the flat full-resolution pixels ``where`` (m,)."""
    height, width = coarse.shape
    row, column = np.divmod(where, gray.shape[1])
    cell_row = np.clip(row // step, 1, height - 2)
    cell_column = np.clip(column // step, 1, width - 2)
    middle = np.float32((step - 1) / 2)
    down = (row - middle).astype(np.float32) / np.float32(step) - cell_row.astype(np.float32)
    across = (column - middle).astype(np.float32) / np.float32(step) - cell_column.astype(np.float32)
    cells = cell_row * width + cell_column
    return join_cells(coarse, gray, small_gray, where, cells, down, across)


def join_cells(
    coarse: FloatImage,
    gray: FloatImage,
    small_gray: FloatImage,
    where: NDArray[np.int64],
    cells: NDArray[np.int64],
    down: FloatImage,
    across: FloatImage,
) -> FloatImage:
    """Return values (m,) for the flat pixels ``where`` (m,) from the 3 x 3 ``coarse`` cells about flat ``cells`` (m,).

    Cells count by how near they are to ``down`` and ``across`` (m,), a pixel's place relative to its middle cell, and
    by how alike they look in grey.
    """
    width = coarse.shape[1]
    steps = np.array([-1, 0, 1])
    cells = cells + (steps[:, None] * width + steps).reshape(9, 1)  # (9, m)
    value = np.take(coarse.reshape(-1), cells)
    weight = np.take(small_gray.reshape(-1), cells)
    weight -= np.take(gray.reshape(-1), where)
    np.abs(weight, out=weight)
    weight *= np.float32(-_COLOR / 255)
    by_place = weight.reshape(3, 3, -1)
    by_place -= np.square(down - steps[:, None].astype(np.float32))[:, None]
    by_place -= np.square(across - steps[:, None].astype(np.float32))
    np.exp(weight, out=weight)
    center = _dot(weight, value) / weight.sum(0)
    off = np.empty_like(value)
    for scale in _SETTLE:
        np.multiply(value, 1 / (center * np.float32(scale)), out=off)
        off -= np.float32(1 / scale)
        np.square(off, out=off)
        off += 1
        share = np.divide(weight, off, out=off)
        center = _dot(share, value) / share.sum(0)
    return np.asarray(center, np.float32)


def _dot(weight: FloatImage, value: FloatImage) -> FloatImage:
    """Return the sum (m,) of the products of (k, m)."""
    return np.asarray(np.einsum("km,km->m", weight, value), np.float32)
