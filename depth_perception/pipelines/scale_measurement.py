"""How many metres one unit of an estimated depth image is, told by points.

Errors of estimated depth are alike in neighbouring pixels: a thousand points on one wall tell hardly more than one. So
the image is cut into cells, and a cell counts as one observation. All is done in logarithms, where a factor is a shift.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import DepthPrediction, SparseDepth

CELLS = (6, 8)  # rows and columns of the grid over the image
LEAST_DEVIATION = 0.005  # nobody's range finder, odometer or ruler tells a scale better than this
_MEDIAN_COST = 1.2533  # standard error of the median of Gaussian values, in those of their mean
_MAD = 1.4826  # median absolute deviation of a Gaussian, to its standard deviation


@dataclass(frozen=True)
class ScaleMeasurement:
    """``scale`` in metres per unit, ``deviation`` the standard deviation of its logarithm (relative, if small).

    ``source``: points, odometry or floor. ``count``: how many points, tracks or pixels told it.
    """

    scale: float
    deviation: float
    source: str
    count: int

    def __post_init__(self) -> None:
        """Raise ValueError for what can be no scale."""
        if not (math.isfinite(self.scale) and self.scale > 0 and math.isfinite(self.deviation) and self.deviation > 0):
            raise ValueError(f"scale and deviation must be positive, got {self.scale} and {self.deviation}")


def scale_from_points(estimate: DepthPrediction, sparse: SparseDepth, least_points: int = 5) -> ScaleMeasurement | None:
    """Return the median ratio of measured to estimated depth over cells; None with fewer than ``least_points``.

    ``estimate`` (H, W) in units. Points where it claims nothing do not count. The deviation comes from how far cells
    disagree, and is no better than what the estimate claims of itself: few cells may agree by accident.
    """
    at = sparse.rows, sparse.columns
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.log(sparse.depth / estimate.depth[at])
        claimed = estimate.standard_deviation[at] / estimate.depth[at]
    good = np.isfinite(ratio)
    if np.count_nonzero(good) < max(least_points, 1):
        return None
    cell = cells_of(sparse.rows[good], sparse.columns[good], sparse.shape)
    scale, deviation = robust_scale(ratio[good], cell, claimed[good])
    return ScaleMeasurement(scale, deviation, "points", int(np.count_nonzero(good)))


def cells_of(rows: NDArray, columns: NDArray, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Return the index of each pixel's cell in a grid of CELLS over an image of ``shape``."""
    row = np.asarray(rows, np.int64) * CELLS[0] // shape[0]
    return row * CELLS[1] + np.asarray(columns, np.int64) * CELLS[1] // shape[1]


def robust_scale(log_ratio: NDArray, cell: NDArray[np.int64], claimed: NDArray) -> tuple[float, float]:
    """Return (scale, deviation of its logarithm) from (n,) log ratios, the cell of each and claimed deviations."""
    medians = np.array([np.median(log_ratio[cell == each]) for each in np.unique(cell)])
    middle = float(np.median(medians))
    spread = _MAD * float(np.median(np.abs(medians - middle)))
    claimed = claimed[np.isfinite(claimed)]
    expected = float(np.median(claimed)) if len(claimed) else 1.0
    deviation = _MEDIAN_COST * max(spread, expected) / math.sqrt(len(medians))
    return math.exp(middle), math.hypot(deviation, LEAST_DEVIATION)
