"""How far depth is from agreeing with itself over a virtual view and back: what makes its shape right.

After Zhang et al., Robust geometry-preserving depth estimation using differentiable rendering (ICCV 2023), whose exact
weights and equations are not published. Depths are compared by scale alone: a fitted shift would take away the very
error that is to be seen. Alone these terms are least for any flat depth that faces the camera; they belong beside
supervision, ``scale_shift``, which fixes all but scale and shift.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from depth_perception.geometry.virtual_views import RoundTrip
from training.losses.affine import masked_mean
from training.losses.photometric import photometric_error


class ViewConsistencyCriterion(nn.Module):
    """Depth in the virtual view, depth back in the first, colours back in the first, weighed and faded in.

    ``view``, ``frame`` and ``image`` are the weights. Of a training that goes from 0 to 1 the terms are silent until
    ``start`` and whole from ``full`` on: of depth that means nothing yet the views mean nothing either.
    """

    def __init__(
        self, view: float = 0.5, frame: float = 0.5, image: float = 0.5, start: float = 0.25, full: float = 0.5
    ):
        super().__init__()
        if not 0 <= start <= full:
            raise ValueError(f"start must not be after full, got {start} and {full}")
        self.view = view
        self.frame = frame
        self.image = image
        self.start = start
        self.full = full

    def strength(self, progress: float) -> float:
        """Return the factor in [0, 1] of all terms at ``progress`` of the training; nothing need be rendered at 0."""
        if progress <= self.start:
            return 0.0
        return 1.0 if progress >= self.full else (progress - self.start) / (self.full - self.start)

    def forward(
        self, image: Tensor, depth: Tensor, trip: RoundTrip, step: int = 0, progress: float = 1.0
    ) -> dict[str, Tensor]:
        """Return ``view``, ``frame``, ``image`` and their weighted ``loss``, scalars: means per image, then over those.

        ``image`` (B, 3, H, W) and ``depth`` (B, 1, H, W) went into ``trip``. In even steps what the network says of
        the virtual view moves towards the rendered depth, in odd ones the rendered towards what it says: moved both
        at once, both would shrink. Holes count for nothing, and images without a pixel to compare neither.
        """
        turn = step % 2
        there, back = trip.there, trip.back
        view = relative_miss(trip.scaled, there.depth, there.mask, turn)
        frame = relative_miss(back.depth, depth, back.mask & torch.isfinite(depth) & (depth > 0), turn)
        whole = torch.where(back.mask, back.image, image)  # windows of similarity reach over the rim of holes
        colours = mean_of_seen(photometric_error(whole, image), back.mask)
        loss = self.strength(progress) * (self.view * view + self.frame * frame + self.image * colours)
        return {"view": view, "frame": frame, "image": colours, "loss": loss}


def relative_miss(values: Tensor, target: Tensor, mask: Tensor, turn: int = 0) -> Tensor:
    """Return the mean of abs(values - target) / target over ``mask``, all (B, 1, H, W), as a scalar.

    The gradient reaches ``values`` only (``turn`` 0) or ``target`` only (1), and never the divisor.
    """
    values, target = values.float(), target.float()
    fixed = torch.where(mask, target.detach(), 1.0)
    miss = values - fixed if turn == 0 else values.detach() - target
    return mean_of_seen(torch.where(mask, miss, 0.0).abs() / fixed, mask)


def mean_of_seen(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over images of the means over their ``mask``; images with nothing in it do not count."""
    seen = mask.flatten(1).any(1)
    return masked_mean(values, mask).sum() / seen.sum().clamp_min(1)
