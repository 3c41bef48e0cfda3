"""From any grid to any larger image size, with depth edges drawn where the image has them.

As ``upsample.enlarge_guided``, which needs whole steps: a network for single images works at a size of its own.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import FloatImage
from depth_perception.models.parallel import bands, parallel_map
from depth_perception.models.upsample import join_cells

_JUMP = 0.08  # relative step in inverse depth between touching cells that counts as an edge
_CHUNK = 6_000  # pixels worked on at once, to stay in the cache


def resize_guided(coarse: FloatImage, image: NDArray[np.uint8], small: NDArray[np.uint8]) -> FloatImage:
    """Resize (h, w) positive inverse depth to the size of ``image``; at edges each pixel joins cells of its colour.

    ``image`` uint8 (H, W, 3) is the guide and ``small`` uint8 (h, w, 3) the same at the size of the grid. Away from
    edges, and where the image is the smaller one, this is bilinear; near an edge the 3 x 3 cells around a pixel are
    weighted by distance and colour and then reweighted towards the surface most of the weight is on.
    """
    height, width = image.shape[:2]
    smooth = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    if min(coarse.shape) < 3 or (height <= coarse.shape[0] and width <= coarse.shape[1]):
        return smooth
    window = np.ones((3, 3), np.uint8)
    edge = (cv2.dilate(coarse, window) > cv2.erode(coarse, window) * np.float32(1 + _JUMP)).astype(np.uint8)
    where = np.flatnonzero(cv2.resize(edge, (width, height), interpolation=cv2.INTER_NEAREST))
    gray, small_gray = (cv2.cvtColor(i, cv2.COLOR_RGB2GRAY).astype(np.float32) for i in (image, small))

    def work(band: slice) -> FloatImage:
        return _join(coarse, gray, small_gray, where[band])

    chunks = bands(len(where), max(1, len(where) // _CHUNK))
    for band, values in zip(chunks, parallel_map(work, chunks)):
        smooth.reshape(-1)[where[band]] = values
    return smooth


def _join(coarse: FloatImage, gray: FloatImage, small_gray: FloatImage, where: NDArray[np.int64]) -> FloatImage:
    """Return new values (m,) for the flat pixels ``where`` (m,) of the large image."""
    height, width = coarse.shape
    row, column = np.divmod(where, gray.shape[1])
    # pixel centres lie at integers, so sizes are scaled about -0.5
    down = ((row + 0.5) * (height / gray.shape[0]) - 0.5).astype(np.float32)
    across = ((column + 0.5) * (width / gray.shape[1]) - 0.5).astype(np.float32)
    cell_row = np.clip(np.rint(down).astype(np.int64), 1, height - 2)
    cell_column = np.clip(np.rint(across).astype(np.int64), 1, width - 2)
    down, across = down - cell_row.astype(np.float32), across - cell_column.astype(np.float32)
    return join_cells(coarse, gray, small_gray, where, cell_row * width + cell_column, down, across)
