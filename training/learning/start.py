"""Where learning depth from video starts: weights, and the factor between their depth and this camera's metres.

Depth learned elsewhere is right up to a factor. Measured points tell it at once. Known poses tell it, too: only with
the right one do neighbouring frames, moved by metres, look alike. The network's range is then moved by that factor, and
learning begins with depth of about the right size instead of spending its steps on getting there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from depth_perception.geometry.warping import warp
from depth_perception.models.estimator import LearnedEstimator
from training.datasets.video import VideoFrame
from training.losses.photometric import minimum_reprojection

FACTORS = 2.0 ** np.arange(-4, 6.01, 0.5)
_FEWEST = 20  # points of a frame
_REACH = 98.0  # percentile of the points that the range must hold
_BEYOND = 1.2


def factor_from_points(estimator: LearnedEstimator, frames: Sequence[VideoFrame]) -> float | None:
    """Return metres per unit of the estimator's depth, the median over frames of the ratio of medians; None without."""
    ratios = []
    for frame in frames:
        if frame.depth is None or np.count_nonzero(frame.depth) < _FEWEST:
            continue
        found = estimator.infer(frame.image, frame.camera).depth
        known = (frame.depth > 0) & np.isfinite(found)
        ratios.append(float(np.median(frame.depth[known]) / np.median(found[known])))
    return float(np.median(ratios)) if ratios else None


@torch.no_grad()
def factor_from_poses(
    network: torch.nn.Module, windows: Sequence[dict[str, Tensor]], factors: Sequence[float] = tuple(FACTORS)
) -> tuple[float, list[float]]:
    """Return the factor under which windows with known poses explain each other best, and the error at each factor.

    ``windows`` as ``VideoWindows`` gives them. The best of ``factors`` is refined by a parabola through its neighbours.
    """
    errors = torch.zeros(len(factors), dtype=torch.float64)
    for window in windows:
        frames, K = window["frames"][None], window["K"][None]
        depth = network(frames[:, 0]).depth
        poses = window["poses"][None].unbind(1)
        for index, factor in enumerate(factors):
            warped = [warp(image, depth * factor, K, T)[0] for image, T in zip(frames[:, 1:].unbind(1), poses)]
            errors[index] += minimum_reprojection(frames[:, 0], warped).error.mean().double() / len(windows)
    return refined(np.asarray(factors), errors.numpy()), errors.tolist()


def refined(factors: np.ndarray, errors: np.ndarray) -> float:
    """Return where a parabola through the least error and its neighbours, over the logarithm, has its lowest point."""
    best = int(np.argmin(errors))
    if not 0 < best < len(factors) - 1:
        return float(factors[best])
    left, middle, right = errors[best - 1 : best + 2]
    bend = left - 2 * middle + right
    shift = 0.5 * (left - right) / bend if bend > 0 else 0.0
    step = np.log(factors[best + 1] / factors[best])
    return float(factors[best] * np.exp(np.clip(shift, -0.5, 0.5) * step))


def moved_range(nearest: float, farthest: float, factor: float, frames: Sequence[VideoFrame]) -> tuple[float, float]:
    """Return the ends of depth in metres: times ``factor``, and farther where points lie farther."""
    nearest, farthest = nearest * factor, farthest * factor
    points = [frame.depth[frame.depth > 0] for frame in frames if frame.depth is not None]
    points = [values for values in points if len(values)]
    if points:
        farthest = max(farthest, _BEYOND * float(np.percentile(np.concatenate(points), _REACH)))
    return float(f"{nearest:.4g}"), float(f"{farthest:.4g}")
