"""How good depth of one image is, up to its unknown scale, where the truth is known."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from depth_perception.geometry.warping import unproject
from training.losses.deviation import median_scale

_EDGES = (0.05, 0.1, 0.2)


def depth_scores(depth: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """Return ``abs_rel`` and ``delta1``, means over images of (B, 1, H, W) with any truth above 0; nothing without.

    Each image is scaled to the median of its truth first, as is usual for depth learned from video.
    """
    valid = truth > 0
    some = valid.flatten(1).any(1)
    if not bool(some.any()):
        return {}
    depth, truth, valid = depth[some], truth[some], valid[some]
    scaled = depth.float() * median_scale(depth.float(), truth)
    truth = torch.where(valid, truth, 1.0)
    count = valid.sum((1, 2, 3))
    relative = torch.where(valid, (scaled - truth).abs() / truth, 0.0)
    ratio = torch.maximum(scaled / truth, truth / scaled)
    return {
        "abs_rel": (relative.sum((1, 2, 3)) / count).mean(),
        "delta1": ((valid & (ratio < 1.25)).sum((1, 2, 3)) / count).mean(),
    }


def boundary_f1(depth: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """Return ``boundary_f1``: how well edges of depth (B, 1, H, W) lie where those of the truth are, in [0, 1].

    An edge is where depth differs by more than a share of the nearer one within 3 x 3 pixels, which asks for no scale;
    two of them match if a pixel apart at most. Averaged over shares of 5, 10 and 20 %, in the spirit of Depth Pro
    (Bochkovskii et al., ICLR 2025), which averages over shares as well. Nothing where the truth has no edge.
    """
    known = truth > 0
    whole = F.max_pool2d(-known.float(), 3, 1, 1) < 0  # of 3 x 3 pixels all are known
    found = []
    for share in _EDGES:
        own = edges(depth, share) & whole
        true = edges(torch.where(known, truth, 1.0), share) & whole
        if not bool(true.any()):
            continue
        near_true, near_own = (F.max_pool2d(x.float(), 3, 1, 1) > 0 for x in (true, own))
        precision = (own & near_true).sum() / own.sum().clamp_min(1)
        recall = (true & near_own).sum() / true.sum()
        found.append(2 * precision * recall / (precision + recall).clamp_min(1e-6))
    return {"boundary_f1": torch.stack(found).mean()} if found else {}


def edges(depth: Tensor, share: float) -> Tensor:
    """Return where depth (B, 1, H, W) > 0 differs by more than ``share`` of the nearer within 3 x 3 pixels."""
    far, near = F.max_pool2d(depth, 3, 1, 1), -F.max_pool2d(-depth, 3, 1, 1)
    return far > near * (1 + share)


def plane_residual(depth: Tensor, truth: Tensor, K: Tensor, segment: Tensor) -> dict[str, Tensor]:
    """Return ``plane_residual``: how far points lie from the plane fitted through their region, relative to depth.

    ``segment`` (B, H, W) numbers regions that truly are planes, 0 elsewhere; the mean is over all their pixels. Depth
    is scaled to the median of the truth, and each plane is the least-squares one of the predicted points. Nothing
    without regions. 0.01 means 1 cm at 1 m.
    """
    if not bool((segment > 0).any()):
        return {}
    scaled = depth.double() * median_scale(depth.double(), truth.double())
    points = unproject(scaled, K.double()).permute(0, 2, 3, 1).reshape(-1, 3)
    most = int(segment.max()) + 1
    index = (segment + most * torch.arange(len(segment), device=segment.device)[:, None, None]).reshape(-1)
    total = most * len(segment)
    count = points.new_zeros(total).index_add(0, index, torch.ones_like(points[:, 0])).clamp_min(1)
    middle = points.new_zeros(total, 3).index_add(0, index, points) / count[:, None]
    away = points - middle[index]
    outer = (away[:, :, None] * away[:, None]).reshape(-1, 9)
    spread = points.new_zeros(total, 9).index_add(0, index, outer).view(-1, 3, 3)
    normal = torch.linalg.eigh(spread).eigenvectors[..., 0]  # (n, 3), of the least spread
    residual = (normal[index] * away).sum(1).abs() / middle[index, 2].clamp_min(1e-6)
    inside = segment.reshape(-1) > 0
    return {"plane_residual": residual[inside].mean().float()}
