"""From full resolution to a working grid."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import FloatImage


def reduce(
    image: NDArray[np.uint8] | None, sparse: FloatImage, step: int
) -> tuple[FloatImage, NDArray[np.uint8] | None]:
    """Return points (h, w) in metres, 0 = none, and image uint8 (h, w, 3) on a grid of ``step`` pixels.

    Of several points in a cell the nearest surface stays. Colours are averaged.
    """
    if step == 1:
        return sparse, image
    height, width = sparse.shape
    shape = (-(-height // step), -(-width // step))
    where = np.flatnonzero(sparse != 0)
    values = sparse.reshape(-1)[where]
    order = np.argsort(-values, kind="stable")  # the nearest is written last
    where, values = where[order], values[order]
    grid = np.zeros(shape, np.float32)
    grid[where // width // step, where % width // step] = values
    if image is None:
        return grid, None
    full = cv2.copyMakeBorder(image, 0, shape[0] * step - height, 0, shape[1] * step - width, cv2.BORDER_REPLICATE)
    return grid, np.asarray(cv2.resize(full, (shape[1], shape[0]), interpolation=cv2.INTER_AREA), np.uint8)
