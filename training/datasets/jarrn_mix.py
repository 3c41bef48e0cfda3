"""JARRN's own simulation of raw depth, beside the shared sensors: any density from none to all, with its faults.

The shares, noise, blur and line patterns are those of Chen et al., JARRN. Its hole masks come from a data set; here
they are drawn. ``JarrnMix()`` fits ``RenderedFrames(scan=...)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.evaluation.sensors import Frame, Scan
from depth_perception.evaluation.sensors.scan import ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE
from depth_perception.frames import FloatImage

_LINES = (4, 8, 16, 32, 64)
_SIDE = 320  # pixels, of the square crops that the line patterns are told for


@dataclass(frozen=True)
class JarrnMix:
    """Shares of samples that are ``dense``, keep 10-100 % (``many``) or 0-10 % (``few``) of pixels; the rest has none.

    ``lines``: share of the ``many`` and ``few`` that keep LiDAR lines instead of random pixels; ``holes``: chance of
    holes in what is kept.
    """

    dense: float = 0.2
    many: float = 0.2
    few: float = 0.2
    lines: float = 0.5
    holes: float = 0.5

    def __call__(self, frame: Frame, rng: np.random.Generator) -> Scan:
        """Return a scan of a frame, as a sensor does."""
        return self.scan(frame.depth, rng)

    def scan(self, depth: FloatImage, rng: np.random.Generator) -> Scan:
        """Return what is left of ``depth`` (H, W) metres, 0 or NaN unknown; points are right as for other sensors."""
        truth = np.nan_to_num(depth, nan=0.0, posinf=0.0).astype(np.float32)
        luck = rng.random()
        if luck >= self.dense + self.many + self.few or not truth.any():
            return Scan(np.zeros_like(truth), np.full_like(truth, np.nan))
        few, dense = luck >= self.dense + self.many, luck < self.dense
        raw = truth
        if rng.random() < (0.3 if few else 0.5):
            raw = _noisy(raw, rng)
        if rng.random() < (1.0 if dense else 0.3):
            raw = _coarse(raw, int(rng.choice((2, 4, 8, 16))))
        if not dense:
            if rng.random() < self.lines:
                kept = lines(raw.shape, int(rng.choice(_LINES[:3] if few else _LINES[3:])))
            else:
                kept = rng.random(raw.shape) < rng.uniform(*((0.0, 0.1) if few else (0.1, 1.0)))
            raw = np.where(kept, raw, np.float32(0))
        if rng.random() < self.holes:
            raw = np.where(holes(raw.shape, rng), np.float32(0), raw)
        given = raw > 0
        right = (truth > 0) & (np.abs(raw - truth) <= RELATIVE_TOLERANCE * truth + ABSOLUTE_TOLERANCE)
        return Scan(raw, np.where(given, right.astype(np.float32), np.float32(np.nan)))


def lines(shape: tuple[int, ...], count: int) -> NDArray[np.bool_]:
    """Return the mask (H, W) of ``count`` bent LiDAR lines, mirrored about the middle row, every fourth column.

    4, 8, 16, 32 and 64 lines are subsets of one another.
    """
    height, width = shape
    down, across = height / _SIDE, width / _SIDE
    most = _LINES[-1] // 2
    x = np.arange(0, width, 4)
    mask = np.zeros(shape, bool)
    for i in range(0, most, max(_LINES[-1] // count, 1)):
        bend = 2e-4 * np.cos(np.pi / 2 * (1 - i / most))  # flat at the horizon
        offset = _SIDE / 2 / most / 1.8 * i + np.floor(i**1.2)
        below = ((bend * np.square(x / across - _SIDE / 2) + offset) * down).astype(int)
        for row in (height // 2 + below, (height + 1) // 2 - 1 - below):
            inside = (row >= 0) & (row < height)
            mask[row[inside], x[inside]] = True
    return mask


def holes(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return where (H, W) a few ragged patches of all sizes lie."""
    height, width = shape
    mask = np.zeros(shape, np.uint8)
    for _ in range(int(rng.integers(1, 8))):
        corners = int(rng.integers(5, 12))
        angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
        radius = rng.uniform(0.3, 1, corners) * np.exp(rng.uniform(np.log(0.03), np.log(0.35))) * min(shape)
        center = rng.uniform(0, 1, 2) * (width, height)
        outline = center + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
        cv2.fillPoly(mask, [outline.astype(np.int32)], (1,))
    return mask > 0


def _noisy(depth: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Add noise of 1 to 10 % of the greatest depth to a random share of the pixels."""
    reach = np.float32(depth.max())
    noise = rng.standard_normal(depth.shape, np.float32) * np.float32(rng.uniform(0.01, 0.1)) * reach
    hit = (rng.random(depth.shape) < rng.random()) & (depth > 0)
    return np.where(hit, np.clip(depth + noise, 0, reach), depth).astype(np.float32)


def _coarse(depth: FloatImage, factor: int) -> FloatImage:
    """Keep every ``factor``-th pixel and repeat it."""
    rows, columns = (np.arange(n) // factor * factor for n in depth.shape)
    return depth[rows[:, None], columns]
