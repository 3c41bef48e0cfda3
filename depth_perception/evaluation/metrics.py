"""Depth metrics from sums: an update returns sufficient statistics, merging adds them, compute divides.

Adding the sums of two frames gives the sums of both, so streaming over a recording, merging parts
and scoring one frame alone all use the same numbers. Everything is float64 and summed in pixel order,
which makes two runs agree to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from depth_perception.frames import GAUSSIAN_95

RANGE_EDGES = (0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 40.0, 60.0, 80.0, float("inf"))
"""Borders [m] of the range bins; a bin holds lower <= true depth < upper."""

CALIBRATION_LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.68268949, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Nominal shares of errors that a Gaussian of the claimed standard deviation puts inside +-k sigma."""

_WIDTHS = tuple(NormalDist().inv_cdf((1.0 + level) / 2.0) for level in CALIBRATION_LEVELS)
_FIELDS = (
    "scored",  # true depths looked at
    "count",  # of these, how many the model answered
    "absolute",
    "squared",
    "inverse_absolute",
    "inverse_squared",
    "relative",
    "squared_relative",
    "log10",
    "signed",
    "delta1",
    "delta2",
    "delta3",
    "with_deviation",  # answered and with a finite positive standard deviation
    "deviation",
    "squared_z",
    "inside_wide",  # within the 95 % interval that the model claims
)
_INDEX = {name: index for index, name in enumerate(_FIELDS)}
_COLUMNS = len(_FIELDS) + len(CALIBRATION_LEVELS)

METRICS = {
    "mae": ("MAE", "m", "mean absolute error"),
    "rmse": ("RMSE", "m", "root of the mean squared error"),
    "imae": ("iMAE", "1/km", "mean absolute error of inverse depth"),
    "irmse": ("iRMSE", "1/km", "root of the mean squared error of inverse depth"),
    "abs_rel": ("AbsRel", "", "mean of |error| / true depth"),
    "sq_rel": ("SqRel", "m", "mean of error^2 / true depth"),
    "log10": ("log10", "", "mean of |log10(depth) - log10(true depth)|"),
    "bias": ("Bias", "m", "mean signed error, positive where the answer is too far"),
    "delta1": ("δ<1.25", "", "share with max(depth/true, true/depth) < 1.25"),
    "delta2": ("δ<1.25²", "", "share with that ratio < 1.25^2"),
    "delta3": ("δ<1.25³", "", "share with that ratio < 1.25^3"),
    "coverage": ("Coverage", "", "share of the true depths that got an answer"),
    "deviation": ("Mean σ", "m", "mean claimed standard deviation"),
    "inside_68": ("In 1σ", "", "share of errors within one standard deviation; 0.683 if calibrated"),
    "inside_95": (
        "In 95 %",
        "",
        "share of errors within the model's own 95 % interval: 1.96 standard deviations, or what its calibration says; "
        "0.95 if calibrated",
    ),
    "z_rms": ("RMS z", "", "root mean square of error / standard deviation; 1 if calibrated"),
}
"""Key of each figure of ``DepthSums.compute`` -> (label, unit, definition)."""


@dataclass(frozen=True, eq=False)
class DepthSums:
    """Sums over scored points, one row per range bin: float64 (len(RANGE_EDGES) - 1, fields)."""

    table: NDArray[np.float64]

    @classmethod
    def zero(cls) -> DepthSums:
        """Return the sums of no point at all."""
        return cls(np.zeros((len(RANGE_EDGES) - 1, _COLUMNS)))

    def __add__(self, other: DepthSums) -> DepthSums:
        """Merge two sets of points."""
        return DepthSums(self.table + other.table)

    @property
    def scored(self) -> int:
        """Number of true depths looked at."""
        return int(self.table[:, _INDEX["scored"]].sum())

    def compute(self) -> dict[str, float]:
        """Return the figures of METRICS over all bins; NaN where nothing was answered."""
        return _figures(self.table.sum(axis=0))

    def by_range(self) -> list[dict[str, float]]:
        """Return one dictionary per non-empty bin: ``lower``, ``upper`` [m], ``scored`` and the figures."""
        rows = []
        for lower, upper, sums in zip(RANGE_EDGES[:-1], RANGE_EDGES[1:], self.table):
            if sums[_INDEX["scored"]] > 0:
                rows.append({"lower": lower, "upper": upper, "scored": int(sums[0]), **_figures(sums)})
        return rows

    def calibration(self) -> list[tuple[float, float]]:
        """Return (nominal share, observed share) per CALIBRATION_LEVELS; empty without deviations."""
        sums = self.table.sum(axis=0)
        total = sums[_INDEX["with_deviation"]]
        if total == 0:
            return []
        return [(level, float(n / total)) for level, n in zip(CALIBRATION_LEVELS, sums[len(_FIELDS) :])]


