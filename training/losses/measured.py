"""How far depth is from measured points, in metres and not up to scale: for video of a camera that has a range sensor.

It takes the place of ``GamDepthCriterion.supervision``. Not part of GAM-Depth: points pull towards metres, and between
them video teaches as before.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MetricLogError(nn.Module):
    """The mean difference of the logarithms of depth and of what was measured."""

    def forward(self, depth: Tensor, truth: Tensor) -> dict[str, Tensor]:
        """Return ``loss`` over the pixels of (B, 1, H, W) where ``truth`` > 0; 0 without any."""
        known = truth > 0
        target = torch.log(torch.where(known, truth, 1.0))
        error = torch.where(known, torch.log(depth.float()) - target, 0.0).abs()
        return {"loss": error.sum() / known.sum().clamp_min(1)}
