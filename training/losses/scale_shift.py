"""Supervision by labels whose scale and shift are unknown and differ from image to image.

Depth and label are brought to a common standard before they are compared. Defaults follow LeReS (Yin et al., CVPR
2021): trimmed mean and deviation, absolute difference plus that of squashed values, and, if wanted, the order of
pixels across edges; the gradients at several resolutions are MiDaS' (Ranftl et al., T-PAMI 2022), who take the median.
Unlike LeReS, the depth is standardised too
and not only the label: so the network may put its depth at any positive scale, which it must to be lifted.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.losses.affine import FITS, STANDARDS, fit, masked_mean, standardise
from training.losses.gradient import gradient_loss
from training.losses.ranking import edge_pairs, ranking_loss

_LOG = "log"
_SQUASH = 0.01  # LeReS: tanh(0.01 x)
_LEAST = 1e-6  # of what has a logarithm


class ScaleShiftCriterion(nn.Module):
    """Level + ``squashed`` tanh term + ``gradient`` edges + ``ranking``, each blind to scale and shift of either side.

    ``standard``: trimmed (LeReS), median or mean, see ``affine.fit``; or least_squares or scale: the depth is fitted
    to the label standardised by trimming, and ``scale`` is for labels whose shift is known to be right; so is log,
    which compares logarithms less their means, so that near and far count alike (SILog without its square; Eigen et
    al., NIPS 2014). ``pairs``: edges at which the order is asked for, three pairs each and one anywhere; LeReS takes
    10,000 pairs.
    """

    def __init__(
        self,
        standard: str = "trimmed",
        squashed: float = 1.0,
        gradient: float = 0.5,
        scales: int = 4,
        ranking: float = 0.0,
        pairs: int = 2_500,
    ):
        super().__init__()
        if standard not in STANDARDS + FITS + (_LOG,):
            raise ValueError(f"unknown standard {standard!r}; known: {', '.join(STANDARDS + FITS + (_LOG,))}")
        self.standard = standard
        self.squashed = squashed
        self.gradient = gradient
        self.scales = scales
        self.ranking = ranking
        self.pairs = pairs

    def forward(
        self, depth: Tensor, label: Tensor, valid: Tensor | None = None, image: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return ``level``, ``squashed``, ``edges``, with a weight ``ranking``, and their ``loss``: scalars in float32.

        ``depth`` and ``label`` (B, 1, H, W) in any units; ``valid`` bool, by default where the label is positive and
        finite. ``image`` (B, 3, H, W) shows where edges are, and is needed for the ranking alone: ValueError without.
        Means are per image and then over the batch.
        """
        if valid is None:
            valid = torch.isfinite(label) & (label > 0)
        label = torch.where(valid, label.float(), 0.0)
        guess, goal = self._standardised(depth, label, valid)
        miss = guess - goal
        parts = {
            "level": masked_mean(miss.abs(), valid).mean(),
            "squashed": masked_mean((torch.tanh(_SQUASH * guess) - torch.tanh(_SQUASH * goal)).abs(), valid).mean(),
            "edges": gradient_loss(miss, valid, self.scales).mean(),
        }
        parts["loss"] = parts["level"] + self.squashed * parts["squashed"] + self.gradient * parts["edges"]
        if self.ranking:
            if image is None:
                raise ValueError("the ranking looks for edges: give the image")
            parts["ranking"] = ranking_loss(guess, goal, valid, edge_pairs(image, self.pairs)).mean()
            parts["loss"] = parts["loss"] + self.ranking * parts["ranking"]
        return parts

    def _standardised(self, depth: Tensor, label: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        if self.standard in STANDARDS:
            return standardise(depth, valid, self.standard), standardise(label, valid, self.standard)
        if self.standard == _LOG:
            guess, goal = depth.float().clamp_min(_LEAST).log(), label.clamp_min(_LEAST).log()
            return guess - masked_mean(guess, valid), goal - masked_mean(goal, valid)
        if self.standard == "scale":
            # the label's own unit, but its shift stays: divide by its mean
            goal = label / masked_mean(label, valid).clamp_min(1e-6)
        else:
            goal = standardise(label, valid, "trimmed")
        return fit(depth, valid, self.standard, goal).apply(depth), goal
