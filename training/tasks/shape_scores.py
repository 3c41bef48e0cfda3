"""How right the shape of depth is: errors after scale alone, and after scale and shift, and of points in space."""

from __future__ import annotations

import torch
from torch import Tensor

from depth_perception.geometry.virtual_views import relative_scale
from depth_perception.geometry.warping import unproject
from training.losses.affine import masked_mean

_ROUNDS = 20  # of weighing anew
_LEAST = 1e-3  # residual below which a pixel's weight grows no more


def shape_scores(depth: Tensor, truth: Tensor, K: Tensor) -> dict[str, Tensor]:
    """Return scores of ``depth`` (B, 1, H, W) of any scale where ``truth`` > 0, means over images; {} without truth.

    ``abs_rel_scale``: mean of abs(d - t) / t after the scale that makes it least. ``abs_rel_affine``: after the scale
    and shift that make it least, so what a wrong shift costs is the difference of the two. (Least squares of depth, as
    is usual, would fit what is far and let the rest go.) ``lsiv``: root mean square distance of points lifted with
    ``K`` (B, 3, 3) from the true ones after the scale that makes it least, as a share of the root mean square distance
    of those from the camera (LeReS, Yin et al., CVPR 2021, whose figure is in metres).
    """
    some = (truth > 0).flatten(1).any(1)
    if not bool(some.any()):
        return {}
    depth, truth, K = depth[some].float(), truth[some].float(), K[some]
    valid = truth > 0
    whole = torch.where(valid, truth, 1.0)
    scaled = relative_scale(depth, truth, valid) * depth
    shifted = relative_affine(depth, whole, valid)
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


def relative_affine(depth: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Return ``depth`` (B, 1, H, W) with the scale and shift that make the mean of abs(d - t) / t least over ``valid``.

    By least squares of the relative error, weighed again and again by the inverse of what was left over. Where the
    scale would be negative, depth being upside down, or nothing is gained, the scale alone is fitted.
    """
    d, inverse = (torch.where(valid, x, 0.0).flatten(1).double() for x in (depth / truth, 1 / truth))
    rows = torch.stack([d, inverse], -1)  # (B, N, 2): (d s + shift) / t should be 1
    weight = valid.flatten(1).double()
    found = rows.new_zeros(len(rows), 2, 1)
    for _ in range(_ROUNDS):
        weighted = rows * weight[..., None]
        normal = rows.transpose(1, 2) @ weighted
        normal = normal + 1e-9 * normal.diagonal(dim1=1, dim2=2).sum(1).view(-1, 1, 1) * torch.eye(2).to(normal)
        found = torch.linalg.solve(normal, weighted.sum(1)[..., None])
        weight = valid.flatten(1) / ((rows @ found)[..., 0] - 1).abs().clamp_min(_LEAST)
    scale, shift = (x.view(-1, 1, 1, 1) for x in found[..., 0].unbind(1))
    both, alone = (scale * depth + shift).float(), relative_scale(depth, truth, valid) * depth
    error, least = (masked_mean((x - truth).abs() / truth, valid) for x in (both, alone))
    return torch.where((scale > 0) & (error < least), both, alone)
