"""Points without order: uniform random ones, corners as visual-inertial odometry tracks them, and none at all."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.evaluation.sensors.scan import AREA, Frame, Points, at_pixels, known


@dataclass(frozen=True)
class Nothing:
    """A sensor that is switched off."""

    def draw(self, frame: Frame, rng: np.random.Generator) -> Points:
        """Return no point."""
        return at_pixels(frame.depth, np.zeros(0, np.intp))


@dataclass(frozen=True)
class Uniform:
    """Pixels with equal chance. ``count`` per 640x480 image area, or of this very image if ``exact``."""

    count: float
    exact: bool = False

    def draw(self, frame: Frame, rng: np.random.Generator) -> Points:
        """Return that many of the known pixels, or all there are."""
        candidates = np.flatnonzero(known(frame.depth))
        count = min(_count(self, frame), len(candidates))
        if count > 0.02 * len(candidates):  # a shuffle of few is slow in NumPy, one of all is not
            chosen = np.argpartition(rng.random(len(candidates), np.float32), count - 1)[:count]
        else:
            chosen = rng.choice(len(candidates), count, replace=False, shuffle=False)
        return at_pixels(frame.depth, candidates[chosen])


@dataclass(frozen=True)
class Corners:
    """Image corners with triangulated depth, as sparse visual odometry gives them.

    ``count`` as for ``Uniform``; fewer where the image has no more corners. ``detector`` is ``good`` (Shi, Tomasi,
    *Good Features to Track*, CVPR 1994) or ``fast`` (Rosten, Drummond, *Machine Learning for High-Speed Corner
    Detection*, ECCV 2006). Triangulation errors grow with the square of depth, so the relative error is
    ``noise`` times depth over the median depth of the points, at most three times ``noise``. Where depth is known at
    some pixels only, a corner may be moved by up to ``snap`` pixels to the nearest of them (``good`` alone).
    """

    count: float
    detector: str = "good"
    noise: float = 0.0
    exact: bool = False
    snap: int = 0

    def draw(self, frame: Frame, rng: np.random.Generator) -> Points:
        """Return the strongest corners that keep their distance (``good``), or any of the strong ones (``fast``)."""
        gray = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
        count = _count(self, frame)
        if self.detector == "fast":
            pixels = _fast_features(gray, known(frame.depth), count, rng)
        else:
            pixels = _good_features(gray, known(frame.depth), count, self.snap)
        points = at_pixels(frame.depth, pixels)
        if self.noise > 0 and len(points.z):
            growth = np.minimum(points.z / np.median(points.z), 3.0)
            factor = 1 + self.noise * growth * rng.standard_normal(len(points.z))
            points = points._replace(z=points.z * np.maximum(factor, 0.05))
        return points


def _count(pattern: Uniform | Corners, frame: Frame) -> int:
    scale = 1.0 if pattern.exact else frame.depth.size / AREA
    return max(round(pattern.count * scale), 1)


def _good_features(gray, usable, count, snap) -> NDArray[np.intp]:
    distance = 0.35 * np.sqrt(gray.size / count)  # corners spread out, yet more of them where texture is
    distance = min(max(distance, 2.0), 12.0)
    free = usable.astype(np.uint8)
    if snap:
        found = cv2.goodFeaturesToTrack(gray, 8 * count, 0.0005, distance)  # as many may find no depth nearby
    else:
        found = cv2.goodFeaturesToTrack(gray, count, 0.002, distance, mask=free)
    if found is None or not usable.any():
        return np.zeros(0, np.intp)
    columns, rows = np.rint(found.reshape(-1, 2)).astype(np.intp).T
    pixels = rows * gray.shape[1] + columns
    if not snap:
        return pixels
    away, labels = cv2.distanceTransformWithLabels(1 - free, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    owner = np.zeros(int(labels.max()) + 1, np.intp)
    owner[labels[usable]] = np.flatnonzero(usable)
    pixels = owner[labels.ravel()[pixels[away.ravel()[pixels] <= snap]]]
    _, first = np.unique(pixels, return_index=True)
    return pixels[np.sort(first)][:count]


def _fast_features(gray, usable, count, rng) -> NDArray[np.intp]:
    for threshold in (20, 6):  # in dull images take what there is
        found = cv2.FastFeatureDetector.create(threshold).detect(gray, usable.astype(np.uint8))
        if len(found) >= count:
            break
    places = np.rint(cv2.KeyPoint.convert(found)).astype(np.intp).reshape(-1, 2)
    pixels = places[:, 1] * gray.shape[1] + places[:, 0]
    return rng.choice(pixels, min(count, len(pixels)), replace=False)
