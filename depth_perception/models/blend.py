"""From the planes of the points to one value a grid cell.

Every cell hears the nine points around it. A point's weight falls with its distance, with the colour changes met on the
straight way to it, and with disbelief. The values are then not averaged but agreed upon: reweighting by
Cauchy weights of shrinking scale settles on one surface where two compete, which keeps edges sharp.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_perception.models.neighborhood import Neighborhood
from depth_perception.models.parallel import bands, parallel_map
from depth_perception.models.surfels import FARTHER, NEARER, Surfels

Array = NDArray[np.float32]


class BlendSettings(NamedTuple):
    """How neighbours are weighed.

    ``falloff``: how fast weight falls with distance; ``color``: how fast with colour change, 0: unguided;
    ``scales``: relative differences at which a value counts half, one iteration each; ``channels``: 3 for colour, 1
    for grey as a faster guide; ``bands``: parts the grid is cut into, to stay in the cache.
    """

    falloff: float = 0.3
    color: float = 3.0
    scales: tuple[float, ...] = (0.1, 0.03, 0.03)
    channels: int = 3
    bands: int = 8


class Blend(NamedTuple):
    """Per cell (h, w): ``inverse`` depth in 1/m, and what its standard deviation is made from, all relative to it.

    ``agreement``: spread of the values on the surface settled on; ``dispute``: spread of all of them; ``distance`` to
    the nearest believed point in blocks; ``residual``: misfit of the planes heard.
    """

    inverse: Array
    agreement: Array
    dispute: Array
    distance: Array
    residual: Array


def blend(points: Neighborhood, surfels: Surfels, guide: Array | None, settings: BlendSettings) -> Blend:
    """Blend the surfels over the grid; ``guide`` is float32 (channels, h, w) in [0, 1] or None."""
    height, width = points.shape
    log_belief = np.log(np.maximum(surfels.belief, np.float32(1e-12)))
    colors = None if guide is None else guide[:, points.rows, points.columns]  # (channels, n)

    def work(band: slice) -> tuple[Array, ...]:
        # arrays are (k, rows, w) unless said; they are written over as soon as they have served, which halves the time
        near = points.near[:, band]
        y = np.arange(band.start, band.stop, dtype=np.float32)[:, None]
        x = np.arange(width, dtype=np.float32)
        py, px = np.take(points.y, near), np.take(points.x, near)
        logarithm = np.take(log_belief, near)
        if guide is not None and colors is not None and settings.color:
            change = color_change(guide, colors, near, py, px, band)
            change *= np.float32(settings.color)
            logarithm -= change
        py -= y
        px -= x
        away = np.square(py, out=py)  # in cells squared
        away += np.square(px, out=px)
        closest = away.min(0)
        soft = np.float32(settings.falloff) / (closest + np.float32(0.3 + 0.1 * points.block**2))
        np.subtract(away, closest, out=px)
        px *= soft
        logarithm -= px
        logarithm -= logarithm.max(0)
        weight = np.exp(logarithm, out=logarithm)
        weight /= weight.sum(0)
        value = np.take(surfels.gy, near)
        value *= y
        value += np.take(surfels.offset, near)
        slope = np.take(surfels.gx, near)
        slope *= x
        value += slope
        inverse = np.take(points.inverse, near)
        np.clip(value, inverse.min(0) * np.float32(FARTHER), inverse.max(0) * np.float32(NEARER), out=value)
        center = weighted_sum(weight, value)
        off, share, total = inverse, slope, weight.sum(0)
        center, total = settle(weight, value, center, total, settings.scales, off, share)
        np.multiply(value, 1 / center, out=off)
        off -= 1
        np.square(off, out=off)
        agreement = np.sqrt(weighted_sum(share, off) / total)
        dispute = np.sqrt(weighted_sum(weight, off))
        distance = np.sqrt(weighted_sum(weight, away)) * np.float32(1 / points.block)
        residual = weighted_sum(weight, np.take(surfels.residual, near))
        return center, agreement, dispute, distance, residual

    parts = parallel_map(work, bands(height, settings.bands))
    return Blend(*(np.concatenate(field) for field in zip(*parts)))


def settle(
    weight: Array, value: Array, center: Array, total: Array, scales: tuple[float, ...], off: Array, share: Array
) -> tuple[Array, Array]:
    """Return the value (rows, w) that ``value`` (k, rows, w) agree on, from ``center`` on, and the weight behind it.

    One iteration for each of the relative ``scales``. ``off`` and ``share`` (k, rows, w) are written over; ``share``
    ends as the weights of the last iteration. Without any scale ``center`` and ``total`` come back.
    """
    for scale in scales:
        np.multiply(value, 1 / (center * np.float32(scale)), out=off)
        off -= np.float32(1 / scale)
        np.square(off, out=off)
        off += 1
        np.divide(weight, off, out=share)
        total = share.sum(0)
        center = weighted_sum(share, value) / total
    return center, total


def weighted_sum(weight: Array, value: Array) -> Array:
    """Return the weighted sum over the neighbours (k, rows, w), (rows, w)."""
    return np.asarray(np.einsum("kij,kij->ij", weight, value), np.float32)


def color_change(guide: Array, colors: Array, near: NDArray[np.int64], py: Array, px: Array, band: slice) -> Array:
    """Sum of colour changes from each cell to the middle of the way and from there to the point."""
    width = guide.shape[2]
    y = np.arange(band.start, band.stop, dtype=np.float32)[:, None] + 1  # halves are rounded up
    x = np.arange(width, dtype=np.float32) + 1
    middle = ((py + y) * np.float32(0.5)).astype(np.int32)
    middle *= width
    middle += ((px + x) * np.float32(0.5)).astype(np.int32)
    change = np.zeros(near.shape, np.float32)
    for channel, values in zip(guide, colors):
        between = np.take(channel.reshape(-1), middle, mode="clip")
        theirs = np.take(values, near)
        theirs -= between
        between -= channel[band]
        change += np.abs(between, out=between)
        change += np.abs(theirs, out=theirs)
    return change
