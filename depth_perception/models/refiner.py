"""The refiner's NumPy side: what the points around each pixel say becomes the input of a small network.

Every measured point carries a plane (see ``surfels``), and every cell of a grid hears nine of them. The weight-free
completers weigh these words by hand; the refiner's network learns to, from the image and from how well they agree.
With an estimator beside it, each point also offers the shape that the image alone shows, moved to where the point is.
Where points are so dense that there is little to decide, the surface model answers alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, DepthPrediction, FloatImage
from depth_perception.models import candidates, neighborhood, smoothing, surfels, triangles
from depth_perception.models.blend import BlendSettings
from depth_perception.models.candidates import ABOUT, HEARD, Candidates
from depth_perception.models.estimator import LearnedEstimator
from depth_perception.models.learned import Array, Prepared
from depth_perception.models.neighborhood import Neighborhood
from depth_perception.models.surface import SurfaceSettings, complete
from depth_perception.models.surfels import NARROW, SHRINKING, Surfels
from depth_perception.models.upsample import enlarge, enlarge_guided

CHANNELS = 10
_BLEND = BlendSettings(bands=2)  # one for each thread: on a grid this small, calls take longer than the cache saves
_DENSE = SurfaceSettings(voices=3)
_FEW = 5_000  # points up to which plane fits take three iterations each, beyond two
_BELIEVED = 0.1  # least belief in a point that is heard at all, if others are there
_DENSE_GRID = 200_000  # most cells on which distances decide how dense points are


@dataclass(frozen=True)
class RefinerConfig:
    """``widths``: channels at the grid and at every halving of it; ``blocks``: residual blocks at each.

    ``hidden``: channels in which a candidate is judged. ``cells``: most cells of the grid, which sets its step in
    pixels unless ``step`` does. ``dense``: median distance of a pixel to the closest point, in cells, below which the
    surface model answers alone; 0: never. ``shape``: name of the estimator whose depth points may be continued by;
    empty: none. ``between``: whether the triangles between points are offered as well; ``simple``: with them what other
    simple completers say.
    """

    widths: tuple[int, ...] = (16, 48, 96, 128, 160)
    blocks: tuple[int, ...] = (1, 1, 1, 1, 1)
    hidden: int = 16
    cells: int = 20_000
    step: int = 0
    dense: float = 1.4
    shape: str = ""
    between: bool = False
    simple: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for choices that do not go together."""
        if self.simple and not self.between:
            raise ValueError("simple: true needs between: true, as triangles are among what simple completers say")


class LeftOut(NamedTuple):
    """Points that are not heard: ``pixels`` int64 (n,), flat, and ``belief`` (n,) in them, which is next to none."""

    pixels: NDArray[np.int64]
    belief: NDArray[np.float32]


class _Context(NamedTuple):
    step: int
    grid: tuple[int, int]
    image: NDArray[np.uint8] | None
    small: NDArray[np.uint8] | None
    sparse: FloatImage
    answer: DepthPrediction | None = None
    left_out: LeftOut | None = None


