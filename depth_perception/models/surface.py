"""The steps both completers share: points to planes, planes to a grid, grid to the image, with its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import DepthPrediction, FloatImage
from depth_perception.models import neighborhood, surfels
from depth_perception.models.blend import Blend, BlendSettings, blend
from depth_perception.models.dense import keep_measurements, nearest
from depth_perception.models.neighborhood import Neighborhood
from depth_perception.models.smoothing import spread_surfaces
from depth_perception.models.surfels import NARROW, SHRINKING, Surfels
from depth_perception.models.upsample import enlarge, enlarge_guided

_NOISE = (0.010, 0.016)  # usual relative misfit of neighbours at which noise begins to count, and counts fully
_ALIKE = 0.1  # relative difference to the blend below which a point is heard beside it
_SURER = 0.65  # deviation of the middle of three voices over that of the blend, fitted on the same recordings
_BELIEVED = 0.5  # least belief in a point whose plane is
_WRONG, _FEW_WRONG = 0.1, 0.005  # belief below which a point is wrong, and up to which share of such ones all are heard


@dataclass(frozen=True)
class SurfaceSettings:
    """What the two completers do differently.

    ``cells``: most cells of the working grid; ``cells_per_block``: cells wished for across the reach of a
    point;
    ``coarsest``: widest cell in pixels where ``cells`` allow it; ``starts`` of the plane fits; beyond ``many`` points
    these take two iterations each and the guide is grey; ``sharpen``: draw depth edges at full resolution along the
    image's; ``voices``: 1 for the blend alone, 3 for what lies in the middle of it, planes spread along colours and the
    closest point, which is better where points are dense.
    """

    cells: int = 120_000
    cells_per_block: int = 5
    coarsest: int = 4
    starts: tuple[tuple[float, ...], ...] = (NARROW, SHRINKING)
    many: int = 5_000
    sharpen: bool = True
    voices: int = 1
    blend: BlendSettings = field(default_factory=BlendSettings)


def grid_step(shape: tuple[int, ...], block: int, settings: SurfaceSettings) -> int:
    """Return the edge of a grid cell in pixels: fine enough for the points, coarse enough for the time.

    Resolution follows density: ``cells_per_block`` cells lie across a block, the reach of a point in pixels.
    """
    area = shape[0] * shape[1]
    step = min(max(block // settings.cells_per_block, 1), settings.coarsest)
    while area > settings.cells * step * step:
        step += 1
    return step


def complete(image: NDArray[np.uint8] | None, sparse: FloatImage, settings: SurfaceSettings) -> DepthPrediction:
    """Complete checked inputs with at least one point; see ``Completer.infer`` for shapes and units."""
    measured = np.flatnonzero(sparse != 0)  # comparing first is ten times as fast as flatnonzero of floats
    rows, columns = np.divmod(measured, sparse.shape[1])
    step = grid_step(sparse.shape, neighborhood.block_size(rows, columns, sparse.shape), settings)
    points = neighborhood.build(sparse, step)
    planes = surfels.fit(points, _starts(points, settings))
    small: NDArray[np.uint8] | None = None
    guide: FloatImage | None = None
    if image is not None:
        size = (points.shape[1], points.shape[0])
        small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        guide = _channels(small, settings.blend.channels if len(measured) <= settings.many else 1)
    surface = blend(points, planes, guide, settings.blend)
    deviation = enlarge(relative_deviation(surface, planes), step, sparse.shape)
    if image is not None and small is not None and settings.sharpen:
        inverse = enlarge_guided(surface.inverse, step, image, small)
    else:
        inverse = enlarge(surface.inverse, step, sparse.shape)
    if settings.voices > 1:
        inverse = _middle(inverse, points, planes, small, sparse)
    depth = np.reciprocal(inverse)
    deviation *= depth
    inlier = keep_measurements(depth, deviation, sparse, measured)
    own = inlier.reshape(-1)[points.pixels]  # those that came onto the grid were also judged by their neighbours
    inlier.reshape(-1)[points.pixels] = np.minimum(planes.belief, own)
    if settings.voices > 1:
        deviation *= np.float32(_SURER)
    return DepthPrediction(depth, deviation, inlier)


def _middle(
    blended: FloatImage, points: Neighborhood, planes: Surfels, small: NDArray[np.uint8] | None, sparse: FloatImage
) -> FloatImage:
    """Return the median (H, W) of what the blend, planes spread along colours and the closest point say, in 1/m.

    Where points are so close to each other, what they contradict each other by is their noise. The more there is, the
    more of the answer comes from planes spread alone, and the farther they spread.
    """
    noise = float(np.interp(np.median(planes.residual), _NOISE, (0, 1)))
    guide = None if small is None else _channels(small, 3)
    taken = np.flatnonzero(sparse != 0)
    inverse = 1 / sparse.reshape(-1)[taken]
    # where hardly anybody is wrong, whoever differs from the blend is an edge; where some are, it may be one of them
    strict = (planes.belief < _WRONG).mean() > _FEW_WRONG
    right = np.abs(inverse / blended.reshape(-1)[taken] - 1) < (_ALIKE if strict else np.inf)
    heard = right[np.searchsorted(taken, points.pixels)] & (planes.belief > (_BELIEVED if strict else _WRONG))
    if not heard.any():
        return blended
    planes = replace(planes, belief=np.where(heard, planes.belief, np.float32(0)))
    (spread,) = spread_surfaces(points, planes, guide, flat=False, wider=1 + noise)
    spread = enlarge(spread, points.step, sparse.shape)
    grid = np.zeros_like(sparse)
    grid.reshape(-1)[taken] = np.where(right, inverse, 0)
    closest, _ = nearest(grid, taken[right])
    middle = np.clip(closest, np.minimum(blended, spread), np.maximum(blended, spread))
    return np.asarray(middle + np.float32(noise) * (spread - middle), np.float32)


def _starts(points: Neighborhood, settings: SurfaceSettings) -> Sequence[Sequence[float]]:
    """Choose how much work the plane fits may be: slopes hardly matter where neighbours touch."""
    count, cells = len(points.rows), points.shape[0] * points.shape[1]
    if count <= settings.many:
        return settings.starts
    return () if count * 3 > cells else tuple(start[:2] for start in settings.starts)


def _channels(small: NDArray[np.uint8], channels: int) -> FloatImage:
    """Return the guide as float32 (channels, h, w); one grey channel weighs as much as three of colour."""
    if channels == 1:
        return (cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32) * np.float32(3 / 255))[None]
    return np.ascontiguousarray(np.moveaxis(small, 2, 0)).astype(np.float32) / np.float32(255)


# Standard deviation relative to depth, fitted on held-out pixels of real recordings: a floor, then what each sign of
# trouble adds in quadrature. ``_BEYOND`` is not fitted, as nothing is measured there to fit it on: it makes sure that
# guesses far outside the points say so.
_FLOOR, _AGREEMENT, _DISPUTE, _RESIDUAL, _FRAME, _FRAME_DISTANCE = 0.0015, 1.5, 0.2, 0.18, 0.105, 0.165
_BEYOND, _USUAL_DISTANCE = 0.05, 1.5  # share of depth a block of distance beyond the usual, in blocks


def relative_deviation(surface: Blend, planes: Surfels) -> FloatImage:
    """Return (h, w) standard deviation over depth.

    Beside what the neighbours of a cell say, it knows how badly the points of this frame predict each other.
    """
    frame = np.float32(np.median(planes.residual))
    variance = np.float32(_FLOOR**2) + np.square(np.float32(_AGREEMENT) * surface.agreement)
    variance += np.square(np.float32(_DISPUTE) * surface.dispute) + np.square(np.float32(_RESIDUAL) * surface.residual)
    variance += np.square(surface.distance * (np.float32(_FRAME_DISTANCE) * frame))
    variance += np.square(np.maximum(surface.distance - np.float32(_USUAL_DISTANCE), 0) * np.float32(_BEYOND))
    return np.sqrt(variance + np.square(np.float32(_FRAME) * frame))
