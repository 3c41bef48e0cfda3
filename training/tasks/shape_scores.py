"""How right the shape of depth is: errors after scale alone, and after scale and shift, and of points in space."""

from __future__ import annotations

import torch
from torch import Tensor

from depth_perception.geometry.virtual_views import relative_scale
from depth_perception.geometry.warping import unproject
from training.losses.affine import fit, masked_mean

_LEAST = 1e-3  # share of the median that a fitted depth may not fall below


def shape_scores(depth: Tensor, truth: Tensor, K: Tensor) -> dict[str, Tensor]:
    """Return scores of ``depth`` (B, 1, H, W) of any scale where ``truth`` > 0, means over images; {} without truth.

    ``abs_rel_scale``: mean of abs(d - t) / t after the scale that makes it least. ``abs_rel_affine``: after scale and
    shift by least squares: what a wrong shift costs is the difference of the two. ``lsiv``: root mean square distance
    of points lifted with ``K`` (B, 3, 3) from the true ones after the scale that makes it least, as a share of the root
    mean square distance of those from the camera (LeReS, Yin et al., CVPR 2021, whose figure is in metres).
    """
    some = (truth > 0).flatten(1).any(1)
    if not bool(some.any()):
        return {}
    depth, truth, K = depth[some].float(), truth[some].float(), K[some]
    valid = truth > 0
    whole = torch.where(valid, truth, 1.0)
    scaled = relative_scale(depth, truth, valid) * depth
    shifted = fit(depth, valid, "least_squares", truth).apply(depth)
    shifted = torch.maximum(shifted, _LEAST * masked_mean(truth, valid))
    own, true = unproject(depth, K), unproject(whole, K)
    size = masked_mean(true.square().sum(1, keepdim=True), valid)
    factor = masked_mean((own * true).sum(1, keepdim=True), valid) / masked_mean(
        own.square().sum(1, keepdim=True), valid
    )
    away = masked_mean((factor * own - true).square().sum(1, keepdim=True), valid)
    return {
        "abs_rel_scale": masked_mean((scaled - whole).abs() / whole, valid).mean(),
        "abs_rel_affine": masked_mean((shifted - whole).abs() / whole, valid).mean(),
        "lsiv": (away / size).sqrt().mean(),
    }
