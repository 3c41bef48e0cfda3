"""IP-Basic: completion by grey-scale morphology, written from the paper's description.

Ku, Harakeh and Waslander, "In Defense of Classical Image Processing: Fast Depth Completion on the CPU", CRV 2018.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import FloatImage

_DIAMOND_5 = np.array([[0, 0, 1, 0, 0], [0, 1, 1, 1, 0], [1, 1, 1, 1, 1], [0, 1, 1, 1, 0], [0, 0, 1, 0, 0]], np.uint8)


def ip_basic(
    sparse: FloatImage, blur: str = "gaussian", extend_to_top: bool = True, max_depth: float | None = None
) -> FloatImage:
    """Complete ``sparse`` (H, W) metres with 0 = none; NaN where nothing reaches.

    ``max_depth`` is the depth about which values are turned over, so that a dilation keeps the nearer surface; the
    paper's 100 m suits cars, the default is 1.1 times the farthest point. ``blur`` is gaussian, bilateral or none.
    The paper fills large holes once with a 31 x 31 window; it is repeated here until nothing more is filled, as
    otherwise patterns sparser than the paper's would be left with holes. Raises ValueError for another ``blur``.
    """
    if blur not in ("gaussian", "bilateral", "none"):
        raise ValueError(f"blur is {blur!r}; it must be gaussian, bilateral or none")
    measured = np.isfinite(sparse) & (sparse > 0)
    if not measured.any():
        return np.full(sparse.shape, np.nan, np.float32)
    top = np.float32(max_depth if max_depth is not None else 1.1 * sparse[measured].max() + 0.1)
    turned = np.where(measured & (sparse < top), top - sparse, 0).astype(np.float32)  # 0 = empty
    grown = cv2.dilate(turned, _DIAMOND_5)
    d: NDArray = _fill(cv2.morphologyEx(grown, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)), 7)
    if extend_to_top:
        first = np.argmax(d > 0, axis=0)  # topmost filled row of each column
        above = np.arange(d.shape[0])[:, None] < first
        d = np.where(above, d[first, np.arange(d.shape[1])], d)
    while (d <= 0).any():
        filled = _fill(d, 31)
        if np.array_equal(filled, d):
            break
        d = filled
    d = cv2.medianBlur(d, 5)
    if blur == "gaussian":
        smooth = cv2.GaussianBlur(d, (5, 5), 0)
        d = np.where(d > 0, smooth, d)
    elif blur == "bilateral":
        d = cv2.bilateralFilter(d, 5, 1.5 * float(top) / 100, 2.0)  # the paper's 1.5 m at its range of 100 m
    return np.where(d > 0, top - d, np.nan).astype(np.float32)


def _fill(d: NDArray, size: int) -> NDArray:
    """Give empty pixels the largest value within a square window of ``size`` pixels."""
    return np.where(d > 0, d, cv2.dilate(d, np.ones((size, size), np.uint8)))
