"""The calibration step: how far raw deviations must be stretched so that intervals hold what they promise.

Errors of the finished network are collected on held-out frames seen by random sensors. A factor makes 68 % of the
errors lie within one deviation, and one number tells how many deviations hold 95 %. The factor may be a table by
density of points and size of the raw deviation, which fits frames of one kind better. From worlds to real recordings
one factor carries over better: what is easy in a world comes out almost exact, and no sensor is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_perception.evaluation.sensors import Frame, Scan, random_sensor
from depth_perception.models.calibration import Calibration
from depth_perception.models.learned import LearnedCompleter
from training.datasets.rendered import load_frame

DENSITIES = (1e-4, 1e-3, 4e-3, 1.5e-2, 6e-2, 0.25)  # points per pixel, knots
KNOTS = 8  # over the raw deviation
_PER_FRAME = 2_000  # pixels kept of each


class Errors(NamedTuple):
    """Of n pixels: ``density`` of their frame's points, ``raw`` relative deviation, ``error`` over depth; each (n,)."""

    density: NDArray[np.float64]
    raw: NDArray[np.float64]
    error: NDArray[np.float64]


def collect(
    completer: LearnedCompleter,
    files: Iterable[Path],
    seed: int = 0,
    scan: Callable[[Frame, np.random.Generator], Scan] | None = None,
) -> Errors:
    """Run ``completer`` without its calibration over frames, a random sensor each; measured pixels are left out.

    So are frames that its network is not asked about. ``scan`` draws what a sensor sees, by default the mix of
    training. Raises ValueError if no frame has a pixel left.
    """
    plain = LearnedCompleter(completer.name, completer.version, completer.method, completer.run)
    parts = []
    for index, file in enumerate(files):
        rng = np.random.default_rng([seed, index])
        frame = load_frame(file)
        seen = scan(frame, rng) if scan else random_sensor(rng).scan(frame, rng)
        if not seen.sparse.any() or not completer.method.prepare(frame.image, seen.sparse, frame.camera).inputs:
            continue
        prediction = plain.infer(frame.image, seen.sparse, frame.camera)
        where = np.flatnonzero((frame.depth > 0) & (seen.sparse == 0))
        if not len(where):
            continue
        where = rng.choice(where, min(_PER_FRAME, len(where)), replace=False)
        depth, deviation = prediction.depth.reshape(-1)[where], prediction.standard_deviation.reshape(-1)[where]
        error = np.abs(depth - frame.depth.reshape(-1)[where]) / depth
        density = np.full(len(where), np.count_nonzero(seen.sparse) / seen.sparse.size)
        parts.append(Errors(density, (deviation / depth).astype(np.float64), error))
    if not parts:
        raise ValueError("no errors to calibrate with: no frame has both a measured point and a known pixel beside it")
    return Errors(*(np.concatenate(x) for x in zip(*parts)))


def fit(errors: Errors, tabled: bool = True) -> Calibration:
    """Return the calibration under which 68.3 % of ``errors`` lie within one deviation and 95 % within ``wide``.

    Without ``tabled`` one factor is the same for all.
    """
    if not tabled:
        ratio = errors.error / errors.raw
        factor = _log_quantile(ratio, 0.683)
        wide = float(np.quantile(ratio, 0.95)) / math.exp(factor)
        return Calibration((0.0,), (0.0,), ((factor,),), wide)
    density, raw = np.log(np.maximum(errors.density, 1e-9)), np.log(errors.raw)
    ratio = errors.error / errors.raw
    knots = np.quantile(raw, np.linspace(0.02, 0.98, KNOTS))
    centers = np.log(np.array(DENSITIES))
    overall = _log_quantile(ratio, 0.683)
    table = np.full((len(centers), KNOTS), overall)
    for i, center in enumerate(centers):
        near = np.abs(density - center) < 1.0
        for j in range(KNOTS):
            low = knots[max(j - 1, 0)] if j else -math.inf
            high = knots[min(j + 1, KNOTS - 1)] if j < KNOTS - 1 else math.inf
            inside = near & (raw >= low) & (raw <= high)
            count = int(inside.sum())
            if count:
                # few errors say little: pulled towards what holds for all
                share = count / (count + 500)
                table[i, j] = share * _log_quantile(ratio[inside], 0.683) + (1 - share) * overall
    rows = tuple(tuple(map(float, row)) for row in table)
    first = Calibration(tuple(map(float, centers)), tuple(map(float, knots)), rows)
    rest = errors.error / _applied(first, errors)
    shift = _log_quantile(rest, 0.683)  # interpolation between the knots leaves a little
    rows = tuple(tuple(float(v + shift) for v in row) for row in table)
    wide = float(np.quantile(rest / math.exp(shift), 0.95))
    return Calibration(first.log_density, first.log_raw, rows, wide)


def coverage(calibration: Calibration, errors: Errors) -> tuple[float, float]:
    """Return the shares of ``errors`` within the 68 % and the 95 % interval."""
    ratio = errors.error / _applied(calibration, errors)
    return float(np.mean(ratio <= 1)), float(np.mean(ratio <= calibration.wide))


def _applied(calibration: Calibration, errors: Errors) -> NDArray[np.float64]:
    out = np.empty_like(errors.raw)
    for value in np.unique(errors.density):
        of = errors.density == value
        raw = errors.raw[of].astype(np.float32)
        out[of] = calibration.apply(raw, np.ones_like(raw), float(value))
    return out


def _log_quantile(values: NDArray[np.float64], share: float) -> float:
    return float(np.log(max(np.quantile(values, share), 1e-6)))
