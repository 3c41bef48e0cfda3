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
from depth_perception.models.surfels import NARROW, SHRINKING, Surfels
from depth_perception.models.upsample import enlarge

_DENSE = 3.2  # median distance to the closest point, in cells, below which planes cost more than they bring
_ROUGH = 200  # where one cell in so many holds a point, rough distances do, in half the time
_CELLS = 13_000  # of the plane model's own grid
_OUTLIER = 0.3
_SAME_SURFACE = 0.02
_BELIEVED = 0.1
_BLEND = BlendSettings(channels=1, scales=(0.1, 0.03), bands=2)


class Prefill(NamedTuple):
    """All float32 (h, w), dense. ``depth`` in metres is the filling itself.

    ``near`` and ``far`` bound what the points around a pixel allow, ``closest`` is the depth of the closest one and
    ``even`` takes slopes further: its plane, or where points are dense a mean, all in metres; ``distance`` to that one
    in cells and ``belief`` in it in [0, 1]; ``relative_deviation`` of the filling.
    """

    depth: FloatImage
    near: FloatImage
    far: FloatImage
    closest: FloatImage
    even: FloatImage
    distance: FloatImage
    belief: FloatImage
    relative_deviation: FloatImage


def fill(image: NDArray[np.uint8] | None, sparse: FloatImage) -> Prefill:
    """Fill checked points (h, w) metres, at least one, guided by RGB uint8 (h, w, 3) or by nothing."""
    taken = np.flatnonzero(sparse != 0)
    mask = cv2.DIST_MASK_3 if len(taken) * _ROUGH > sparse.size else cv2.DIST_MASK_5
    distance, index = _closest(sparse.shape, taken, mask)
    usual = float(np.median(distance[::4, ::4]))  # not the mean: holes without any point are no reason
    if usual < _DENSE:
        return _fill_dense(sparse, taken, distance, index, usual)
    return _fill_sparse(image, sparse, taken, distance, index)


def _closest(shape: tuple[int, ...], taken: NDArray[np.int64], mask: int) -> tuple[FloatImage, NDArray[np.int64]]:
    """Return distance to and index (into ``taken``) of the closest point of every cell, (h, w)."""
    free = np.ones(shape, np.uint8)
    free.reshape(-1)[taken] = 0
    distance, label = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, mask, labelType=cv2.DIST_LABEL_PIXEL)
    table = np.zeros(len(taken) + 2, np.int64)
    table[label.reshape(-1)[taken]] = np.arange(len(taken))
    return np.asarray(distance, np.float32), np.take(table, np.asarray(label), mode="clip")


def _fill_dense(
    sparse: FloatImage, taken: NDArray[np.int64], distance: FloatImage, index: NDArray[np.int64], usual: float
) -> Prefill:
    """Closest point, median, and smoothing within 2 %; points that the median contradicts take its value first."""
    inverse = np.reciprocal(sparse.reshape(-1)[taken])
    median = cv2.medianBlur(np.take(inverse, index), 5)
    around = median.reshape(-1)[taken]
    misfit = np.abs(inverse / around - 1)
    outlier = misfit > _OUTLIER
    if outlier.any():
        inverse = np.where(outlier, around, inverse)  # cheaper than looking for the closest of the others
        median = cv2.medianBlur(np.take(inverse, index), 5)
    closest = np.take(inverse, index)
    size = 2 * round(1.2 * usual) + 1
    window = np.ones((size, size), np.uint8)
    near, far = cv2.dilate(closest, window), cv2.erode(closest, window)
    even = np.asarray(cv2.GaussianBlur(median, (0, 0), max(0.9, 0.9 * usual)), np.float32)
    smooth = np.asarray(cv2.GaussianBlur(median, (5, 5), 1.2), np.float32)
    fits = np.abs(smooth - median) < median * np.float32(_SAME_SURFACE)
    inverse = np.where(fits, smooth, median)
    change = cv2.blur(np.abs(closest / median - 1), (5, 5))
    belief = np.take(1 / (1 + np.square(misfit / np.float32(0.05))), index)
    return Prefill(*(np.reciprocal(x) for x in (inverse, near, far, closest, even)), distance, belief, change)


def _fill_sparse(
    image: NDArray[np.uint8] | None,
    sparse: FloatImage,
    taken: NDArray[np.int64],
    distance: FloatImage,
    index: NDArray[np.int64],
) -> Prefill:
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
    # the planes' grid may hold fewer points than the cells: the others borrow from the one that took their place
    slot = np.zeros(points.shape, np.int64)
    slot[points.rows, points.columns] = np.arange(len(points.rows))
    own = slot[taken // shape[1] // step, taken % shape[1] // step]
    closest = np.take(sparse.reshape(-1)[taken], index)
    who = np.take(own, index)
    belief = np.take(planes.belief, who)
    even = _planes_of(planes, who, step)
    low, high = np.float32(1) / (closest * np.float32(1.5)), np.float32(1.5) / closest
    even = np.reciprocal(np.clip(even, low, high))
    inverse = enlarge(surface.inverse, step, shape)
    bounds = [np.reciprocal(enlarge(x, step, shape)) for x in (near, far)]
    deviation = enlarge(relative_deviation(surface, planes), step, shape)
    return Prefill(np.reciprocal(inverse), *bounds, closest, even, distance, belief, deviation)


def _planes_of(planes: Surfels, who: NDArray[np.int64], step: int) -> FloatImage:
    """Return the inverse depth (h, w) that the plane of point ``who`` (h, w) gives each cell of the fine grid."""
    middle = np.float32((step - 1) / 2)
    y = (np.arange(who.shape[0], dtype=np.float32)[:, None] - middle) / np.float32(step)
    x = (np.arange(who.shape[1], dtype=np.float32) - middle) / np.float32(step)
    value = np.take(planes.gy, who)
    value *= y
    value += np.take(planes.offset, who)
    slope = np.take(planes.gx, who)
    slope *= x
    value += slope
    return value


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
