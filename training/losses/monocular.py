"""GAM-Depth's objective: what video says about depth, pixel by pixel, with and without labels.

Cheng et al., *GAM-Depth* (ICRA 2024). Weights are the paper's where not said otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from depth_perception.models.networks.output import NetworkOutput
from training.losses.deviation import aligned_error, explaining_error, laplace_likelihood
from training.losses.gradient_mask import GradientMask
from training.losses.main_directions import main_directions
from training.losses.photometric import minimum_reprojection
from training.losses.planes import coplanarity, manhattan, normals
from training.losses.scale_shift import ScaleShiftCriterion
from training.losses.smoothness import smoothness

DEVIATIONS = ("photometric", "depth")


class Views(NamedTuple):
    """What a step makes of a window.

    ``output`` of the depth network; ``poses`` T_source_target (B, 4, 4) of each source, final; ``warped`` the sources
    (B, 3, H, W) as those bring them to the target; ``logits`` (B, classes, H, W) of the semantic decoder or None.
    ``ends``: nearest and farthest depth that the network can tell.
    """

    output: NetworkOutput
    poses: Sequence[Tensor]
    warped: Sequence[Tensor]
    logits: Tensor | None = None
    ends: tuple[float, float] = (0.1, 10.0)


class GamDepthCriterion(nn.Module):
    """Masked photometric error + ``semantic`` cross entropy + ``smooth`` smoothness + optional terms of planes.

    ``mask``: how pixels are weighted, the gradient-aware mask by default. ``auto_mask``: sources as they are compete
    with warped ones. ``semantic`` is 0.1 in the paper, whose doubled softmax makes it weak; for logits 0.03 is as
    strong. It ends with epoch ``semantic_epochs``: later the shared features would drift away from depth.
    ``coplanar`` (0.1 in the paper) and ``right_angles`` (0.05) need segments; the latter takes main directions that
    are known, else those that normals of the predicted depth agree on.

    ``known`` weighs what ``supervision`` (by default the difference of logarithms, whatever the scale) says of depth
    that is known, as in rendered video. It is no part of the paper, and 0 learns from video alone.

    ``deviation`` weighs the negative log-likelihood that teaches how sure the network is, and nothing else.
    ``deviation_from``: "photometric", the change of depth that would explain the remaining difference of colours, or
    "depth", the true relative error after median scaling where depth is known, as in rendered video; batches in which
    none is known fall back to colours.
    """

    def __init__(
        self,
        mask: GradientMask | None = None,
        auto_mask: bool = True,
        semantic: float = 0.03,
        semantic_epochs: int = 15,
        smooth: float = 1e-3,
        coplanar: float = 0.0,
        right_angles: float = 0.0,
        deviation: float = 0.01,
        deviation_from: str = "photometric",
        known: float = 0.0,
        supervision: nn.Module | None = None,  # of depth and truth, gives {"loss": ...}
    ):
        super().__init__()
        if deviation_from not in DEVIATIONS:
            raise ValueError(f"deviation_from must be one of {', '.join(DEVIATIONS)}, got {deviation_from!r}")
        self.mask = mask or GradientMask()
        self.auto_mask = auto_mask
        self.semantic = semantic
        self.semantic_epochs = semantic_epochs
        self.smooth = smooth
        self.coplanar = coplanar
        self.right_angles = right_angles
        self.known = known
        self.supervision = supervision or ScaleShiftCriterion("log", squashed=0.0)
        self.deviation = deviation
        self.deviation_from = deviation_from

    def wants_semantics(self, epoch: int) -> bool:
        """Say whether the semantic decoder still teaches in this epoch, counted from 0."""
        return self.semantic > 0 and epoch < self.semantic_epochs

    def forward(self, views: Views, batch: dict[str, Tensor], epoch: int = 0) -> dict[str, Tensor]:
        """Return the parts and their weighted sum ``loss``, scalars; ``batch``: see ``VideoWindows``, stacked.

        ``photometric`` is the plain mean of the least errors, ``masked`` the weighted one that is learned from,
        ``moving`` the share of pixels that auto-mask keeps.
        """
        frames, K = batch["frames"], batch["K"]
        target, sources = frames[:, 0], frames[:, 1:].unbind(1)
        output = views.output
        found = minimum_reprojection(target, views.warped, sources if self.auto_mask else ())
        masked = (self.mask(target) * found.error).mean()
        parts = {
            "photometric": found.error.mean(),
            "masked": masked,
            "moving": found.moving.float().mean(),
            "smooth": smoothness(output.extra["disparity"], target),
        }
        total = masked + self.smooth * parts["smooth"]
        if views.logits is not None and self.wants_semantics(epoch):
            parts["semantic"] = semantic_error(views.logits, batch["label"])
            total = total + self.semantic * parts["semantic"]
        if self.coplanar:
            parts["coplanar"] = coplanarity(output.depth, K, batch["segment"], *views.ends)
            total = total + self.coplanar * parts["coplanar"]
        if self.right_angles:
            directions = known_directions(output.depth, K, batch["directions"])
            parts["right_angles"] = manhattan(output.depth, K, batch["segment"], directions, epoch)
            total = total + self.right_angles * parts["right_angles"]
        if self.known and bool((batch["depth"] > 0).any()):
            parts["known"] = self.supervision(output.depth, batch["depth"])["loss"]
            total = total + self.known * parts["known"]
        if self.deviation:
            if self.deviation_from == "depth" and bool((batch["depth"] > 0).any()):
                error, known = aligned_error(output.depth.detach(), batch["depth"])
            else:
                error, known = self._explaining(views, batch, found.source), found.moving
            parts["nll"] = laplace_likelihood(output.extra["log_deviation"], error, known)
            total = total + self.deviation * parts["nll"]
        parts["loss"] = total
        return parts

    def _explaining(self, views: Views, batch: dict[str, Tensor], source: Tensor) -> Tensor:
        return explaining_error(batch["frames"], views.warped, views.output.depth, batch["K"], views.poses, source)


def known_directions(depth: Tensor, K: Tensor, directions: Tensor) -> Tensor:
    """Return main directions (B, 6, 3): as given or, of images where they are all 0, as most normals of depth have it.

    Early in training normals agree on nothing, and such an image then counts for nothing.
    """
    unknown = (directions == 0).flatten(1).all(1)
    if not bool(unknown.any()):
        return directions
    own = main_directions(normals(depth[unknown].detach(), K[unknown]))
    return directions.clone().index_put((unknown,), own.to(directions.dtype))


def semantic_error(logits: Tensor, label: Tensor) -> Tensor:
    """Return the mean cross entropy of ``logits`` (B, classes, H, W) for ``label`` (B, H, W), 0 where all are unknown.

    Class 0 is unknown and ignored.
    """
    if not bool((label > 0).any()):
        return logits.sum() * 0
    return F.cross_entropy(logits.float(), label, ignore_index=0)
