"""Single measured pixels drawn as coloured dots, on the camera image or on an empty ground."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import SparseDepth
from depth_perception.visualization.colormap import apply_table, depth_position, depth_range, lookup_table


def draw_points(
    ground: NDArray[np.uint8],
    rows: NDArray[np.integer],
    columns: NDArray[np.integer],
    colors: NDArray[np.uint8],
    radius: int = 1,
) -> NDArray[np.uint8]:
    """Return a copy of ``ground`` RGB (height, width, 3) with a dot of ``colors`` (m, 3) at each pixel.

    Dots are discs of ``radius`` pixels (0: one pixel). Where dots overlap, a pixel belongs to the
    nearest centre, and to the later point between equals.
    """
    out = ground.copy()
    height, width = out.shape[:2]
    rows = np.asarray(rows, np.int64)
    columns = np.asarray(columns, np.int64)
    reach = range(-radius, radius + 1)
    circles: dict[int, list[tuple[int, int]]] = {}
    for dy in reach:
        for dx in reach:
            circles.setdefault(dy * dy + dx * dx, []).append((dy, dx))
    # widest circle first; within one circle point after point, so that later points win
    for distance in sorted(circles, reverse=True):
        if distance > (radius + 0.5) ** 2:
            continue
        offsets = np.asarray(circles[distance])
        y = (rows[:, None] + offsets[:, 0]).ravel()  # (m * offsets,)
        x = (columns[:, None] + offsets[:, 1]).ravel()
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        out[y[inside], x[inside]] = np.repeat(colors, len(offsets), axis=0)[inside]
    return out


def point_colors(depth: NDArray[np.floating], minimum: float, maximum: float) -> NDArray[np.uint8]:
    """Return the (m, 3) RGB colours that ``colorize`` gives to ``depth`` (m,) over that range."""
    if len(depth) == 0:
        return np.zeros((0, 3), np.uint8)
    position = depth_position(np.asarray(depth, np.float32)[:, None], minimum, maximum)
    return apply_table(position, lookup_table("turbo", reverse=True))[:, 0]


def overlay_points(
    image: NDArray[np.uint8],
    sparse: SparseDepth,
    minimum: float | None = None,
    maximum: float | None = None,
    radius: int | None = None,
    dim: float = 0.55,
) -> NDArray[np.uint8]:
    """Return ``image`` RGB with the points of ``sparse`` on it, coloured by depth.

    The image is turned to grey and scaled by ``dim`` so that only the points carry colour. Missing
    range ends come from the points; ``radius`` defaults to a dot that is visible at this image size.
    Raises ValueError if image and points differ in size.
    """
    if image.shape[:2] != tuple(sparse.shape):
        raise ValueError(f"image is {image.shape[:2]}, points belong to {tuple(sparse.shape)} (height, width)")
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    ground = np.repeat((grey * np.float32(dim)).astype(np.uint8)[:, :, None], 3, axis=2)
    found = depth_range(sparse.depth)
    if found is None:
        return ground
    minimum = found[0] if minimum is None else minimum
    maximum = found[1] if maximum is None else maximum
    if radius is None:
        radius = 1 if image.shape[1] >= 320 else 0
    far_first = np.argsort(-sparse.depth, kind="stable")  # so near ones win between equals
    colors = point_colors(sparse.depth[far_first], minimum, maximum)
    return draw_points(ground, sparse.rows[far_first], sparse.columns[far_first], colors, radius)
