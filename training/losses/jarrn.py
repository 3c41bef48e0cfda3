"""JARRN's objective: absolute depth where a point was given, relative depth and its gradients everywhere."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from depth_perception.models.networks.output import NetworkOutput
from training.losses.affine import masked_mean, standardise
from training.losses.gradient import gradient_loss


class JarrnCriterion(nn.Module):
    """L_abs + ``relative`` L_rel + ``gradient`` L_grad of the paper (Chen et al., JARRN), weights 1, 1 and 0.5 there.

    Means are taken per image and then over the batch, so that a scan of 100 points counts as much as one of 10,000.
    ``deviation`` weighs the negative log-likelihood of a Laplace distribution about the detached depth; it moves
    nothing but the deviation's own head. Adam learns that just as fast with a small weight, and a large one would rule
    the clipping of gradients. ``everywhere`` is no part of the paper and 0 by default: L_abs over all true pixels.
    """

    def __init__(self, relative: float = 1.0, gradient: float = 0.5, deviation: float = 0.01, everywhere: float = 0.0):
        super().__init__()
        self.relative = relative
        self.gradient = gradient
        self.deviation = deviation
        self.everywhere = everywhere

    def forward(self, output: NetworkOutput, batch: dict) -> dict[str, Tensor]:
        """Return ``absolute``, ``relative``, ``gradient``, ``nll`` and their sum ``loss``; scalars, float32.

        ``batch``: see training.datasets.rendered. The truth may be smaller than the output by the padding. The target
        at the points is the truth, never the measurement. Raises ValueError if the truth is larger than the output.
        """
        truth = batch["depth"].float() / batch["scale"].float()
        height, width = truth.shape[2:]
        depth, guess = output.depth, output.extra["O"]
        if depth.shape[2] < height or depth.shape[3] < width:
            raise ValueError(f"output {tuple(depth.shape)} is smaller than its truth {tuple(truth.shape)}")
        window = (..., slice(height), slice(width))
        guess, depth, deviation = guess[window].float(), depth[window].float(), output.deviation[window].float()
        valid = truth > 0
        points = (batch["inputs"][0][:, 4:5][window] > 0) & valid
        miss = (guess - truth).abs()
        residual = standardise(guess, valid) - standardise(truth, valid)
        parts = {
            "absolute": masked_mean(miss, points).mean(),
            "relative": masked_mean(residual.abs(), valid).mean(),
            "gradient": gradient_loss(residual, valid).mean(),
            "nll": laplace_nll(depth.detach(), deviation, truth, valid),
        }
        parts["loss"] = (
            parts["absolute"]
            + self.relative * parts["relative"]
            + self.gradient * parts["gradient"]
            + self.deviation * parts["nll"]
        )
        if self.everywhere:
            parts["everywhere"] = masked_mean(miss, valid).mean()
            parts["loss"] = parts["loss"] + self.everywhere * parts["everywhere"]
        return parts


def laplace_nll(depth: Tensor, deviation: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Return the mean negative log-likelihood (less log 2) of ``truth``, all (B, 1, h, w) > 0 where ``valid``.

    Errors count as differences of logarithms and deviations relative to ``depth``, so that far pixels do not drown near
    ones, and up to 1: what an untrained network is off by must not rule the gradients of everything else.
    """
    width = deviation / depth / 2**0.5
    error = (torch.log(torch.where(valid, truth, 1.0)) - torch.log(depth)).abs().clamp_max(1.0)
    return masked_mean(error / width + torch.log(width), valid).mean()
