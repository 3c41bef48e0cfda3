"""How differently two views look, pixel by pixel, and the best of many views.

Structural similarity: Wang et al., *Image Quality Assessment* (IEEE TIP 2004), over windows of 3 x 3. Minimum over
sources and auto-mask: Godard et al., *Digging Into Self-Supervised Monocular Depth Estimation* (ICCV 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

SIMILARITY = 0.85  # share of structural dissimilarity; the rest is the absolute difference
_C1, _C2 = 0.01**2, 0.03**2  # for colours in [0, 1]
_NOISE = 1e-5  # breaks ties between sources that show the very same


def dissimilarity(a: Tensor, b: Tensor) -> Tensor:
    """Return (1 - SSIM) / 2 in [0, 1] of images (B, C, H, W) in [0, 1], per pixel and channel, borders reflected."""
    a, b = (F.pad(x.float(), (1, 1, 1, 1), mode="reflect") for x in (a, b))
    mean_a, mean_b = F.avg_pool2d(a, 3, 1), F.avg_pool2d(b, 3, 1)
    variance_a = F.avg_pool2d(a * a, 3, 1) - mean_a * mean_a
    variance_b = F.avg_pool2d(b * b, 3, 1) - mean_b * mean_b
    covariance = F.avg_pool2d(a * b, 3, 1) - mean_a * mean_b
    above = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)
    below = (mean_a.square() + mean_b.square() + _C1) * (variance_a + variance_b + _C2)
    return ((1 - above / below) / 2).clamp(0, 1)


def photometric_error(a: Tensor, b: Tensor) -> Tensor:
    """Return 0.85 (1 - SSIM) / 2 + 0.15 |a - b|, averaged over the channels of (B, C, H, W), as (B, 1, H, W)."""
    structure = dissimilarity(a, b).mean(1, keepdim=True)
    difference = (a.float() - b.float()).abs().mean(1, keepdim=True)
    return SIMILARITY * structure + (1 - SIMILARITY) * difference


class Reprojection(NamedTuple):
    """``error`` (B, 1, H, W): the least of all; ``source`` (B, 1, H, W): which warped source explains the pixel best.

    ``moving`` bool (B, 1, H, W): a warped source is the best, and none that was left as it is: what auto-mask keeps.
    """

    error: Tensor
    source: Tensor
    moving: Tensor


def minimum_reprojection(
    target: Tensor, warped: Sequence[Tensor], unwarped: Sequence[Tensor] = (), noise: Tensor | None = None
) -> Reprojection:
    """Return the least photometric error of ``target`` (B, 3, H, W) over warped and unwarped sources, same shapes.

    Where an unwarped source fits best, as on what moves with the camera or while it stands, the error depends on no
    depth and teaches nothing. ``noise`` (B, len(unwarped), H, W) is added to the unwarped errors, by default tiny and
    random, so that equal sources do not silence each other.
    """
    errors = torch.cat([photometric_error(image, target) for image in warped], 1)  # (B, warped, H, W)
    error, source = errors.min(1, keepdim=True)
    if not len(unwarped):
        return Reprojection(error, source, torch.ones_like(error, dtype=torch.bool))
    still = torch.cat([photometric_error(image, target) for image in unwarped], 1)
    if noise is None:
        noise = _NOISE * torch.randn_like(still)
    still = (still + noise).amin(1, keepdim=True)
    return Reprojection(torch.minimum(error, still), source, error < still)
