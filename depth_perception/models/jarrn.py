"""JARRN's NumPy side: depth in units of the sensor's own reach, on a grid small enough for a CPU.

Chen et al., *JARRN: Joint Absolute-Relative Relation Network for Generalisable Depth Completion*. Nothing in the
network normalises, so what makes it follow the sensor's scale is that depth is divided by a depth taken from its
points: twice the depth gives the same network inputs and exactly twice the output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, DepthPrediction, FloatImage
from depth_perception.models.learned import Array, Prepared
from depth_perception.models.reduction import reduce
from depth_perception.models.upsample import enlarge, enlarge_guided

CHANNELS = 5  # colour (3), points, their mask
OFFSET_CLAMPS = ("tanh", "hardtanh")

_REACH = 0.8  # network units of the farthest point
_FARTHEST = 98  # percentile that stands for it: single outliers lie beyond the farthest surface
_BEYOND = 3.0  # points farther than that many network units are wrong

# What a point's probability to be right is derived from: outliers are a small share, their log depth evenly spread.
OUTLIERS = 0.05
OUTLIER_DENSITY = 0.3  # per unit of relative error
POINT_NOISE = 0.02  # relative error a right point may have besides the prediction's own


@dataclass(frozen=True)
class JarrnConfig:
    """``widths`` from the working grid inwards; ``bottlenecks`` in the stacks at each resolution, 1 to 3.

    The paper's network has widths (64, 128, 256, 512, 512, 512, 512) and 3 bottlenecks everywhere. ``use_*`` switch
    off, for ablations, the per-pixel scale, offset and probability, or the whole refining branch. ``offset_clamp``:
    "tanh", or the released "hardtanh", which has no gradient where it clamps. ``release_softmax``: the released code's
    softmax of the probability down each image column. ``working_pixels``: most cells of the working grid.
    """

    widths: tuple[int, ...] = (16, 32, 96, 192, 256)
    bottlenecks: tuple[int, ...] = (1, 1, 2, 3, 3)
    use_scale: bool = True
    use_offset: bool = True
    use_probability: bool = True
    use_refine: bool = True
    offset_clamp: str = "tanh"
    release_softmax: bool = False
    working_pixels: int = 320 * 240

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot be built."""
        if self.offset_clamp not in OFFSET_CLAMPS:
            raise ValueError(f"offset_clamp must be one of {', '.join(OFFSET_CLAMPS)}, got {self.offset_clamp!r}")
        if len(self.bottlenecks) != len(self.widths):
            raise ValueError(f"{len(self.widths)} widths need as many bottleneck counts, got {self.bottlenecks}")

    @property
    def multiple(self) -> int:
        """What the sides of network inputs are multiples of."""
        return 1 << (len(self.widths) - 1)


class _Context(NamedTuple):
    step: int
    grid: tuple[int, int]
    image: NDArray[np.uint8] | None
    small: NDArray[np.uint8] | None
    sparse: FloatImage


class JarrnMethod:
    """Visual depth, rectified by a scale, an offset and a probability per pixel."""

    family = "jarrn"
    input_names = ("features",)

    def __init__(self, config: JarrnConfig | None = None):
        self.config = config or JarrnConfig()

    def prepare(
        self, image: NDArray[np.uint8] | None, sparse: FloatImage, camera: CameraModel | None = None
    ) -> Prepared:
        """See ``Method.prepare``; the one input is (1, 5, h, w): colour in [0, 1], points, mask of points.

        Without any point the scale is 1 and the network's answer has no unit.
        """
        step = 1
        while sparse.size > self.config.working_pixels * step * step:
            step += 1
        grid, small = reduce(image, sparse, step)
        scale = unit(grid)
        height, width = grid.shape
        padding = ((0, -height % self.config.multiple), (0, -width % self.config.multiple))
        features = np.zeros((1, CHANNELS, height + padding[0][1], width + padding[1][1]), np.float32)
        if small is not None:
            features[0, :3] = np.pad(np.moveaxis(small, 2, 0), ((0, 0), *padding), mode="edge")
            features[0, :3] *= np.float32(1 / 255)
        points = grid / np.float32(scale)
        points[points > _BEYOND] = 0
        features[0, 3, :height, :width] = points
        features[0, 4, :height, :width] = points > 0
        return Prepared((features,), scale, _Context(step, grid.shape, image, small, sparse))

    def finish(self, outputs: Sequence[Array], prepared: Prepared) -> DepthPrediction:
        """See ``Method.finish``. Every point is judged by itself, also where several share a cell."""
        context: _Context = prepared.context
        (height, width), step, shape = context.grid, context.step, context.sparse.shape
        depth, deviation = (np.ascontiguousarray(o[0, 0, :height, :width]) for o in outputs[:2])
        relative = enlarge(deviation / depth, step, shape)
        if step > 1 and context.image is not None and context.small is not None:
            inverse = enlarge_guided(np.reciprocal(depth), step, context.image, context.small)
        else:
            inverse = enlarge(np.reciprocal(depth), step, shape)
        depth = np.float32(prepared.scale) / inverse
        inlier = np.full(shape, np.nan, np.float32)
        given = context.sparse != 0
        inlier[given] = belief(context.sparse[given], depth[given], relative[given])
        return DepthPrediction(depth, relative * depth, inlier)


def unit(sparse: FloatImage) -> float:
    """Return the metres of one network unit for points (h, w), 0 = none: 1 / 0.8 of a robust greatest depth."""
    values = sparse[sparse > 0]
    if not len(values):
        return 1.0
    return float(np.percentile(values, _FARTHEST, method="nearest")) / _REACH


def belief(points: FloatImage, depth: FloatImage, relative: FloatImage) -> FloatImage:
    """Return the probability that ``points`` are right, given ``depth`` and its relative standard deviation; all (n,).

    Bayes' rule between a Laplace distribution about the prediction and evenly spread outliers; nothing is learned.
    """
    width = relative / np.float32(np.sqrt(2)) + np.float32(POINT_NOISE)
    odds = OUTLIERS / (1 - OUTLIERS) * OUTLIER_DENSITY * 2
    with np.errstate(over="ignore"):
        against = width * np.exp(np.minimum(np.abs(points / depth - 1) / width, np.float32(80)))
    return np.asarray(1 / (1 + np.float32(odds) * against), np.float32)
