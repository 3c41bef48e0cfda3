"""A quick filling of the gaps, with the alternatives a second look may choose from."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import FloatImage
from depth_perception.models import neighborhood, surfels
from depth_perception.models.blend import BlendSettings, blend
from depth_perception.models.surface import relative_deviation
from depth_perception.models.surfels import NARROW, SHRINKING
from depth_perception.models.upsample import enlarge

_DENSE = 12  # where every twelfth cell holds a point, planes cost more than they bring
_CELLS = 13_000  # of the plane model's own grid
_OUTLIER = 0.3
_WINDOW = 5
_BELIEVED = 0.1
_BLEND = BlendSettings(channels=1, scales=(0.1, 0.03), bands=2)


class Prefill(NamedTuple):
    """All float32 (h, w), dense. ``depth`` in metres is the filling itself.

    ``near`` and ``far`` bound what the points around a pixel allow and ``closest`` is the depth of the closest one, in
    metres; ``distance`` to that one in cells and ``belief`` in it in [0, 1]; ``relative_deviation`` of the filling.
    """

    depth: FloatImage
    near: FloatImage
    far: FloatImage
    closest: FloatImage
    distance: FloatImage
    belief: FloatImage
    relative_deviation: FloatImage


def fill(image: NDArray[np.uint8] | None, sparse: FloatImage) -> Prefill:
    """Fill checked points (h, w) metres, at least one, guided by RGB uint8 (h, w, 3) or by nothing."""
    taken = np.flatnonzero(sparse != 0)
    dense = len(taken) * _DENSE > sparse.size
    return _fill_dense(sparse, taken) if dense else _fill_sparse(image, sparse, taken)


def _closest(
    shape: tuple[int, ...], taken: NDArray[np.int64], mask: int = cv2.DIST_MASK_5
) -> tuple[FloatImage, NDArray[np.int64]]:
    """Return distance to and index (into ``taken``) of the closest point of every cell, (h, w)."""
    free = np.ones(shape, np.uint8)
    free.reshape(-1)[taken] = 0
    distance, label = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, mask, labelType=cv2.DIST_LABEL_PIXEL)
    table = np.zeros(len(taken) + 2, np.int64)
    table[label.reshape(-1)[taken]] = np.arange(len(taken))
    return np.asarray(distance, np.float32), np.take(table, np.asarray(label), mode="clip")


def _fill_dense(sparse: FloatImage, taken: NDArray[np.int64]) -> Prefill:
    """Closest point and median; points that the median contradicts take its value first."""
    inverse = np.reciprocal(sparse.reshape(-1)[taken])
    distance, index = _closest(sparse.shape, taken, cv2.DIST_MASK_3)
    median = cv2.medianBlur(np.take(inverse, index), 5)
    around = median.reshape(-1)[taken]
    misfit = np.abs(inverse / around - 1)
    outlier = misfit > _OUTLIER
    if outlier.any():
        inverse = np.where(outlier, around, inverse)  # cheaper than looking for the closest of the others
        median = cv2.medianBlur(np.take(inverse, index), 5)
    closest = np.take(inverse, index)
    size = max(_WINDOW, 2 * round(float(distance.mean()) * 2) + 1)
    window = np.ones((size, size), np.uint8)
    near, far = cv2.dilate(closest, window), cv2.erode(closest, window)
    change = cv2.blur(np.abs(closest / median - 1), (5, 5))
    belief = np.take(1 / (1 + np.square(misfit / np.float32(0.05))), index)
    return Prefill(*(np.reciprocal(x) for x in (median, near, far, closest)), distance, belief, change)


def _fill_sparse(image: NDArray[np.uint8] | None, sparse: FloatImage, taken: NDArray[np.int64]) -> Prefill:
    """Planes at the points, blended on a coarser grid; the bounds are what the planes around a cell say."""
    shape = sparse.shape
    step = 1
    while sparse.size > _CELLS * step * step:
        step += 1
    points = neighborhood.build(sparse, step)
    planes = surfels.fit(points, (NARROW[:2], SHRINKING) if len(points.rows) <= 1_000 else (NARROW[:2], SHRINKING[:2]))
    guide = None
    if image is not None:
        size = (points.shape[1], points.shape[0])
        gray = cv2.cvtColor(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA)), cv2.COLOR_RGB2GRAY)
        guide = (gray.astype(np.float32) * np.float32(3 / 255))[None]
    surface = blend(points, planes, guide, _BLEND)
    near, far = _bounds(points, planes, surface.inverse)
    distance, index = _closest(shape, taken)
    slot = np.zeros(sparse.size, np.float32)
    slot[points.pixels] = planes.belief
    closest = np.take(sparse.reshape(-1)[taken], index)
    belief = np.take(slot[taken], index)
    inverse = enlarge(surface.inverse, step, shape)
    bounds = [np.reciprocal(enlarge(x, step, shape)) for x in (near, far)]
    deviation = enlarge(relative_deviation(surface, planes), step, shape)
    return Prefill(np.reciprocal(inverse), *bounds, closest, distance, belief, deviation)


def _bounds(points, planes, inverse: FloatImage) -> tuple[FloatImage, FloatImage]:
    """Return the largest and smallest inverse depth (h, w) of the believed planes around each cell."""
    y = np.arange(points.shape[0], dtype=np.float32)[:, None]
    x = np.arange(points.shape[1], dtype=np.float32)
    near = points.near
    value = np.take(planes.gy, near) * y
    value += np.take(planes.gx, near) * x
    value += np.take(planes.offset, near)
    own = np.take(points.inverse, near)
    np.clip(value, own.min(0) * np.float32(0.9), own.max(0) * np.float32(1.6), out=value)
    believed = np.take(planes.belief, near) > _BELIEVED
    high = np.where(believed, value, np.float32(0)).max(0)
    low = np.where(believed, value, np.float32(np.inf)).min(0)
    return np.maximum(high, inverse), np.minimum(low, inverse)
