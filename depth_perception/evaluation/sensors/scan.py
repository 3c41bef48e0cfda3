"""What a sensor looks at, what it measures, and what a completer gets of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, FloatImage

RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 0.03, 0.05
"""A point is right if it is off by at most this share of the true depth plus these metres."""

DRAWN = 0.75  # pixels by which a point may be beside the spot it was seen at, half in each direction and a bit

FARTHEST = 1e5  # metres; whatever is beyond (or not a number) is sky

AREA = 640 * 480
"""Densities are told as points per image of this many pixels, so that smaller images get the same spacing."""


class Scan(NamedTuple):
    """``sparse`` float32 (H, W) metres, 0 = no point; ``inlier`` float32 (H, W): 1 right, 0 wrong, NaN no point."""

    sparse: FloatImage
    inlier: FloatImage


@dataclass(frozen=True, eq=False)
class SecondView:
    """``depth`` float32 (H, W) metres from the LiDAR's own place, with the camera's intrinsics and size.

    ``T_camera_second`` (4, 4) maps points of that view's optical frame to the camera's.
    """

    depth: FloatImage
    T_camera_second: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Frame:
    """``image`` RGB uint8 (H, W, 3); ``depth`` float32 (H, W) metres, 0 or NaN where unknown; a pinhole ``camera``.

    ``ring`` (H, W): of recorded depth, which ring of a LiDAR measured a pixel, -1 none.
    """

    image: NDArray[np.uint8]
    depth: FloatImage
    camera: CameraModel
    second: SecondView | None = None
    ring: NDArray[np.int16] | None = None


class Points(NamedTuple):
    """Measured points as the camera sees them: float64 ``u``, ``v`` (n,) pixels and ``z`` (n,) metres.

    ``ring`` int (n,) is the scan line of each, or None. Points may lie outside of the image or on one pixel.
    """

    u: NDArray[np.float64]
    v: NDArray[np.float64]
    z: NDArray[np.float64]
    ring: NDArray[np.intp] | None = None

    def select(self, chosen: NDArray) -> Points:
        """Return the points picked by a mask or index array."""
        return Points(self.u[chosen], self.v[chosen], self.z[chosen], None if self.ring is None else self.ring[chosen])


def known(depth: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return where a depth image (any shape, metres) holds a surface."""
    return (depth > 0) & (depth < FARTHEST)


def reach(depth: FloatImage, limit: float, least_share: float) -> float:
    """Return ``limit`` in metres, raised so far that ``least_share`` of the known pixels of ``depth`` are nearer."""
    if least_share <= 0:
        return limit
    some = depth[::4, ::4]  # a quantile of all pixels takes a while, and nothing hangs on it
    some = some[known(some)]
    return max(limit, float(np.quantile(some, least_share))) if len(some) else limit


def at_pixels(depth: FloatImage, pixels: NDArray[np.intp]) -> Points:
    """Return the points of the flat indices ``pixels`` of a depth image (H, W)."""
    rows, columns = np.divmod(pixels, depth.shape[1])
    return Points(columns.astype(np.float64), rows.astype(np.float64), depth.reshape(-1)[pixels].astype(np.float64))


def pixels_of(points: Points, shape: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return the flat pixel of each point, and which lie in the image with a usable depth (others have pixel 0)."""
    with np.errstate(invalid="ignore"):
        inside = (points.u >= -0.5) & (points.u < shape[1] - 0.5) & (points.v >= -0.5) & (points.v < shape[0] - 0.5)
    inside &= known(points.z)
    u, v = np.where(inside, points.u, 0), np.where(inside, points.v, 0)
    return np.floor(v + 0.5).astype(np.intp) * shape[1] + np.floor(u + 0.5).astype(np.intp), inside


def make_scan(points: Points, depth: FloatImage) -> Scan:
    """Draw points into an image, the nearest of each pixel winning, and compare them with the true ``depth`` (H, W).

    A point where nothing is known, as one in the sky, counts as wrong.
    """
    pixels, inside = pixels_of(points, depth.shape)
    flat = np.full(depth.size, np.inf, np.float32)
    np.minimum.at(flat, pixels[inside], points.z[inside].astype(np.float32))
    given = np.flatnonzero(flat < np.inf)
    sparse, inlier = np.zeros(depth.size, np.float32), np.full(depth.size, np.nan, np.float32)
    sparse[given] = flat[given]
    inlier[given] = _right(sparse[given], depth, given)
    return Scan(sparse.reshape(depth.shape), inlier.reshape(depth.shape))


def _right(z: FloatImage, depth: FloatImage, pixels: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Tell whether depths ``z`` (n,) are right at flat ``pixels`` (n,) of the true ``depth`` (H, W).

    A point is drawn up to half a pixel from where it was seen. On a surface seen at a grazing angle that is more than
    the tolerance, so what the slope explains is allowed too. The slope is the lesser of those to both sides, which
    is none at an edge.
    """
    truth = depth.reshape(-1)[pixels]
    with np.errstate(invalid="ignore"):
        right = (np.abs(z - truth) <= RELATIVE_TOLERANCE * truth + ABSOLUTE_TOLERANCE) & known(truth)
    left = np.flatnonzero(~right & known(truth))
    if len(left):
        off = np.abs(1 / z[left] - 1 / truth[left])
        right[left] = off <= DRAWN * _slope(depth, pixels[left])
    return right


def _slope(depth: FloatImage, pixels: NDArray[np.intp]) -> FloatImage:
    """How much inverse depth changes over one pixel right and one down, at flat ``pixels`` (n,) with known depth."""
    height, width = depth.shape
    truth = depth.reshape(-1)
    rows, columns = np.divmod(pixels, width)
    slope = np.zeros(len(pixels), np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        here = 1 / truth[pixels]
        for low, high in (
            (np.maximum(columns - 1, 0) + rows * width, np.minimum(columns + 1, width - 1) + rows * width),
            (columns + np.maximum(rows - 1, 0) * width, columns + np.minimum(rows + 1, height - 1) * width),
        ):
            lesser = np.minimum(np.abs(1 / truth[low] - here), np.abs(1 / truth[high] - here))
            slope += np.where(np.isfinite(lesser), lesser, np.float32(0))
    return slope
