"""The picture sheet: a row for each recording with image, measured depth, estimate and error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from depth_perception.evaluation.real_data import RealFrame
from depth_perception.frames import FloatImage
from depth_perception.visualization import plots
from depth_perception.visualization.colormap import colorize, colorize_error, depth_range
from depth_perception.visualization.sheets import number

WORST = 0.5  # relative error at the bright end of its colours
_SPARSE = 0.3  # share of measured pixels below which they are drawn larger
_CELL = 3.0  # inches


class Shown(NamedTuple):
    """A frame with an estimate (H, W) in any unit, and the estimator's name."""

    frame: RealFrame
    depth: FloatImage
    method: str


def draw(shown: Sequence[Shown]) -> bytes:
    """Return the sheet as PNG. Estimates are brought to the median of the truth; one colour scale in a row."""
    heights = [each.frame.image.shape[0] / each.frame.image.shape[1] for each in shown]
    with plots.figure(4 * _CELL, sum(_CELL * height + 0.28 for height in heights)) as made:
        made.get_layout_engine().set(h_pad=0.01, w_pad=0.02, hspace=0.0, wspace=0.0)
        grid = made.subplots(len(shown), 4, squeeze=False, height_ratios=heights)
        for axes, each in zip(grid, shown):
            for one, (title, picture) in zip(axes, panels(each)):
                one.imshow(picture, interpolation="antialiased")
                one.set_title(title, loc="left", fontsize=8)
                one.set_axis_off()
        return plots.png_bytes(made, dpi=100)


def panels(each: Shown) -> list[tuple[str, np.ndarray]]:
    """Return title and RGB picture of image, truth, estimate and relative error."""
    frame, truth = each.frame, each.frame.truth
    known = truth > 0
    factor = float(np.median(truth[known]) / np.median(each.depth[known]))
    depth = each.depth * np.float32(factor)
    low, high = depth_range(truth) or (1.0, 10.0)
    relative = np.where(known, np.abs(depth - truth) / np.where(known, truth, 1), np.nan).astype(np.float32)
    error = float(np.nanmean(relative))
    return [
        (frame.recording, frame.image),
        (f"measured, {number(low)} to {number(high)} m", colorize(_larger(truth), low, high)),
        (f"{each.method}, median aligned", colorize(depth, low, high)),
        (f"error, AbsRel {100 * error:.0f} %; bright: {100 * WORST:.0f} %", colorize_error(_spread(relative), WORST)),
    ]


def _larger(truth: FloatImage) -> FloatImage:
    """Return sparse depth with each point drawn over its neighbours."""
    if np.mean(truth > 0) > _SPARSE:
        return truth
    return np.asarray(cv2.dilate(truth, np.ones((5, 5), np.uint8)), np.float32)


def _spread(relative: FloatImage) -> FloatImage:
    """Return sparse errors, NaN elsewhere, drawn as large."""
    if np.mean(np.isfinite(relative)) > _SPARSE:
        return relative
    wide = cv2.dilate(np.nan_to_num(relative, nan=-1.0), np.ones((5, 5), np.uint8))
    return np.where(wide < 0, np.nan, wide).astype(np.float32)
