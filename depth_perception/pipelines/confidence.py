"""From a standard deviation to a probability that people can set a threshold on."""

from __future__ import annotations

import math

import numpy as np

from depth_perception.frames import GAUSSIAN_95, FloatImage

RELATIVE_ERROR = 0.1  # the confidence is the probability to stay below this share of the depth

# erf is not in NumPy; between knots this close, linear interpolation is exact to 1e-6
_KNOTS = np.linspace(0.0, 4.0, 4001)
_ERF = np.array([math.erf(knot) for knot in _KNOTS])


def confidence(depth: FloatImage, standard_deviation: FloatImage, wide: float = GAUSSIAN_95) -> FloatImage:
    """Return the probability that the relative depth error is below 10 %.

    ``depth`` and ``standard_deviation`` are (height, width) in metres; the result is float32 in [0, 1] of the same
    shape, 0 where the depth is unknown. Errors are taken as normal up to one deviation, where 68 % of them are, and
    beyond it stretched so that ``wide`` deviations hold 95 %: a calibrated model's tails are heavier.
    """
    known = np.isfinite(depth) & np.isfinite(standard_deviation) & (standard_deviation >= 0)
    allowed = RELATIVE_ERROR * np.where(known, depth, 0.0)
    spread = np.where(known, standard_deviation, 1.0)
    deviations = np.divide(allowed, spread, out=np.full(depth.shape, np.inf), where=spread > 0)
    normal = np.interp(deviations, (0.0, 1.0, wide), (0.0, 1.0, GAUSSIAN_95))
    slope = (GAUSSIAN_95 - 1) / (wide - 1)
    normal = np.where(deviations > wide, GAUSSIAN_95 + (deviations - wide) * slope, normal)
    return np.where(known, np.interp(normal / math.sqrt(2.0), _KNOTS, _ERF), 0.0).astype(np.float32)
