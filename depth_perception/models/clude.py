"""CluDe's NumPy side: clustering into per-pixel continuous depth centres (Chen et al., arXiv 2402.13579).

The paper's full text was not at hand: what is written here follows its published summary and its closest relatives
(AdaBins, BinsFormer, NLSPN), and chooses where those are silent. Depth is divided by a robust maximum of the image's
own points, so one set of centres serves every sensor, and told in logarithms, in which all the method's equations are
meant: that makes centres as dense near the robot as far from it.
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
from depth_perception.models.upsample import enlarge_guided

MULTIPLE = 16  # the encoder halves four times
_ROBUST = 90.0  # percentile of the points that counts as their maximum: beyond it outliers live
_TOLERANCE = 0.03  # relative error that a good measurement may have anyhow


@dataclass(frozen=True)
class CludeConfig:
    """Sizes and switches of one network.

    ``widths`` and ``blocks``: channels and residual blocks of the encoder at 1/1, 1/2, 1/4, 1/8, 1/16;
    ``centres_count`` K and ``channels`` M of the ``layers`` transformer layers with ``heads``; ``decoder``: channels of
    the translation steps at 1/8, 1/4, ... (one to four); ``normalized``: batch normalisation after each convolution,
    which samples of very different density do not share well. ``nearest`` and ``farthest``: span of fixed centres in
    units of the robust maximum. ``working_pixels``: a larger image is worked on at a reduced size. A point is filtered
    when those within ``filter_window`` pixels around it are closer than ``filter_ratio`` of it; 0 switches off.

    Switches, for ablations: ``centres`` learned, log or uniform (fixed); ``offsets`` both, global or none; ``guidance``
    tells each centre a depth as a hint; ``cue`` shows the translation how points and prediction differ; ``laplace``
    scores centres by the measured depth; ``pooling`` of points minmax, average or nearest. Three are ours:
    ``carry`` hands the scores of a step on to the next one, ``trust`` lets the network weigh a point's Laplace scores,
    ``expectation`` of the last step is taken over all centres, as in the paper, or over those around the mode.
    """

    widths: tuple[int, ...] = (24, 32, 64, 96, 128)
    blocks: tuple[int, ...] = (0, 1, 1, 2, 2)
    centres_count: int = 24
    channels: int = 64
    heads: int = 4
    layers: int = 2
    decoder: tuple[int, ...] = (96, 64, 32)
    normalized: bool = False
    nearest: float = 0.01
    farthest: float = 2.5
    working_pixels: int = 80_000
    filter_window: int = 7
    filter_ratio: float = 0.8
    centres: str = "learned"
    offsets: str = "both"
    guidance: bool = True
    cue: bool = True
    laplace: bool = True
    pooling: str = "minmax"
    expectation: str = "mode"
    carry: bool = True
    trust: bool = True

    def __post_init__(self) -> None:
        """Raise ValueError for a switch that does not exist, or sizes that do not fit together."""
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is one of {', '.join(known)}; got {getattr(self, name)!r}")
        if len(self.widths) != 5 or len(self.blocks) != 5:
            raise ValueError(f"widths and blocks have 5 entries, got {self.widths} and {self.blocks}")
        if not 1 <= len(self.decoder) <= 4:
            raise ValueError(f"decoder has 1 to 4 entries, got {self.decoder}")
        if self.channels % 4 or self.channels % self.heads:
            raise ValueError(f"channels must be a multiple of 4 and of heads, got {self.channels} and {self.heads}")
        if not 0 < self.nearest < self.farthest:
            raise ValueError(f"need 0 < nearest < farthest, got {self.nearest} and {self.farthest}")
        if self.filter_window and self.filter_window % 2 == 0:
            raise ValueError(f"filter_window must be odd, got {self.filter_window}")


_CHOICES = {
    "centres": ("learned", "log", "uniform"),
    "offsets": ("both", "global", "none"),
    "pooling": ("minmax", "average", "nearest"),
    "expectation": ("mode", "all"),
}

# The paper's scale: NLSPN's early-fusion ResNet-34 without its first max pooling, and translation to full resolution.
LARGE = CludeConfig(
    widths=(64, 128, 256, 512, 512),
    blocks=(3, 4, 6, 3, 0),
    centres_count=64,
    channels=128,
    heads=8,
    layers=4,
    decoder=(128, 96, 64, 48),
    normalized=True,
    working_pixels=330_000,
)


class _Context(NamedTuple):
    image: NDArray[np.uint8] | None
    small: NDArray[np.uint8] | None
    sparse: FloatImage
    seen: NDArray[np.bool_]  # points the network was shown
    step: int
    grid: tuple[int, int]


class CludeMethod:
    """See ``Method``. Inputs: ``image`` (1, 3, h, w) in [-1, 1] and ``points`` (1, 2, h, w).

    The points' channels: depth over the robust maximum, 0 = none, and 1 where the filter let the point pass.
    """

    family = "clude"
    input_names = ("image", "points")

    def __init__(self, config: CludeConfig | None = None):
        self.config = config or CludeConfig()

    def prepare(
        self, image: NDArray[np.uint8] | None, sparse: FloatImage, camera: CameraModel | None = None
    ) -> Prepared:
        """See ``Method.prepare``."""
        passed = filtered(sparse, self.config.filter_window, self.config.filter_ratio)
        scale = float(np.percentile(sparse[sparse != 0], _ROBUST))
        step = 1
        while sparse.size > self.config.working_pixels * step * step:
            step += 1
        points, chosen = gather(sparse, passed, step)
        small = shrink(image, step)
        height, width = points.shape
        padding = (0, -height % MULTIPLE, 0, -width % MULTIPLE)
        inputs = np.zeros((1, 2, height + padding[1], width + padding[3]), np.float32)
        inputs[0, 0, :height, :width] = points * np.float32(1 / scale)
        inputs[0, 1, :height, :width] = (points != 0) & np.take(passed, chosen)
        colors = np.zeros((1, 3, *inputs.shape[2:]), np.float32)
        if small is not None:
            padded = np.asarray(cv2.copyMakeBorder(small, *padding, cv2.BORDER_REPLICATE), np.uint8)
            colors[0] = np.moveaxis(padded, 2, 0)
            colors *= np.float32(1 / 127.5)
            colors -= np.float32(1)
        seen = np.zeros(sparse.shape, np.bool_)
        seen.reshape(-1)[chosen[points != 0]] = True
        seen &= passed
        context = _Context(image, small, sparse, seen, step, points.shape)
        return Prepared((colors, inputs), scale, context)

    def finish(self, outputs: Sequence[Array], prepared: Prepared) -> DepthPrediction:
        """See ``Method.finish``."""
        context: _Context = prepared.context
        height, width = context.grid
        depth, deviation, believed = (np.ascontiguousarray(o[0, 0, :height, :width]) for o in outputs)
        shape, step = context.sparse.shape, context.step
        relative = repeat(deviation / depth, step, shape)
        if step == 1:
            metres = depth * np.float32(prepared.scale)
        else:
            image = np.zeros((*shape, 3), np.uint8) if context.image is None else context.image
            small = np.zeros((*context.grid, 3), np.uint8) if context.small is None else context.small
            metres = np.float32(prepared.scale) / enlarge_guided(np.reciprocal(depth), step, image, small)
        inlier = self._inlier(metres, relative, repeat(believed, step, shape), context)
        return DepthPrediction(metres, relative * metres, inlier)

    def _inlier(self, metres: FloatImage, relative: FloatImage, believed: FloatImage, context: _Context) -> FloatImage:
        """Return the network's word on the points it was shown; the others stand or fall by the surface it saw."""
        measured = context.sparse != 0
        inlier = np.full(context.sparse.shape, np.nan, np.float32)
        inlier[context.seen] = believed[context.seen]
        others = measured & ~context.seen
        miss = np.abs(np.log(context.sparse[others] / metres[others]))
        inlier[others] = np.exp(-miss / (np.float32(_TOLERANCE) + relative[others]))
        return inlier