def depth_sums(
    predicted: ArrayLike, truth: ArrayLike, deviation: ArrayLike | None = None, wide: float = GAUSSIAN_95
) -> DepthSums:
    """Return the sums over matching points of any shape.

    ``predicted``, ``truth`` and ``deviation`` are metres; points whose ``truth`` is not a positive
    finite number are ignored, points whose ``predicted`` is not are counted as unanswered. ``wide`` is how many
    deviations the model takes for a 95 % interval.
    Figures follow Eigen et al. 2014 (AbsRel, SqRel, delta, logs) and the KITTI depth completion
    benchmark of Uhrig et al. 2017 (MAE, RMSE, and iMAE, iRMSE in 1/km).
    Raises ValueError if shapes differ.
    """
    p: NDArray[np.float64] = np.asarray(predicted, np.float64).ravel()
    t: NDArray[np.float64] = np.asarray(truth, np.float64).ravel()
    s: NDArray[np.float64] | None = None if deviation is None else np.asarray(deviation, np.float64).ravel()
    if p.shape != t.shape or (s is not None and s.shape != t.shape):
        raise ValueError(f"{p.size} predictions, {t.size} true depths, {'no' if s is None else s.size} deviations")
    known = np.isfinite(t) & (t > 0)
    p, t = p[known], t[known]
    bins = np.searchsorted(RANGE_EDGES, t, side="right") - 1
    table = np.zeros((len(RANGE_EDGES) - 1, _COLUMNS))
    table[:, _INDEX["scored"]] = np.bincount(bins, minlength=len(table))

    answered = np.isfinite(p) & (p > 0)
    p, t, bins = p[answered], t[answered], bins[answered]
    error = p - t
    inverse = 1000.0 / p - 1000.0 / t  # 1/km
    ratio = np.maximum(p / t, t / p)

    def put(column: int, values: NDArray, where: NDArray) -> None:
        table[:, column] = np.bincount(where, weights=values, minlength=len(table))

    for name, values in (
        ("count", np.ones_like(t)),
        ("absolute", np.abs(error)),
        ("squared", error**2),
        ("inverse_absolute", np.abs(inverse)),
        ("inverse_squared", inverse**2),
        ("relative", np.abs(error) / t),
        ("squared_relative", error**2 / t),
        ("log10", np.abs(np.log10(p / t))),
        ("signed", error),
        ("delta1", ratio < 1.25),
        ("delta2", ratio < 1.25**2),
        ("delta3", ratio < 1.25**3),
    ):
        put(_INDEX[name], np.asarray(values, np.float64), bins)
    if s is not None:
        s = s[known][answered]
        sure = np.isfinite(s) & (s > 0)
        s, bins = s[sure], bins[sure]
        z = np.abs(error[sure]) / s
        put(_INDEX["with_deviation"], np.ones_like(s), bins)
        put(_INDEX["deviation"], s, bins)
        put(_INDEX["squared_z"], z**2, bins)
        put(_INDEX["inside_wide"], np.asarray(z <= wide, np.float64), bins)
        for offset, width in enumerate(_WIDTHS):
            put(len(_FIELDS) + offset, (z <= width).astype(np.float64), bins)
    return DepthSums(table)


def _figures(sums: NDArray[np.float64]) -> dict[str, float]:
    def mean(field: str, over: str = "count") -> float:
        total = sums[_INDEX[over]]
        return float(sums[_INDEX[field]] / total) if total else float("nan")

    def inside(level: float) -> float:
        total = sums[_INDEX["with_deviation"]]
        share = sums[len(_FIELDS) + CALIBRATION_LEVELS.index(level)]
        return float(share / total) if total else float("nan")

    return {
        "mae": mean("absolute"),
        "rmse": float(np.sqrt(mean("squared"))),
        "imae": mean("inverse_absolute"),
        "irmse": float(np.sqrt(mean("inverse_squared"))),
        "abs_rel": mean("relative"),
        "sq_rel": mean("squared_relative"),
        "log10": mean("log10"),
        "bias": mean("signed"),
        "delta1": mean("delta1"),
        "delta2": mean("delta2"),
        "delta3": mean("delta3"),
        "coverage": mean("count", over="scored"),
        "deviation": mean("deviation", over="with_deviation"),
        "inside_68": inside(CALIBRATION_LEVELS[7]),
        "inside_95": mean("inside_wide", over="with_deviation"),
        "z_rms": float(np.sqrt(mean("squared_z", over="with_deviation"))),
    }
