"""Large flat surfaces in measured depth: what walls, floors and table tops are, found by RANSAC.

Inverse depth is linear over the image on any plane, so three pixels name one: for the plane (a, b, c) a pixel (u, v)
of depth z fits if z (a u + b v + c) is 1 to within a share. Only what hangs together in the image counts.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import FloatImage

MOST = 5  # planes of an image
LEAST = 0.04  # share of the image that a plane covers
WITHIN = 0.015  # of depth: how far a plane's pixels may be off it; range cameras are off by about one per cent
DENSE = 0.3  # share of measured pixels below which nothing hangs together
_TRIES = 300
_SAMPLE = 3000
_REACH = 0.15  # of the width: pixels that name a plane lie so near each other


def planes(depth: FloatImage, seed: int = 0) -> NDArray[np.int32]:
    """Return numbers (H, W) from 1 on of large planes in ``depth`` (H, W), 0 elsewhere and where depth is 0.

    Nothing is found in depth that is known at few pixels only, such as a LiDAR's.
    """
    number = np.zeros(depth.shape, np.int32)
    if np.mean(depth > 0) < DENSE:
        return number
    rng = np.random.default_rng(seed)
    free = depth > 0
    for index in range(1, MOST + 1):
        best = _largest(depth, free, rng)
        if best is None:
            break
        number[best] = index
        free &= ~best
    return number


def _largest(depth: FloatImage, free: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_] | None:
    """Return the pixels of the plane that most of the ``free`` ones fit, None if that are too few."""
    places = np.flatnonzero(free)
    if len(places) < LEAST * depth.size:
        return None
    rows = _equations(depth, rng.choice(places, min(_SAMPLE, len(places)), replace=False))
    triples = _equations(depth, _triples(places, free, rng)).reshape(-1, 3, 3)
    triples = triples[np.abs(np.linalg.det(triples)) > 1e-9]
    if not len(triples):
        return None
    found = np.linalg.solve(triples, np.ones((len(triples), 3, 1)))[..., 0]
    best = found[np.argmax((np.abs(rows @ found.T - 1) < WITHIN).sum(0))]
    for _ in range(3):  # the plane of all that fit is better than that of three
        fit = rows[np.abs(rows @ best - 1) < WITHIN]
        best = np.linalg.lstsq(fit, np.ones(len(fit)), rcond=None)[0]
    inside = np.zeros(depth.shape, bool)
    inside.flat[places] = np.abs(_equations(depth, places) @ best - 1) < WITHIN
    closed = cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, parts, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=4)
    if len(stats) < 2:
        return None
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    return parts == largest if stats[largest, cv2.CC_STAT_AREA] >= LEAST * depth.size else None


def _triples(places: NDArray[np.int64], free: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return flat indices (3 n,) of n triples of ``free`` pixels near each other."""
    height, width = free.shape
    row, column = np.divmod(rng.choice(places, _TRIES)[:, None], width)
    away = rng.integers(-round(_REACH * width), round(_REACH * width) + 1, (2, _TRIES, 3))
    away[:, :, 0] = 0
    row, column = np.clip(row + away[0], 0, height - 1), np.clip(column + away[1], 0, width - 1)
    return (row * width + column)[free[row, column].all(1)].ravel()


def _equations(depth: FloatImage, places: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (n, 3): z u, z v, z, with u and v in widths of the image, of flat indices ``places``."""
    row, column = np.divmod(places, depth.shape[1])
    z = depth.flat[places].astype(np.float64)
    return np.column_stack([z * column, z * row, z * depth.shape[1]]) / depth.shape[1]
