"""CluDe's objective: near the truth at every scale, sure of one surface, centres where the depths are.

Depths are compared in logarithms, as the network tells them. The forms and weights are not the paper's, whose text was
not at hand, but those of its relatives (NLSPN and CompletionFormer for L_d, AdaBins for L_c, depth coefficients,
Imran et al., CVPR 2019, for L_p); the likelihood of the deviation and the points' cross-entropy are this repository's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_perception.models.networks.clude_translation import laplace_scores
from depth_perception.models.networks.output import NetworkOutput

SCALES = (16, 8, 4, 2, 1)


class CludeCriterion(nn.Module):
    """Weighted sum of L_d (``depth``), L_p (``probability``), L_c (``chamfer``), L_o (``offsets``) and two more.

    ``sharpness`` is the width, in gaps between centres, of the labels of L_p. The chamfer weight falls linearly to 0
    over the first ``chamfer_steps`` calls in training mode: no centre has a true place, so it only helps at the start.
    ``metres`` is how far L_d counts a pixel by its depth relative to the scene's, as errors in metres do.
    """

    def __init__(
        self,
        depth: float = 1.0,
        probability: float = 0.3,
        chamfer: float = 0.1,
        offsets: float = 0.01,
        deviation: float = 0.1,
        inlier: float = 0.1,
        sharpness: float = 0.5,
        metres: float = 0.5,
        chamfer_steps: int = 1_000,
    ):
        super().__init__()
        self.weights = {
            "depth": depth,
            "probability": probability,
            "chamfer": chamfer,
            "offsets": offsets,
            "deviation": deviation,
            "inlier": inlier,
        }
        self.sharpness = sharpness
        self.metres = metres
        self.chamfer_steps = chamfer_steps
        self.step: Tensor
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    def forward(self, output: NetworkOutput, batch: dict) -> dict[str, Tensor]:
        """Return the parts and their sum ``loss``; see training.datasets.rendered for the batch."""
        extra = output.extra
        truth, scale = batch["depth"].float(), batch["scale"].float()
        valid = truth > 0
        target = torch.log(torch.where(valid, truth / scale, 1.0))
        scales = [s for s in SCALES if f"log_depth/{s}" in extra]
        weight = self._weight(target, valid)
        parts: dict[str, Tensor] = {
            "depth": torch.stack([depth_loss(extra[f"log_depth/{s}"], target, weight) / s for s in scales]).sum(),
            "probability": probability_loss(output, target, valid, self.sharpness),
            "chamfer": chamfer(extra["centres"], target, valid),
            "offsets": offset_loss(extra, scales),
            "deviation": laplace_likelihood(extra["log_depth/1"], extra["log_deviation"], target, valid),
            "inlier": inlier_loss(extra["inlier_logit"], batch["inlier"], extra["measured"]),
        }
        weights = {**self.weights, "chamfer": self.weights["chamfer"] * self.start()}
        parts["loss"] = torch.stack([weights[name] * part for name, part in parts.items()]).sum()
        if self.training:
            self.step += 1
        return parts

    def start(self) -> float:
        """Return how much of the chamfer weight is left: 1 at first, then 0."""
        return max(0.0, 1.0 - float(self.step) / max(self.chamfer_steps, 1))

    def _weight(self, target: Tensor, valid: Tensor) -> Tensor:
        """Return (B, 1, H, W) what each pixel counts: 0 unknown, and sum 1 over the known ones of all samples."""
        count = valid.sum((1, 2, 3), keepdim=True).clamp_min(1)
        relative = torch.where(valid, torch.exp(target), 0.0)
        relative = relative * count / relative.sum((1, 2, 3), keepdim=True).clamp_min(1e-6)  # mean 1
        weight = torch.where(valid, 1 - self.metres + self.metres * relative, 0.0) / count
        return weight / len(target)


def depth_loss(guess: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return L1 plus L2 of log depths; ``guess`` (B, 1, h, w) is repeated to the size of ``target`` (B, 1, H, W)."""
    if guess.shape != target.shape:
        guess = F.interpolate(guess, size=target.shape[2:], mode="nearest")
    miss = guess - target
    return (weight * (miss.abs() + miss * miss)).sum()


def probability_loss(output: NetworkOutput, target: Tensor, valid: Tensor, sharpness: float) -> Tensor:
    """Return the cross-entropy of the last two steps' probabilities with labels around the truth of one pixel a cell.

    A cell takes the truth of its middle pixel, as a mean over its pixels would call for two surfaces at once.
    """
    extra = output.extra
    scales = [s for s in SCALES if f"scores/{s}" in extra][-2:]
    total = target.new_zeros(())
    for s in scales:
        middle = slice(s // 2, None, s)
        truth, known = target[:, :, middle, middle], valid[:, :, middle, middle]
        scores, centres = extra[f"scores/{s}"], extra[f"centres/{s}"].detach()
        width = sharpness * (centres[:, 1:] - centres[:, :-1]).mean()
        label = torch.softmax(laplace_scores((truth - centres) / width), 1)  # (B, K, h, w)
        entropy = -(label * torch.log_softmax(scores, 1)).sum(1, keepdim=True)
        total = total + torch.where(known, entropy, 0.0).sum() / known.sum().clamp_min(1)
    return total / max(len(scales), 1)


def chamfer(centres: Tensor, target: Tensor, valid: Tensor, most: int = 1024) -> Tensor:
    """Return the mean squared distance of centres (B, K) to the closest true log depth, and the other way round."""
    stride = max(1, int((target[0].numel() / most) ** 0.5))
    truth = target[:, 0, ::stride, ::stride].flatten(1)  # (B, n)
    known = valid[:, 0, ::stride, ::stride].flatten(1)
    distance = (centres[:, :, None] - truth[:, None]).square()  # (B, K, n)
    distance = torch.where(known[:, None], distance, 1e4)
    any_known = known.any(1)
    to_truth = torch.where(any_known, distance.min(2).values.mean(1), 0.0)
    to_centre = torch.where(known, distance.min(1).values, 0.0).sum(1) / known.sum(1).clamp_min(1)
    return (to_truth + to_centre).mean()


def offset_loss(extra: dict[str, Tensor], scales: list[int]) -> Tensor:
    """Return how far centres move locally, of the farthest possible: moves must not do the probabilities' work."""
    moves = [extra[f"local/{s}"].abs().mean() for s in scales if f"local/{s}" in extra]
    return torch.stack(moves).mean() if moves else extra["centres"].new_zeros(())


def laplace_likelihood(guess: Tensor, log_deviation: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Return the negative log-likelihood of a Laplace law with the given deviation about the (detached) guess."""
    log_scale = log_deviation - 0.5 * torch.log(torch.tensor(2.0, device=target.device))  # variance is twice scale^2
    nll = (
        (guess.detach() - target).abs() * torch.exp(-log_scale)
        + log_scale
        + torch.log(torch.tensor(2.0, device=target.device))
    )
    return torch.where(valid, nll, 0.0).sum() / valid.sum().clamp_min(1)


def inlier_loss(logit: Tensor, right: Tensor, measured: Tensor) -> Tensor:
    """Return the cross-entropy of the points the network was shown; ``right`` is 1, 0, or -1 where there is none."""
    known = (right >= 0) & (measured > 0)
    entropy = F.binary_cross_entropy_with_logits(logit, right.clamp_min(0.0), reduction="none")
    return torch.where(known, entropy, 0.0).sum() / known.sum().clamp_min(1)
