"""Regions of a picture that may be planes, for the co-planarity loss; regions that are, for scoring.

StructDepth (Li et al., ICCV 2021) and GAM-Depth cut the picture by colour and by the normals of the depth predicted so
far, at every step. Here it is cut once, by colour and, where they are known, by true normals.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, FloatImage
from depth_perception.geometry.camera import rays

SMALLEST = 200  # pixels of a region that says something about its plane
BORDER = 8  # pixels at the edge of the picture that belong to no region
_LEAST = 50  # pixels of the smallest region that is cut
_FLAT = 0.003  # of depth; a region farther from its plane than that is none


def color_segments(image: NDArray[np.uint8], normal: FloatImage | None = None, scale: float = 0.6) -> NDArray[np.int32]:
    """Return region numbers (H, W) from 1 on, 0 in small ones and at the border, of an RGB uint8 image (H, W, 3).

    Graph-based segmentation (Felzenszwalb and Huttenlocher, IJCV 2004). ``normal`` (H, W, 3), 0 where unknown, cuts
    further: neighbours of different normals are never of one region. ``scale``: larger ones make larger regions.
    """
    graph = cv2.ximgproc.segmentation.createGraphSegmentation(0.5, 255.0 * scale, _LEAST)
    region = np.asarray(graph.processImage(image), np.int64)
    if normal is not None:
        facing = np.rint(8 * normal).astype(np.int64) + 8  # in steps of about 7 degrees
        region = region * 5000 + facing[..., 0] * 289 + facing[..., 1] * 17 + facing[..., 2]
    return _numbered(_connected(region))


def true_planes(depth: FloatImage, normal: FloatImage, label: NDArray, camera: CameraModel) -> NDArray[np.int32]:
    """Return numbers (H, W) from 1 on of planar regions of one class, 0 elsewhere, from what the renderer knows.

    ``depth`` in metres, 0 unknown; ``normal`` in the camera's frame. Of neighbouring surfaces that face alike, such as
    the front of a cupboard before a wall, the distance of the plane tells which is which.
    """
    points = rays(camera) * depth[..., None]  # (H, W, 3)
    distance = (points * normal).sum(-1)  # of the plane through each pixel
    known = (depth > 0) & (np.abs(normal).sum(-1) > 0.5)
    facing = np.rint(16 * normal).astype(np.int64) + 16
    region = facing[..., 0] * 33**2 + facing[..., 1] * 33 + facing[..., 2]
    region = region * 64 + label.astype(np.int64)
    region = region * 4096 + np.clip(np.rint(distance / 0.05), -2000, 2000).astype(np.int64) + 2000
    number = _numbered(np.where(known, _connected(region), 0))
    for k in range(1, number.max() + 1):
        inside = number == k
        spread = np.abs(distance[inside] - np.median(distance[inside]))
        if np.percentile(spread, 95) > _FLAT * np.median(depth[inside]) + 0.01:
            number[inside] = 0
    return number


def _connected(region: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return numbers (H, W) from 1 on of the connected parts of equal values (H, W)."""
    out, total = np.zeros(region.shape, np.int64), 0
    for value in np.unique(region):
        count, parts = cv2.connectedComponents((region == value).astype(np.uint8), connectivity=4)
        out = np.where(parts > 0, parts + total, out)
        total += count - 1
    return out


def _numbered(region: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return 1, 2, 3 ... for what is large enough of ``region`` (H, W), counted without the border, and 0 elsewhere.

    Only pixels amid others of their region count: thin strips along edges are no planes.
    """
    inner = np.zeros(region.shape, bool)
    inner[BORDER:-BORDER, BORDER:-BORDER] = True
    window, values = np.ones((3, 3), np.uint8), region.astype(np.float32)
    amid = inner & (cv2.dilate(values, window) == cv2.erode(values, window))
    counts = np.bincount(region[amid], minlength=int(region.max()) + 1)
    keep = counts >= SMALLEST * region.size / (288 * 384)
    keep[0] = False
    number = np.where(keep, np.cumsum(keep), 0)
    return np.asarray(np.where(inner, number[region], 0), np.int32)
