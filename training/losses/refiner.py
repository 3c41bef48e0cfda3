"""The refiner's objective: distance to the truth in the units a robot counts in, sharp edges, honest deviations."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_perception.models.networks.output import NetworkOutput


class RefinerCriterion(nn.Module):
    """Mean absolute error relative to that of the filling it starts from, plus what keeps it sharp and honest.

    Each sample counts alike: its error is divided by that of its own filling, half in metres and half in logarithms.
    ``gradient`` weighs differences between neighbours at ``levels`` resolutions, ``deviation`` the negative
    log-likelihood of a Laplace distribution about the (detached) prediction, ``inlier`` the cross-entropy of points and
    ``coarse`` what each level of the U-Net would make of the filling, which teaches the deep ones early.
    """

    def __init__(
        self,
        gradient: float = 0.25,
        deviation: float = 0.05,
        inlier: float = 0.1,
        coarse: float = 0.15,
        levels: int = 3,
    ):
        super().__init__()
        self.gradient = gradient
        self.deviation = deviation
        self.inlier = inlier
        self.coarse = coarse
        self.levels = levels

    def forward(self, output: NetworkOutput, batch: dict) -> dict[str, Tensor]:
        """Return the parts and their sum ``loss``; see training.datasets.rendered for the batch."""
        truth, scale = batch["depth"].float(), batch["scale"].float()
        valid = truth > 0
        target = torch.log(torch.where(valid, truth / scale, 1.0))
        start = batch["inputs"][0][:, 3:4].float()
        guess = output.extra["log_depth"]
        miss = torch.where(valid, guess - target, 0.0)
        first = torch.where(valid, start - target, 0.0)
        log_part = _per_sample(miss.abs(), valid) / (_per_sample(first.abs(), valid) + 2e-3)
        ratio = torch.exp(guess.clamp(max=6.0)) - torch.exp(target.clamp(max=6.0))
        metres = torch.where(valid, ratio, 0.0).abs()
        metres_first = torch.where(valid, torch.exp(start.clamp(max=6.0)) - torch.exp(target.clamp(max=6.0)), 0.0).abs()
        metric_part = _per_sample(metres, valid) / (_per_sample(metres_first, valid) + 2e-3)
        weight = 1.0 / (_per_sample(first.abs(), valid) + 2e-3)
        edges = sum(_gradients(miss, valid, k, weight) for k in range(self.levels)) / self.levels
        spread = output.extra["log_deviation"]
        nll = (miss.detach().abs() + 1e-4) * torch.exp(-spread) + spread
        nll = _per_sample(torch.where(valid, nll, 0.0), valid).mean()
        parts = {"log": log_part.mean(), "metric": metric_part.mean(), "edges": edges, "nll": nll}
        known = batch["inlier"] >= 0
        logit = output.extra["inlier_logit"][known]
        right = batch["inlier"][known]
        parts["inlier"] = F.binary_cross_entropy_with_logits(logit, right) if len(right) else logit.sum()
        parts["loss"] = (
            0.5 * (parts["log"] + parts["metric"])
            + self.gradient * edges
            + self.deviation * nll
            + self.inlier * parts["inlier"]
        )
        guesses = {k: v for k, v in output.extra.items() if k.startswith("change/")}
        if guesses:
            change = torch.where(valid, target - start, 0.0)
            parts["coarse"] = torch.stack([_pooled(g, change, valid, weight) for g in guesses.values()]).mean()
            parts["loss"] = parts["loss"] + self.coarse * parts["coarse"]
        return parts


def _per_sample(values: Tensor, valid: Tensor) -> Tensor:
    """Return means (B,) over valid cells."""
    return values.sum((1, 2, 3)) / valid.sum((1, 2, 3)).clamp_min(1)


def _gradients(miss: Tensor, valid: Tensor, level: int, weight: Tensor) -> Tensor:
    step = 2**level
    miss, valid = miss[..., ::step, ::step], valid[..., ::step, ::step]
    total = miss.new_zeros(len(miss))
    for axis in (2, 3):
        size = miss.shape[axis] - 1
        both = valid.narrow(axis, 0, size) & valid.narrow(axis, 1, size)
        change = (miss.narrow(axis, 1, size) - miss.narrow(axis, 0, size)).abs()
        total = total + _per_sample(torch.where(both, change, 0.0), both)
    return (total * weight).mean()


def _pooled(guess: Tensor, change: Tensor, valid: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean distance of a coarse guess to the mean change of the cells it covers."""
    size = change.shape[3] // guess.shape[3]
    share = F.avg_pool2d(valid.float(), size)
    mean = F.avg_pool2d(change, size) / share.clamp_min(1e-6)
    known = share > 0.25
    return (_per_sample(torch.where(known, (guess - mean).abs(), 0.0), known) * weight).mean()
