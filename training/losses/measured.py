"""GAM-Depth's objective with measured points besides, where a recording has them: what they say is no guess.

Not part of the paper. Points pull towards metres; between them video teaches as before.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from training.losses.deviation import median_scale
from training.losses.monocular import GamDepthCriterion, Views


class MeasuredCriterion(GamDepthCriterion):
    """``measured`` weighs the mean difference of the logarithms of depth at the points of a batch.

    ``metric``: in metres; otherwise each image is scaled to the median of its points first. The rest as for
    ``GamDepthCriterion``.
    """

    def __init__(self, measured: float = 0.5, metric: bool = True, **options: Any):
        super().__init__(**options)
        self.measured = measured
        self.metric = metric

    def forward(self, views: Views, batch: dict[str, Tensor], epoch: int = 0) -> dict[str, Tensor]:
        """See ``GamDepthCriterion.forward``; ``measured`` is the new part, missing where nothing was measured."""
        parts = super().forward(views, batch, epoch)
        if self.measured and bool((batch["depth"] > 0).any()):
            parts["measured"] = log_error(views.output.depth, batch["depth"], self.metric)
            parts["loss"] = parts["loss"] + self.measured * parts["measured"]
        return parts


def log_error(depth: Tensor, truth: Tensor, metric: bool = True) -> Tensor:
    """Return the mean of abs(log depth - log truth) over known pixels, truth (B, 1, H, W) > 0; 0 without any."""
    known = truth > 0
    if not metric:
        depth = depth * median_scale(depth.detach().float(), truth)
    target = torch.log(torch.where(known, truth, 1.0))
    error = torch.where(known, torch.log(depth.float()) - target, 0.0).abs()
    return error.sum() / known.sum().clamp_min(1)
