"""What the points around a cell say, one by one: the surfaces a network chooses from, and why it should.

Every cell hears nine points (see ``neighborhood``), each with its plane. The hand-made weights of ``blend`` are the
start; what they were made of is handed on, so that a network can learn better ones. Where an estimator has said what
shape the image shows, each point offers a second surface: that shape, moved so that it passes through the point. And
there is what simple completers say: the triangles between points, which foresee nothing, the closest point, and what
points say spread along colours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import FloatImage
from depth_perception.models.blend import BlendSettings, color_change, settle, weighted_sum
from depth_perception.models.neighborhood import Neighborhood
from depth_perception.models.parallel import bands, parallel_map
from depth_perception.models.surfels import FARTHER, NEARER, Surfels

HEARD = 9  # points a cell hears
ABOUT = 9  # numbers about each
SIMPLE = 4  # what simple completers say
_ALIKE = 0.03
_BELIEVED = 0.1  # least belief in a point that is asked as the closest one


class Candidates(NamedTuple):
    """``inverse`` (h, w): the hand-made blend in 1/m. ``about`` (9, 9, h, w): nine numbers about each of nine planes.

    These are: log depth relative to the blend; log of the hand-made weight; distance of its point in blocks, and beyond
    the closest one's; log of the belief; change of colour on the way; log of the misfit of its plane; how far others
    agree; how far its plane is stretched. ``cell`` (9, h, w): where its point lies, as a flat index. ``moved``
    (9, 2, h, w) is about the estimated shape through each of the points, None without one: log depth relative to the
    blend, and how far the shape rises from the point to the cell. ``between`` (2, h, w) is about the triangles between
    points, None if they were not asked for: log depth relative to the blend, and 1 inside of them or 0. ``simple``
    (4, h, w), None likewise: log depth relative to the blend of planes spread along colours, of depths spread along
    colours, of triangles linear in metres, and of the closest point.
    """

    inverse: FloatImage
    about: FloatImage
    cell: FloatImage
    moved: FloatImage | None = None
    between: FloatImage | None = None
    simple: FloatImage | None = None


def gather(
    points: Neighborhood,
    planes: Surfels,
    guide: FloatImage | None,
    settings: BlendSettings,
    shape: FloatImage | None = None,
    triangles: FloatImage | None = None,
    spread: FloatImage | None = None,
    multiple: int = 1,
) -> Candidates:
    """Collect the candidates of every cell; ``guide`` is float32 (channels, h, w) in [0, 1] or None.

    ``shape`` (h, w): logarithm of estimated depth, of any scale, or None. ``triangles`` (2, h, w): what the function
    ``triangles.interpolate`` returns, or None. ``spread`` (2, h, w): what the function
    ``smoothing.spread_surfaces`` returns, where simple completers
    are to be heard as well. All arrays but ``inverse`` are as large as the grid or larger, until their sides are
    multiples of ``multiple``: beyond the grid its border is repeated, and ``cell`` counts in rows of that width.
    """
    height, width = points.shape
    log_belief = np.log(np.maximum(planes.belief, np.float32(1e-6)))
    colors = None if guide is None else guide[:, points.rows, points.columns]
    size = -(-height // multiple) * multiple, -(-width // multiple) * multiple
    own_cell = (points.rows * size[1] + points.columns).astype(np.float32)
    near_all = points.near
    if len(near_all) < HEARD:  # too few points for nine groups
        near_all = np.concatenate([near_all] * HEARD)[:HEARD]
    about_all = np.empty((HEARD, ABOUT, *size), np.float32)
    about = about_all[..., :height, :width]
    center_all = np.empty((height, width), np.float32)
    moved_all = None if shape is None else np.empty((HEARD, 2, *size), np.float32)
    moved = None if moved_all is None else moved_all[..., :height, :width]
    shape_there = None if shape is None else shape[points.rows, points.columns]

    log_inverse, log_residual = np.log(points.inverse), np.log(planes.residual + np.float32(1e-3))
    soft = np.float32(0.3 + 0.1 * points.block**2)

    def work(band: slice) -> None:
        # arrays are (9, rows, w) unless said; written over as soon as they have served, as in ``blend``
        near = near_all[:, band]
        y = np.arange(band.start, band.stop, dtype=np.float32)[:, None]
        x = np.arange(width, dtype=np.float32)
        py, px = np.take(points.y, near), np.take(points.x, near)
        out = about[:, :, band]
        weight = np.take(log_belief, near)
        out[:, 4] = weight
        if guide is not None and colors is not None:
            change = color_change(guide, colors, near, py, px, band)
            out[:, 5] = change
            change *= np.float32(settings.color)
            weight -= change
        else:
            out[:, 5] = 0
        py -= y
        px -= x
        away = np.square(py, out=py)
        away += np.square(px, out=px)
        closest = away.min(0)
        np.subtract(away, closest, out=px)
        px *= np.float32(settings.falloff) / (closest + soft)
        weight -= px
        weight -= weight.max(0)
        np.exp(weight, out=weight)
        distance = np.sqrt(away, out=away)
        distance *= np.float32(1 / points.block)
        out[:, 2] = distance
        np.subtract(distance, distance.min(0), out=out[:, 3])
        value = np.take(planes.gy, near)
        value *= y
        value += np.take(planes.offset, near)
        slope = np.take(planes.gx, near)
        slope *= x
        value += slope
        inverse = np.take(points.inverse, near)
        np.clip(value, inverse.min(0) * np.float32(FARTHER), inverse.max(0) * np.float32(NEARER), out=value)
        share, total = slope, weight.sum(0)
        np.copyto(share, weight)
        center = weighted_sum(weight, value) / total
        center, total = settle(weight, value, center, total, settings.scales, px, share)
        share /= total
        center_all[band] = center
        relative = np.multiply(value, np.float32(1 / _ALIKE) / center, out=px)
        _agreement(relative, share, out[:, 7])
        share += np.float32(1e-4)
        np.log(share, out=out[:, 1])
        logarithm = np.log(value, out=value)
        log_center = np.log(center)
        np.subtract(log_center, logarithm, out=out[:, 0])
        np.subtract(logarithm, np.take(log_inverse, near), out=out[:, 8])
        out[:, 6] = np.take(log_residual, near)
        if moved is not None and shape is not None and shape_there is not None:
            rise = np.subtract(shape[band], np.take(shape_there, near), out=moved[:, 1, band])
            np.subtract(log_center, np.take(log_inverse, near), out=moved[:, 0, band])
            moved[:, 0, band] += rise

    parallel_map(work, bands(height, settings.bands))
    between, others = None, None
    if triangles is not None:
        # among equally close ones any will do; one that nobody believes only where there is no other
        trust = np.where(planes.belief > _BELIEVED, np.float32(0), np.float32(1e3))
        closest = (about[:, 2] + np.take(trust, near_all)).argmin(0)
        nearest = np.take(points.inverse, np.take_along_axis(near_all, closest[None], 0)[0])
        inside = np.isfinite(triangles[0])
        said = [np.where(inside, triangles[0], nearest)]
        if spread is not None:
            said += [*spread, np.where(inside, triangles[1], nearest), nearest]
        told = np.log(center_all / np.stack(said))
        between = _with_border(np.stack([told[0], inside]), size)
        others = None if spread is None else _with_border(told[1:], size)
    for values in (about_all, moved_all):
        if values is not None:
            repeat_border(values, height, width)
    cell = _with_border(np.take(own_cell, near_all), size)
    return Candidates(center_all, about_all, cell, moved_all, between, others)


def _with_border(values: NDArray, size: tuple[int, int]) -> FloatImage:
    """Return ``values`` (k, h, w) at ``size`` (H, W), their border repeated to the right and below."""
    height, width = values.shape[-2:]
    out = np.empty((*values.shape[:-2], *size), np.float32)
    out[..., :height, :width] = values
    repeat_border(out, height, width)
    return out


def repeat_border(values: FloatImage, height: int, width: int) -> None:
    """Write the last of ``height`` rows and ``width`` columns of (..., H, W) over all that follow."""
    values[..., :height, width:] = values[..., :height, width - 1 : width]
    values[..., height:, :] = values[..., height - 1 : height, :]


def _agreement(relative: FloatImage, share: FloatImage, out: FloatImage) -> None:
    """Write how heavy those are that say the same as each, itself among them; arrays (9, rows, w).

    ``relative`` is in units of what counts as half the same. With few disagreeing neighbours this tells how many stand
    behind each.
    """
    out[:] = share
    alike_all, part_all = np.empty_like(relative[1:]), np.empty_like(relative[1:])
    for one in range(1, HEARD):
        alike, part = alike_all[:one], part_all[:one]
        np.subtract(relative[:one], relative[one], out=alike)
        np.square(alike, out=alike)
        alike += 1
        np.reciprocal(alike, out=alike)
        out[one] += weighted_sum(alike, share[:one])
        out[:one] += np.multiply(alike, share[one], out=part)
