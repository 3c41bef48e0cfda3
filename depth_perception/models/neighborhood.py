"""For every cell of a working grid: the measured points around it, in all directions.

Plain nearest neighbours fail on scan lines, where the nearest nine points all lie on one line. So the points are dealt
to 3 x 3 groups by square blocks, block (i, j) to group (i mod 3, j mod 3), and each grid cell gets the nearest point of
every group: its own block's and one from each of the eight sides. One distance transform a group finds them all.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import FloatImage
from depth_perception.models.parallel import parallel_map


@dataclass(frozen=True, eq=False)
class Neighborhood:
    """The points of a working grid of ``shape`` cells, each ``step`` pixels wide, and who is near whom.

    Points, one a cell at most: ``rows``, ``columns`` int64 (n,) in cells; ``y``, ``x`` float32 (n,) in cells with
    their place inside the cell kept, so the middle of cell i is at i; ``inverse`` float32 (n,) in 1/m; ``pixels``
    int64 (n,) index into the flattened sparse image. ``near`` int64 (k, h, w): the nearest point of each group.
    ``block`` is the edge of a block in cells, which is about the reach of one point.
    """

    shape: tuple[int, int]
    step: int
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    y: NDArray[np.float32]
    x: NDArray[np.float32]
    inverse: NDArray[np.float32]
    pixels: NDArray[np.int64]
    near: NDArray[np.int64]
    block: int


def build(sparse: FloatImage, step: int, occupancy: float = 0.55, groups: int = 3) -> Neighborhood:
    """Arrange the positive pixels of ``sparse`` (H, W), at least one, on a grid of ``step`` pixels.

    ``occupancy`` is the share of blocks that shall hold a point; the blocks grow until they do.
    """
    height, width = sparse.shape
    shape = (-(-height // step), -(-width // step))
    pixels = np.flatnonzero(sparse != 0)
    slot = np.zeros(shape, np.int64)
    slot[pixels // width // step, pixels % width // step] = pixels + 1  # the last point of a cell stays
    rows, columns = np.nonzero(slot != 0)
    pixels = slot[rows, columns] - 1
    middle = (step - 1) / 2
    y = ((pixels // width - middle) / step).astype(np.float32)
    x = ((pixels % width - middle) / step).astype(np.float32)
    inverse = np.reciprocal(sparse.reshape(-1)[pixels])
    block = block_size(rows, columns, shape, occupancy)
    near = _nearest_of_groups(rows, columns, shape, block, groups)
    return Neighborhood(shape, step, rows, columns, y, x, inverse, pixels, near, block)


def block_size(
    rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, ...], occupancy: float = 0.55
) -> int:
    """Return the smallest block edge at which the share of blocks with a point reaches ``occupancy``.

    For scattered points that is about their spacing, for scan lines about half of the gap between lines.
    """
    rows, columns = rows - rows.min(), columns - columns.min()
    block = 2
    while block < max(shape):
        down, across = rows.max() // block + 1, columns.max() // block + 1
        taken = np.zeros(down * across, bool)
        taken[rows // block * across + columns // block] = True
        if taken.mean() >= occupancy:
            break
        block += max(1, block // 5)
    return block


def _nearest_of_groups(rows, columns, shape, block, groups) -> NDArray[np.int64]:
    group = (rows - rows.min()) // block % groups * groups + (columns - columns.min()) // block % groups

    members = [m for m in (np.flatnonzero(group == g) for g in range(groups**2)) if len(m)]
    near = np.empty((len(members), *shape), np.int64)

    def fill(index: int) -> None:
        own = members[index]
        free = np.ones(shape, np.uint8)
        free[rows[own], columns[own]] = 0
        _, label = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
        table = np.zeros(len(own) + 2, np.int64)
        table[label[rows[own], columns[own]]] = own
        np.take(table, np.asarray(label), out=near[index], mode="clip")  # checking first would need a copy

    parallel_map(fill, range(len(members)))
    return near
