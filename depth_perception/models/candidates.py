"""What the points around a cell say, one by one: the surfaces a network chooses from, and why it should.

Every cell hears nine points (see ``neighborhood``), each with its plane. The hand-made weights of ``blend`` are the
start; what they were made of is handed on, so that a network can learn better ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import FloatImage
from depth_perception.models.blend import BlendSettings, color_change
from depth_perception.models.neighborhood import Neighborhood
from depth_perception.models.parallel import bands, parallel_map
from depth_perception.models.surfels import Surfels

HEARD = 9  # points a cell hears
ABOUT = 9  # numbers about each
_SCALES = (0.1, 0.03)
_FARTHER, _NEARER = 0.9, 1.6
_ALIKE = 0.03


class Candidates(NamedTuple):
    """``inverse`` (h, w): the hand-made blend in 1/m. ``about`` (9, 9, h, w): nine numbers about each of nine planes.

    These are: log depth relative to the blend; log of the hand-made weight; distance of its point in blocks, and beyond
    the closest one's; log of the belief; change of colour on the way; log of the misfit of its plane; how far others
    agree; how far its plane is stretched. ``cell`` int64 (9, h, w): where its point lies, as a flat index.
    """

    inverse: FloatImage
    about: FloatImage
    cell: NDArray[np.int64]


def gather(points: Neighborhood, planes: Surfels, guide: FloatImage | None, settings: BlendSettings) -> Candidates:
    """Collect the candidates of every cell; ``guide`` is float32 (channels, h, w) in [0, 1] or None."""
    height, width = points.shape
    log_belief = np.log(np.maximum(planes.belief, np.float32(1e-6)))
    colors = None if guide is None else guide[:, points.rows, points.columns]
    own_cell = points.rows * width + points.columns
    near_all = points.near
    if len(near_all) < HEARD:  # too few points for nine groups
        near_all = np.concatenate([near_all] * HEARD)[:HEARD]
    about = np.empty((HEARD, ABOUT, height, width), np.float32)
    center_all = np.empty((height, width), np.float32)

    def work(band: slice) -> None:
        near = near_all[:, band]
        y = np.arange(band.start, band.stop, dtype=np.float32)[:, None]
        x = np.arange(width, dtype=np.float32)
        py, px = np.take(points.y, near), np.take(points.x, near)
        out = about[:, :, band]
        belief = np.take(log_belief, near)
        logarithm = belief.copy()
        if guide is not None and colors is not None:
            change = color_change(guide, colors, near, py, px, band)
            logarithm -= change * np.float32(settings.color)
            out[:, 5] = change
        else:
            out[:, 5] = 0
        away = np.square(py - y)
        away += np.square(px - x)
        closest = away.min(0)
        logarithm -= (away - closest) * (
            np.float32(settings.falloff) / (closest + np.float32(0.3 + 0.1 * points.block**2))
        )
        logarithm -= logarithm.max(0)
        weight = np.exp(logarithm)
        value = np.take(planes.gy, near) * y
        value += np.take(planes.offset, near)
        value += np.take(planes.gx, near) * x
        inverse = np.take(points.inverse, near)
        np.clip(value, inverse.min(0) * np.float32(_FARTHER), inverse.max(0) * np.float32(_NEARER), out=value)
        center = np.einsum("kij,kij->ij", weight, value) / weight.sum(0)
        share = weight
        for scale in _SCALES:
            share = weight / (1 + np.square(value / (center * np.float32(scale)) - np.float32(1 / scale)))
            center = np.einsum("kij,kij->ij", share, value) / share.sum(0)
        share = share / share.sum(0)
        # with few disagreeing neighbours this tells how many, and how heavy, those are that say the same
        relative = value / center
        alike = np.zeros_like(value)
        for other in range(HEARD):
            miss = (relative - relative[other]) * np.float32(1 / _ALIKE)
            alike += share[other] / (1 + miss * miss)
        center_all[band] = center
        distance = np.sqrt(away)
        out[:, 0] = -np.log(relative)
        out[:, 1] = np.log(share + np.float32(1e-4))
        out[:, 2] = distance * np.float32(1 / points.block)
        out[:, 3] = (distance - np.sqrt(closest)) * np.float32(1 / points.block)
        out[:, 4] = belief
        out[:, 6] = np.log(np.take(planes.residual, near) + np.float32(1e-3))
        out[:, 7] = alike
        out[:, 8] = np.log(value / inverse)

    parallel_map(work, bands(height, settings.bands))
    return Candidates(center_all, about, np.take(own_cell, near_all))
