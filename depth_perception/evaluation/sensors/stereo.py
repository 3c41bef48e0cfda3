"""An active stereo camera: depth nearly everywhere, quantised in disparity, with holes where matching fails."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import cv2
import numpy as np

from depth_perception.evaluation.sensors.scan import FARTHEST, Frame, Points, at_pixels, known, reach


@dataclass(frozen=True)
class Stereo:
    """Depth from two cameras ``baseline`` metres apart, whose second stands to the right.

    ``step``: disparities are multiples of so many pixels, so depth steps grow with z^2; ``noise``: standard deviation
    of slowly varying disparity errors in pixels. Missing: the shadow that foreground casts to its left, bands along
    edges with chance ``edge_holes``, dark and saturated surfaces and random patches with chance ``holes``,
    and depth beyond ``limit`` metres (``least_share`` as for ``TimeOfFlight``).
    """

    baseline: float = 0.05
    step: float = 0.1
    noise: float = 0.1
    limit: float = 10.0
    least_share: float = 0.0
    edge_holes: float = 0.7
    holes: float = 0.5

    def draw(self, frame: Frame, rng: np.random.Generator) -> Points:
        """Return a point for every pixel that is not lost."""
        height, width = frame.depth.shape
        valid = known(frame.depth)
        if not valid.any():
            return at_pixels(frame.depth, np.zeros(0, np.intp))
        limit = reach(frame.depth, self.limit, self.least_share)
        depth = np.where(valid, frame.depth, np.float32(FARTHEST))
        # a sensor for far scenes has a wider base: else quantisation would leave nothing of them
        base = np.float32(self.baseline * frame.camera.K[0, 0] * max(limit / self.limit, 1.0))
        disparity = base / depth
        # seen by the right camera at u - d; hidden there if something further right lands at the same place or left
        landing = np.arange(width, dtype=np.float32) - disparity
        lost = landing > np.minimum.accumulate(landing[:, ::-1], axis=1)[:, ::-1] + 0.5
        lost |= ~valid | (depth > limit)
        lost |= self._weak(frame, depth, valid, rng)
        measured = disparity + np.float32(self.noise) * _slow_noise(rng, height, width, 12)
        if self.step > 0:
            measured = np.maximum(np.rint(measured / np.float32(self.step)), 1) * np.float32(self.step)
        pixels = np.flatnonzero(~lost)
        z = base / np.maximum(measured, np.float32(1e-3))
        return at_pixels(z, pixels)

    def _weak(self, frame: Frame, depth, valid, rng: np.random.Generator):
        """Pixels without a match: along edges, at dark and saturated places, in random patches."""
        height, width = depth.shape
        wide = np.ones((3, 3), np.uint8)
        measured = np.where(valid, depth, np.float32(0))  # what is not known makes no edge
        edge = cv2.dilate(measured, wide) > 1.1 * cv2.erode(np.where(valid, depth, np.float32(FARTHEST)), wide)
        patches = _slow_noise(rng, height, width, 6)
        gray = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
        # patches are about normal, so a quantile cuts out connected holes of the wanted share
        level = np.where((gray < 12) | (gray > 250), _quantile(0.9 * self.holes), _quantile(0.1 * self.holes))
        level[edge] = _quantile(max(self.edge_holes, 0.1 * self.holes))
        return patches < level


def _slow_noise(rng: np.random.Generator, height: int, width: int, cell: int):
    """Smooth noise of unit deviation, (height, width) float32, varying over about ``cell`` pixels."""
    small = rng.standard_normal((height // cell + 2, width // cell + 2), np.float32)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR) * np.float32(1.5)


def _quantile(share: float) -> np.float32:
    return np.float32(NormalDist().inv_cdf(share) if 0 < share < 1 else np.inf if share >= 1 else -np.inf)