def filtered(sparse: FloatImage, window: int, ratio: float) -> NDArray[np.bool_]:
    """Return (H, W) True at points that nothing near stands in front of.

    A return is rejected when the other points within ``window`` x ``window`` pixels are closer than ``ratio`` of it, in
    the (geometric) mean: camera and LiDAR stand apart, so returns from behind an object appear between those from its
    surface. The closest of them would not do, as one wrong point would reject all around it. A point alone passes, and
    with ``window`` 0 every point does.
    """
    measured = sparse != 0
    if not window:
        return measured
    logs = np.log(np.where(measured, sparse, np.float32(1)))
    others = _window_sum(measured.astype(np.float32), window) - measured
    total = _window_sum(logs, window) - logs
    return measured & ((others < 0.5) | (total >= (logs + np.float32(np.log(ratio))) * others))


def _window_sum(x: FloatImage, window: int) -> FloatImage:
    """Return sums (H, W) over ``window`` x ``window`` pixels, 0 beyond the image."""
    size = (window, window)
    total = cv2.boxFilter(x, cv2.CV_32F, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(total, np.float32)


def gather(sparse: FloatImage, passed: NDArray[np.bool_], step: int) -> tuple[FloatImage, NDArray[np.int64]]:
    """Return one point per cell of ``step`` pixels, (h, w), and its index (h, w) into the flat (H, W) image.

    Of several the nearest stays, as it is what the camera sees, and one that passed before any that did not.
    """
    height, width = sparse.shape
    shape = (-(-height // step), -(-width // step))
    where = np.flatnonzero(sparse != 0)
    values = sparse.reshape(-1)[where]
    if step > 1:
        order = np.lexsort((-values, passed.reshape(-1)[where]))  # what matters most is written last
        where, values = where[order], values[order]
    cell = (where // width // step) * shape[1] + where % width // step
    points = np.zeros(shape, np.float32)
    chosen = np.zeros(shape, np.int64)
    points.reshape(-1)[cell] = values
    chosen.reshape(-1)[cell] = where
    return points, chosen


def shrink(image: NDArray[np.uint8] | None, step: int) -> NDArray[np.uint8] | None:
    """Return RGB uint8 (h, w, 3), each cell the mean of its ``step`` x ``step`` pixels."""
    if image is None or step == 1:
        return image
    bottom, right = -image.shape[0] % step, -image.shape[1] % step
    full = np.asarray(cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8)
    size = (full.shape[1] // step, full.shape[0] // step)
    return np.asarray(cv2.resize(full, size, interpolation=cv2.INTER_AREA), np.uint8)


def repeat(coarse: FloatImage, step: int, shape: tuple[int, ...]) -> FloatImage:
    """Return (H, W): each cell's value at all its pixels."""
    return np.repeat(np.repeat(coarse, step, 0), step, 1)[: shape[0], : shape[1]]
