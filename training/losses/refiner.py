"""The refiner's objective: distance to the truth in the units a robot counts in, sharp edges, honest deviations."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_perception.models.networks.output import NetworkOutput

_LARGEST = 4.0  # log of depth over scale beyond which metres are not told apart
_EDGE = 0.08  # change of log depth within _AROUND pixels that makes an edge
_AROUND = 5
_LEAST = 0.02  # mean relative error below which a sample does not count more: its gradients would be mere noise


class RefinerCriterion(nn.Module):
    """Mean absolute error relative to that of the hand-made blend it starts from, plus what keeps it sharp and honest.

    Each sample's error is divided by that of its own start, partly in metres, mostly in logarithms. ``gradient`` weighs
    differences between neighbours at ``levels`` resolutions, ``surface`` what hangs between the two surfaces at an
    edge (its distance to the closer one), ``deviation`` the negative log-likelihood of a Laplace
    distribution about the (detached) prediction, ``inlier`` the cross-entropy of points.
    """

    def __init__(
        self,
        gradient: float = 0.1,
        deviation: float = 0.05,
        inlier: float = 0.1,
        levels: int = 3,
        surface: float = 0.0,
    ):
        super().__init__()
        self.gradient = gradient
        self.deviation = deviation
        self.inlier = inlier
        self.levels = levels
        self.surface = surface

    def forward(self, output: NetworkOutput, batch: dict) -> dict[str, Tensor]:
        """Return the parts and their sum ``loss``; see training.datasets.rendered for the batch.

        The output's grid may be coarser than the truth by a whole factor: each of its cells answers for its pixels.
        """
        truth, scale = batch["depth"].float(), batch["scale"].float()
        valid = truth > 0
        target = torch.log(torch.where(valid, truth / scale, 1.0))
        step = target.shape[3] // output.depth.shape[3]
        guess, spread, logit, start = (
            enlarged(x, step)
            for x in (
                output.extra["log_depth"],
                output.extra["log_deviation"],
                output.extra["inlier_logit"],
                batch["inputs"][0][:, 3:4].float(),
            )
        )
        miss = torch.where(valid, guess - target, 0.0)
        first = per_sample(torch.where(valid, start - target, 0.0).abs(), valid)
        parts = {
            "log": (per_sample(miss.abs(), valid) / (first + _LEAST)).mean(),
            "metric": (_in_metres(guess, target, valid) / (_in_metres(start, target, valid) + _LEAST)).mean(),
        }
        weight = 1.0 / (first + _LEAST)
        coarse, known = miss[..., ::step, ::step], valid[..., ::step, ::step]
        edges = [_gradients(coarse, known, level, weight) for level in range(self.levels)]
        parts["edges"] = torch.stack(edges).mean()
        parts["surface"] = (per_sample(_hanging(guess, target, valid), valid) * weight).mean()
        likelihood = (miss.detach().abs() + 1e-4) * torch.exp(-spread) + spread
        parts["nll"] = per_sample(torch.where(valid, likelihood, 0.0), valid).mean()
        given = batch["inlier"] >= 0
        right = batch["inlier"][given]
        logit = logit[given]
        parts["inlier"] = F.binary_cross_entropy_with_logits(logit, right) if len(right) else logit.sum()
        parts["ratio"] = (per_sample(miss.abs(), valid) / (first + 1e-4)).mean().detach()
        parts["loss"] = (
            0.7 * parts["log"]
            + 0.3 * parts["metric"]
            + self.gradient * parts["edges"]
            + self.surface * parts["surface"]
            + self.deviation * parts["nll"]
            + self.inlier * parts["inlier"]
        )
        return parts


def enlarged(values: Tensor, step: int) -> Tensor:
    """Repeat cells (B, C, h, w) ``step`` times down and across."""
    return values if step == 1 else F.interpolate(values, scale_factor=float(step), mode="nearest")


def per_sample(values: Tensor, valid: Tensor) -> Tensor:
    """Return means (B,) over valid cells."""
    return values.sum((1, 2, 3)) / valid.sum((1, 2, 3)).clamp_min(1)


def _in_metres(guess: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Return the mean error (B,) in units of the scale."""
    error = torch.exp(guess.clamp(max=_LARGEST)) - torch.exp(target.clamp(max=_LARGEST))
    return per_sample(torch.where(valid, error, 0.0).abs(), valid)


def _hanging(guess: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Return how far ``guess`` is from both surfaces (B, 1, H, W) where it lies between them at an edge, else 0."""
    far = F.max_pool2d(torch.where(valid, target, -torch.inf), _AROUND, 1, _AROUND // 2)
    near = -F.max_pool2d(torch.where(valid, -target, -torch.inf), _AROUND, 1, _AROUND // 2)
    between = valid & (far - near > _EDGE) & (guess > near) & (guess < far)
    return torch.where(between, torch.minimum(guess - near, far - guess), 0.0)


def _gradients(miss: Tensor, valid: Tensor, level: int, weight: Tensor) -> Tensor:
    step = 2**level
    miss, valid = miss[..., ::step, ::step], valid[..., ::step, ::step]
    total = miss.new_zeros(len(miss))
    for axis in (2, 3):
        size = miss.shape[axis] - 1
        both = valid.narrow(axis, 0, size) & valid.narrow(axis, 1, size)
        change = (miss.narrow(axis, 1, size) - miss.narrow(axis, 0, size)).abs()
        total = total + per_sample(torch.where(both, change, 0.0), both)
    return (total * weight).mean()
