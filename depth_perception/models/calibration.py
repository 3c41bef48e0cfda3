"""From a network's raw deviation to one whose intervals hold what they promise.

Recalibration of regression uncertainty as in Kuleshov, Fenner, Ermon, *Accurate Uncertainties for Deep Learning Using
Calibrated Regression* (ICML 2018), here one factor per density of points and per size of the raw deviation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from depth_perception.frames import FloatImage

_TABLE = 4096  # entries between the first and the last knot; a factor is then wrong by less than a thousandth


@dataclass(frozen=True)
class Calibration:
    """``log_factor[i][j]`` is added to the log of raw deviation over depth at ``log_density[i]``, ``log_raw[j]``.

    Between the knots it is linear, outside them constant. ``density`` is points per pixel. ``wide`` is how many
    calibrated deviations make a 95 % interval: errors have heavier tails than a Gaussian, for which it would be 1.96.
    """

    log_density: tuple[float, ...]
    log_raw: tuple[float, ...]
    log_factor: tuple[tuple[float, ...], ...]
    wide: float = 1.96

    def apply(self, deviation: FloatImage, depth: FloatImage, density: float) -> FloatImage:
        """Return the calibrated deviation in metres; arrays (H, W) in metres, NaN stays NaN."""
        factors = np.array(self.log_factor)
        at = np.interp(np.log(max(density, 1e-9)), self.log_density, np.arange(len(self.log_density)))
        low = min(int(at), len(factors) - 1)
        high = min(low + 1, len(factors) - 1)
        row = factors[low] + (factors[high] - factors[low]) * (at - low)
        # looked up in a fine table of logarithms: interpolating at every pixel takes ten times as long
        first, last = self.log_raw[0], max(self.log_raw[-1], self.log_raw[0] + 1e-3)
        table = np.exp(np.interp(np.linspace(first, last, _TABLE), self.log_raw, row)).astype(np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):
            place = np.log(deviation / depth)
        place -= np.float32(first)
        place *= np.float32((_TABLE - 1) / (last - first))
        np.clip(np.nan_to_num(place, copy=False), 0, _TABLE - 1, out=place)
        return np.asarray(deviation * table[np.rint(place).astype(np.int32)], np.float32)

    @classmethod
    def from_dict(cls, values: dict) -> Calibration:
        """Read what ``to_dict`` wrote."""
        rows = tuple(_floats(row) for row in values["log_factor"])
        return cls(_floats(values["log_density"]), _floats(values["log_raw"]), rows, float(values["wide"]))

    def to_dict(self) -> dict:
        """Return plain lists and numbers, for JSON."""
        return {
            "log_density": list(self.log_density),
            "log_raw": list(self.log_raw),
            "log_factor": [list(row) for row in self.log_factor],
            "wide": self.wide,
        }


def _floats(values: ArrayLike) -> tuple[float, ...]:
    return tuple(float(v) for v in np.asarray(values).ravel())
