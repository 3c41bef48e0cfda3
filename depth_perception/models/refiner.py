"""The refiner's NumPy side: what the weight-free completer knows becomes the input of a small network.

Points are first filled in by the surface model of ``fast``. The network then sees the image, that filling, the nearest
and the farthest surface that the points around a pixel allow, and the points themselves, and decides per pixel. The
grid it works on follows the density of the points: sparse points need reach, dense ones need sharp edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, DepthPrediction, FloatImage
from depth_perception.models.learned import Array, Prepared
from depth_perception.models.prefill import Prefill, fill
from depth_perception.models.upsample import enlarge, enlarge_guided

CHANNELS = 15
_MULTIPLE = 32  # the network halves five times


@dataclass(frozen=True)
class RefinerConfig:
    """``widths``: channels at 1/4, 1/8, 1/16, 1/32 of the working grid; ``blocks``: residual blocks at each.

    ``detail``: channels that tell what is in a block of 4 x 4 cells; ``mixed``: hidden channels of the
    choice. ``coarsen``: the working grid is halved while fewer than one cell in
    ``coarsen`` would hold a point and at most ``steps`` - 1 times; ``cells``: most cells of the working grid.
    """

    widths: tuple[int, ...] = (32, 64, 128, 192)
    blocks: tuple[int, ...] = (1, 1, 1, 1)
    detail: int = 48
    mixed: int = 96
    coarsen: float = 100.0
    coarsest: int = 2
    cells: int = 330_000


class _Context(NamedTuple):
    shape: tuple[int, int]
    step: int
    grid: tuple[int, int]
    image: NDArray[np.uint8] | None
    small: NDArray[np.uint8] | None
    sparse: FloatImage


class RefinerMethod:
    """A learned second look at the surface model's completion."""

    family = "refiner"
    input_names = ("features",)

    def __init__(self, config: RefinerConfig | None = None):
        self.config = config or RefinerConfig()

    def step(self, sparse: FloatImage) -> int:
        """Return the edge of a working cell in pixels for points (H, W)."""
        step = 1
        while sparse.size > self.config.cells * step * step:
            step += 1
        if np.count_nonzero(sparse) * self.config.coarsen < sparse.size:
            step = max(step, self.config.coarsest)
        return step

    def prepare(
        self, image: NDArray[np.uint8] | None, sparse: FloatImage, camera: CameraModel | None = None
    ) -> Prepared:
        """See ``Method.prepare``; the one input is (1, 15, h, w)."""
        step = self.step(sparse)
        grid, small = reduce(image, sparse, step)
        filled = fill(small, grid)
        features, scale = stack(small, grid, filled, rays(camera, grid.shape, step))
        height, width = grid.shape
        bottom, right = -height % _MULTIPLE, -width % _MULTIPLE
        if bottom or right:
            features = np.pad(features, ((0, 0), (0, bottom), (0, right)), mode="edge")
        return Prepared((features[None],), scale, _Context(sparse.shape, step, grid.shape, image, small, sparse))

    def finish(self, outputs: Sequence[Array], prepared: Prepared) -> DepthPrediction:
        """See ``Method.finish``."""
        context: _Context = prepared.context
        height, width = context.grid
        depth, deviation, believed = (np.ascontiguousarray(o[0, 0, :height, :width]) for o in outputs)
        step, shape = context.step, context.shape
        relative = enlarge(deviation / depth, step, shape)
        if step > 1 and context.image is not None and context.small is not None:
            inverse = enlarge_guided(np.reciprocal(depth), step, context.image, context.small)
        else:
            inverse = enlarge(np.reciprocal(depth), step, shape)
        depth = np.float32(prepared.scale) / inverse
        inlier = np.full(shape, np.nan, np.float32)
        rows, columns = np.nonzero(context.sparse != 0)
        inlier[rows, columns] = believed[rows // step, columns // step]
        return DepthPrediction(depth, relative * depth, inlier)


def reduce(
    image: NDArray[np.uint8] | None, sparse: FloatImage, step: int
) -> tuple[FloatImage, NDArray[np.uint8] | None]:
    """Return points and image on a grid of ``step`` pixels; of several points in a cell the nearest surface stays."""
    if step == 1:
        return sparse, image
    height, width = sparse.shape
    shape = (-(-height // step), -(-width // step))
    where = np.flatnonzero(sparse != 0)
    values = sparse.reshape(-1)[where]
    order = np.argsort(-values, kind="stable")  # the nearest is written last
    where, values = where[order], values[order]
    grid = np.zeros(shape, np.float32)
    grid[where // width // step, where % width // step] = values
    if image is None:
        return grid, None
    full = cv2.copyMakeBorder(image, 0, shape[0] * step - height, 0, shape[1] * step - width, cv2.BORDER_REPLICATE)
    return grid, np.asarray(cv2.resize(full, (shape[1], shape[0]), interpolation=cv2.INTER_AREA), np.uint8)


def stack(
    image: NDArray[np.uint8] | None, sparse: FloatImage, filled: Prefill, directions: FloatImage | None
) -> tuple[FloatImage, float]:
    """Return the features (15, h, w) and the scale in metres, from which depth is told in logarithms.

    Channels: colour (3), log of the filling, nearest, farthest, closest-by and even surface relative to it, measured
    depth relative to it, mask, distance to the closest point, log relative deviation of the filling, belief in that
    point, and, where the camera is known, the direction of the ray to the right and down (2).
    """
    features = np.zeros((CHANNELS, *sparse.shape), np.float32)
    if image is not None:
        features[:3] = np.moveaxis(image, 2, 0)
        features[:3] *= np.float32(1 / 255)
        features[:3] -= np.float32(0.5)
    center = np.log(filled.depth)
    middle = float(np.median(center[::4, ::4]))
    where = np.flatnonzero(sparse != 0)
    np.subtract(center, np.float32(middle), out=features[3])
    np.subtract(np.log(filled.near), center, out=features[4])
    np.subtract(np.log(filled.far), center, out=features[5])
    np.subtract(np.log(filled.closest), center, out=features[6])
    np.subtract(np.log(filled.even), center, out=features[7])
    features[8].reshape(-1)[where] = np.log(sparse.reshape(-1)[where]) - center.reshape(-1)[where]
    features[9].reshape(-1)[where] = 1
    np.log1p(filled.distance, out=features[10])
    features[10] *= np.float32(0.25)
    np.log(filled.relative_deviation + np.float32(1e-4), out=features[11])
    features[11] *= np.float32(0.25)
    features[11] += np.float32(1)
    features[12] = filled.belief
    if directions is not None:
        features[13:] = directions
    np.clip(features[3:9], -5, 5, out=features[3:9])
    return features, float(np.exp(middle))


def rays(camera: CameraModel | None, shape: tuple[int, int], step: int) -> FloatImage | None:
    """Return half the tangents of the rays (2, h, w), to the right and down, through cells of ``step`` pixels."""
    if camera is None:
        return None
    k = camera.K
    middle = (step - 1) / 2
    x = (np.arange(shape[1]) * step + middle - k[0, 2]) / k[0, 0]
    y = (np.arange(shape[0]) * step + middle - k[1, 2]) / k[1, 1]
    out = np.empty((2, *shape), np.float32)
    out[0], out[1] = np.clip(x / 2, -1, 1), np.clip(y / 2, -1, 1)[:, None]
    return out
