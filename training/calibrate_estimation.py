"""How far an estimator's raw deviations must be stretched, from held-out video whose depth is known.

As training.calibrate does for completers. Depth of one image has no scale, so each image is scaled to the median of
its truth first: the calibrated deviation is that of shape, and whoever finds the scale adds how sure that is.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from depth_perception.models.calibration import Calibration
from depth_perception.models.estimator import LearnedEstimator
from training.calibrate import DENSITIES, Errors, coverage, fit
from training.datasets.video import VideoFrame

_PER_FRAME = 2_000  # pixels kept of each
_DENSITY = DENSITIES[-1]  # there are no points; a table of one row is made of this one's


def collect(estimator: LearnedEstimator, frames: Iterable[VideoFrame], seed: int = 0) -> Errors:
    """Run ``estimator`` without its calibration over frames with known depth; see ``training.calibrate.Errors``.

    Raises ValueError if no frame has a known pixel.
    """
    plain = LearnedEstimator(estimator.name, estimator.version, estimator.method, estimator.run)
    rng, parts = np.random.default_rng(seed), []
    for frame in frames:
        if frame.depth is None or not frame.depth.any():
            continue
        found = plain.infer(frame.image, frame.camera)
        where = np.flatnonzero((frame.depth > 0) & np.isfinite(found.depth))
        depth, truth = found.depth.reshape(-1)[where].astype(np.float64), frame.depth.reshape(-1)[where]
        scaled = depth * (np.median(truth) / np.median(depth))
        error, raw = np.abs(scaled - truth) / scaled, found.standard_deviation.reshape(-1)[where] / depth
        kept = rng.choice(len(where), min(_PER_FRAME, len(where)), replace=False)
        parts.append(Errors(np.full(len(kept), _DENSITY), raw[kept].astype(np.float64), error[kept]))
    if not parts:
        raise ValueError("no errors to calibrate with: no frame has known depth")
    return Errors(*(np.concatenate(x) for x in zip(*parts)))


def calibrate(errors: Errors) -> Calibration:
    """Return the calibration under which 68.3 % of ``errors`` lie within one deviation; it asks for no density."""
    found = fit(errors)
    return Calibration((0.0,), found.log_raw, found.log_factor[-1:], found.wide)


def held(calibration: Calibration, errors: Errors) -> tuple[float, float]:
    """Return the shares of ``errors`` within the 68 % and the 95 % interval."""
    return coverage(calibration, errors)