class RefinerMethod:
    """Learned weights for what the surface model hears."""

    family = "refiner"

    def __init__(self, config: RefinerConfig | None = None, estimator: LearnedEstimator | None = None):
        """``estimator`` stands in for the one that ``config`` names, which is otherwise loaded when first needed."""
        self.config = config or RefinerConfig()
        self.multiple = 1 << (len(self.config.widths) - 1)
        more = {"moved": bool(self.config.shape), "between": self.config.between, "simple": self.config.simple}
        self.input_names = ("features", "about", "cell", *(name for name, wanted in more.items() if wanted))
        self._estimator = estimator

    def load_parts(self, backend: str = "auto", device: str = "auto") -> None:
        """Load the estimator that the configuration names, to run as ``backends.make_runner`` says; raises as that."""
        if self.config.shape:
            from depth_perception.models import zoo

            self._estimator = zoo.load_estimator(self.config.shape, backend, device)

    def prepare(
        self, image: NDArray[np.uint8] | None, sparse: FloatImage, camera: CameraModel | None = None
    ) -> Prepared:
        """See ``Method.prepare``. Inputs: features (1, 10, h, w), about (1, 81, h, w), cell (1, 9, h, w).

        With a ``shape`` in the configuration also moved (1, 18, h, w), zeros without an image; with ``between`` also
        between (1, 2, h, w), with ``simple`` simple (1, 4, h, w). No input means that the network is not asked.
        """
        config = self.config
        step = config.step or math.ceil(math.sqrt(sparse.size / config.cells))
        if config.dense and _usual_distance(sparse) < config.dense * step:
            answer = complete(image, sparse, _DENSE)
            return Prepared((), 1.0, _Context(1, sparse.shape, image, None, sparse, answer))
        points, planes, left_out = _believed(sparse, step)
        height, width = points.shape
        small, guide = None, None
        if image is not None:
            small = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
            guide = np.ascontiguousarray(np.moveaxis(small, 2, 0)).astype(np.float32) * np.float32(1 / 255)
        between = triangles.interpolate(points, planes.belief > _BELIEVED) if config.between else None
        spread = smoothing.spread_surfaces(points, planes, guide) if config.simple else None
        shape = self._shape(image, camera, points.shape)
        heard = candidates.gather(points, planes, guide, _BLEND, shape, between, spread, self.multiple)
        features, scale = _features(small, heard, points.block, _rays(camera, points.shape, step))
        inputs = [features, heard.about.reshape(HEARD * ABOUT, *features.shape[1:]), heard.cell]
        if config.shape:
            moved = np.zeros((HEARD, 2, *features.shape[1:]), np.float32) if heard.moved is None else heard.moved
            inputs.append(moved.reshape(HEARD * 2, *features.shape[1:]))
        inputs += [values for values in (heard.between, heard.simple) if values is not None]
        context = _Context(step, (height, width), image, small, sparse, None, left_out)
        return Prepared(tuple(values[None] for values in inputs), scale, context)

    def _shape(
        self, image: NDArray[np.uint8] | None, camera: CameraModel | None, grid: tuple[int, int]
    ) -> FloatImage | None:
        """Return the logarithm of the depth (h, w) that the image alone shows, up to a summand; None if not asked."""
        if not self.config.shape or image is None:
            return None
        if self._estimator is None:
            self.load_parts()
        assert self._estimator is not None
        nothing = np.zeros(image.shape[:2], np.float32)
        depth = self._estimator.run(self._estimator.method.prepare(image, nothing, camera).inputs)[0][0, 0]
        # between the cells of a far coarser answer; edges are for the judge to find
        return np.asarray(cv2.resize(np.log(depth), grid[::-1], interpolation=cv2.INTER_LINEAR), np.float32)

    def finish(self, outputs: Sequence[Array], prepared: Prepared) -> DepthPrediction:
        """See ``Method.finish``."""
        context: _Context = prepared.context
        if context.answer is not None:
            return context.answer
        height, width = context.grid
        depth, deviation, believed = (np.ascontiguousarray(o[0, 0, :height, :width]) for o in outputs)
        step, shape = context.step, context.sparse.shape
        relative = enlarge(deviation / depth, step, shape)
        inverse = np.reciprocal(depth)
        if step > 1 and context.image is not None and context.small is not None:
            inverse = enlarge_guided(inverse, step, context.image, context.small)
        else:
            inverse = enlarge(inverse, step, shape)
        depth = np.float32(prepared.scale) / inverse
        inlier = np.full(shape, np.nan, np.float32)
        rows, columns = np.nonzero(context.sparse != 0)
        inlier[rows, columns] = believed[rows // step, columns // step]
        if context.left_out is not None:
            inlier.reshape(-1)[context.left_out.pixels] = context.left_out.belief
        return DepthPrediction(depth, relative * depth, inlier)


def _believed(sparse: FloatImage, step: int) -> tuple[Neighborhood, Surfels, LeftOut]:
    """Return the points of a grid of ``step`` pixels with their planes, without points that no neighbour's plane meets.

    Where nobody is wrong that is all of them. A wrong one left out gives its place to the next closest.
    """
    points, planes = _with_planes(sparse, step)
    wrong = planes.belief < _BELIEVED
    left_out = LeftOut(points.pixels[wrong], planes.belief[wrong])
    if not wrong.any() or wrong.all():
        return points, planes, LeftOut(left_out.pixels[:0], left_out.belief[:0])
    rest = sparse.copy()
    rest.reshape(-1)[left_out.pixels] = 0
    return *_with_planes(rest, step), left_out


def _with_planes(sparse: FloatImage, step: int) -> tuple[Neighborhood, Surfels]:
    points = neighborhood.build(sparse, step)
    return points, surfels.fit(points, (NARROW, SHRINKING) if len(points.rows) <= _FEW else (NARROW[:2], SHRINKING[:2]))


def _usual_distance(sparse: FloatImage) -> float:
    """Return the median distance of a pixel to its closest point, in pixels.

    Not the mean: holes without any point, as the sky, are no reason to call the rest sparse.
    """
    every = max(1, math.ceil(math.sqrt(sparse.size / _DENSE_GRID)))
    height, width = sparse.shape
    free = np.ones((-(-height // every), -(-width // every)), np.uint8)
    where = np.flatnonzero(sparse != 0)
    free[where // width // every, where % width // every] = 0
    distance = cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_3)
    return float(np.median(distance[::2, ::2])) * every


def _features(
    image: NDArray[np.uint8] | None, heard: Candidates, block: int, directions: FloatImage | None
) -> tuple[FloatImage, float]:
    """Return the features (10, h, w), as large as what is heard, and the scale in metres that logarithms go from.

    Channels: colour (3), log of the hand-made blend, distance to the closest point in blocks, how far the words agree,
    log of the size of a block, whether there is an image, and where the camera is known the direction of the ray to
    the right and down (2).
    """
    all_features = np.zeros((CHANNELS, *heard.about.shape[2:]), np.float32)
    height, width = heard.inverse.shape
    features = all_features[:, :height, :width]
    about = heard.about[..., :height, :width]
    if image is not None:
        features[:3] = np.moveaxis(image, 2, 0)
        features[:3] *= np.float32(1 / 255)
        features[:3] -= np.float32(0.5)
        features[7] = 1
    logarithm = -np.log(heard.inverse)
    middle = float(np.median(logarithm[::2, ::2]))
    np.clip(logarithm - np.float32(middle), -5, 5, out=features[3])
    np.minimum(about[:, 2].min(0), np.float32(4), out=features[4])
    features[5] = about[:, 7].max(0)
    features[6] = math.log(block) / 3 - 0.5
    if directions is not None:
        features[8:] = directions
    candidates.repeat_border(all_features, height, width)
    return all_features, float(np.exp(middle))


def _rays(camera: CameraModel | None, shape: tuple[int, int], step: int) -> FloatImage | None:
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
