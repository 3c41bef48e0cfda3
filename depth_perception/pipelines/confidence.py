"""From a standard deviation to a probability that people can set a threshold on."""

from __future__ import annotations

import math

import numpy as np

from depth_perception.frames import FloatImage

RELATIVE_ERROR = 0.1  # the confidence is the probability to stay below this share of the depth

# erf is not in NumPy; between knots this close, linear interpolation is exact to 1e-6
_KNOTS = np.linspace(0.0, 4.0, 4001)
_ERF = np.array([math.erf(knot) for knot in _KNOTS])


def confidence(depth: FloatImage, standard_deviation: FloatImage) -> FloatImage:
    """Return the probability that the relative depth error is below 10 %, for normal errors.

    ``depth`` and ``standard_deviation`` are (height, width) in metres; the result is float32 in
    [0, 1] of the same shape, 0 where the depth is unknown.
    """
    known = np.isfinite(depth) & np.isfinite(standard_deviation) & (standard_deviation >= 0)
    allowed = RELATIVE_ERROR * np.where(known, depth, 0.0)
    spread = math.sqrt(2.0) * np.where(known, standard_deviation, 1.0)
    argument = np.divide(allowed, spread, out=np.full(depth.shape, 4.0), where=spread > 0)
    return np.where(known, np.interp(argument, _KNOTS, _ERF), 0.0).astype(np.float32)
