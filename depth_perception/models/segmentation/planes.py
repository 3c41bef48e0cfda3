"""The large planes of a depth image, floors, walls and table tops: what things stand on or before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.models.segmentation.relief import Mask, Relief


@dataclass(frozen=True)
class PlaneSettings:
    """What counts as a supporting plane.

    A plane of ``enough`` square metres, or one on which something stands: that needs ``least`` square metres, or less
    in a small view, where ``share`` of all that is seen will do. ``tolerance`` in metres and ``tolerance_far`` in
    metres per square metre of depth: how far points may lie off; ``cosine`` between their normals; ``most``: planes
    tried; ``tries`` and ``sample``: hypotheses for each, and the pixels they are tried on.
    """

    enough: float = 0.3
    least: float = 0.12
    share: float = 0.15
    tolerance: float = 0.007
    tolerance_far: float = 0.004
    cosine: float = 0.85
    most: int = 8
    tries: int = 80
    sample: int = 1500


DEFAULT = PlaneSettings()


class Plane(NamedTuple):
    """``normal`` (3,) of length one toward the camera, ``offset`` in metres: normal . x = offset; its ``inside``."""

    normal: NDArray[np.float64]
    offset: float
    inside: Mask


def supporting_planes(surfaces: Relief, settings: PlaneSettings = DEFAULT) -> list[Plane]:
    """Return the large planes, largest first: hypotheses of one point and its normal each (RANSAC), then refined.

    The same image always gives the same planes.
    """
    rng = np.random.default_rng(0)
    left = surfaces.valid.copy()
    whole = float(surfaces.area.sum())
    planes: list[Plane] = []
    for _ in range(settings.most):
        at = np.flatnonzero(left)
        if len(at) < 50:
            break
        chosen = rng.choice(at, min(settings.sample, len(at)), replace=False)
        points = surfaces.points.reshape(-1, 3)[chosen].astype(np.float64)
        normals = surfaces.normals.reshape(-1, 3)[chosen].astype(np.float64)
        weights = surfaces.area.reshape(-1)[chosen].astype(np.float64)
        tries = rng.integers(0, len(chosen), settings.tries)
        hypotheses = normals[tries]  # (t, 3)
        offsets = (hypotheses * points[tries]).sum(1)
        near = np.abs(points @ hypotheses.T - offsets) < _tolerance(points[:, 2], settings)[:, None]
        agree = near & (normals @ hypotheses.T > settings.cosine)  # (s, t)
        best = int(np.argmax(weights @ agree))
        normal, offset = _refined(points, normals, hypotheses[best], offsets[best], weights, settings)
        inside = left & _inside(surfaces, normal, offset, settings)
        every, inside = inside, _largest_piece(inside, surfaces)
        area = float(surfaces.area[inside].sum())
        left &= ~every
        smallest = min(settings.least, settings.share * whole)
        if area < 0.3 * smallest:
            break
        if area >= settings.enough or (area >= smallest and _bears(surfaces, normal, offset, inside, left, settings)):
            planes.append(Plane(normal, offset, every))
    return planes


def supported(surfaces: Relief, planes: list[Plane], settings: PlaneSettings = DEFAULT) -> Mask:
    """Return (h, w) True for what is a plane, with the specks that noise leaves in it, in one piece."""
    out = np.zeros(surfaces.valid.shape, bool)
    for plane in planes:
        # very near the plane the normal does not matter: at rims and under noise it is wrong
        height = np.abs(surfaces.points @ plane.normal.astype(np.float32) - np.float32(plane.offset))
        close = surfaces.valid & (height < 0.5 * _tolerance(surfaces.points[..., 2], settings))
        mask = (plane.inside | close).astype(np.uint8)
        _, pieces, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
        large = stats[:, cv2.CC_STAT_AREA] >= max(0.002 * mask.size, 20)
        large[0] = False
        out |= large[pieces]
    return out


def _largest_piece(mask: Mask, surfaces: Relief) -> Mask:
    """Return the connected part of ``mask`` with the most surface: far-off things at one height are no table."""
    closed = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8))
    _, pieces = cv2.connectedComponents(closed, connectivity=4)
    areas = np.bincount(pieces[mask], surfaces.area[mask])
    return mask & (pieces == int(np.argmax(areas))) if len(areas) else mask


def _bears(surfaces: Relief, normal: NDArray, offset: float, inside: Mask, left: Mask, settings: PlaneSettings) -> bool:
    """Tell whether something that is no plane itself rises from this one: beside it, a little nearer to the camera.

    Beside the face of a box are only its other faces, which lie behind, and larger planes, which are gone already.
    """
    beside = cv2.dilate(inside.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    rim = beside & left
    height = surfaces.points[rim] @ normal.astype(np.float32) - np.float32(offset)
    least = 2 * _tolerance(surfaces.points[rim][:, 2], settings)
    rising = int(np.count_nonzero((height > least) & (height < least + 0.04)))
    return rising > max(0.15 * np.sqrt(np.count_nonzero(inside)), 8)


def _inside(surfaces: Relief, normal: NDArray, offset: float, settings: PlaneSettings) -> Mask:
    normal = normal.astype(np.float32)
    height = np.abs(surfaces.points @ normal - np.float32(offset))
    agree = surfaces.normals @ normal > settings.cosine
    return surfaces.valid & agree & (height < _tolerance(surfaces.points[..., 2], settings))


def _refined(points, normals, normal, offset, weights, settings: PlaneSettings) -> tuple[NDArray, float]:
    """Fit the plane to the points on it by least squares, three times as they change."""
    for _ in range(3):
        on = np.abs(points @ normal - offset) < _tolerance(points[:, 2], settings)
        on &= normals @ normal > settings.cosine
        if on.sum() < 10:
            break
        # far points are as many square metres but noisier: their weight falls with the square of depth again
        weight = (weights[on] / np.maximum(points[on, 2], 0.1) ** 4)[:, None]
        center = (points[on] * weight).sum(0) / weight.sum()
        spread = (points[on] - center) * np.sqrt(weight)
        _, vectors = np.linalg.eigh(spread.T @ spread)
        normal = vectors[:, 0] * np.sign(vectors[:, 0] @ normal or 1.0)
        offset = float(normal @ center)
    return normal, float(offset)


def _tolerance(depth: NDArray, settings: PlaneSettings) -> NDArray:
    return settings.tolerance + settings.tolerance_far * depth**2
