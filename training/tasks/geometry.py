"""Geometry-preserving depth as a LightningModule: labels of unknown scale and shift, and consistency of virtual views.

After Zhang et al., Robust geometry-preserving depth estimation using differentiable rendering (ICCV 2023). The network
is the one of ``monocular``; what it learns here is its depth up to one factor.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from depth_perception.geometry.virtual_views import PoseRange, random_poses, round_trip, scale_free
from training.losses.affine import fit
from training.losses.deviation import laplace_likelihood
from training.losses.scale_shift import ScaleShiftCriterion
from training.losses.view_consistency import ViewConsistencyCriterion
from training.tasks.base import NetworkTask
from training.tasks.monocular import FAMILY, falling
from training.tasks.shape_scores import shape_scores


class GeometryTask(NetworkTask):
    """Trains the monocular network made from ``config`` on ``MixedFrames``.

    ``consistency`` of the share ``looked`` of each batch, over one virtual view within ``reach`` an image; None trains
    on labels alone. ``deviation`` weighs what teaches how sure the network is, and nothing else. Adam; the rate rises
    over ``warmup`` steps and falls to a tenth after each share of all steps in ``milestones``.
    """

    def __init__(
        self,
        supervision: ScaleShiftCriterion | None = None,
        consistency: ViewConsistencyCriterion | None = None,
        config: dict[str, Any] | None = None,
        looked: float = 0.5,
        reach: PoseRange | None = None,
        deviation: float = 0.01,
        learning_rate: float = 3e-4,
        warmup: int = 100,
        milestones: tuple[float, ...] = (0.6, 0.85),
        average: float = 0.998,
        start_from: str | None = None,
        compiled: bool = False,
    ):
        super().__init__(FAMILY, config, learning_rate, average, start_from, compiled)
        if not 0 < looked <= 1:
            raise ValueError(f"looked is a share above 0 of a batch, got {looked}")
        self.supervision = supervision or ScaleShiftCriterion()
        self.consistency = consistency
        self.looked = looked
        self.reach = reach or PoseRange()
        self.deviation = deviation
        self.warmup = warmup
        self.milestones = tuple(milestones)

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        """Return the loss of one batch."""
        image, label = batch["shown"], batch["label"]
        output = self.network(image.contiguous(memory_format=torch.channels_last))
        parts = {f"label_{k}": v for k, v in self.supervision(output.depth, label, image=image).items()}
        total = parts.pop("label_loss")
        progress = self.global_step / max(int(self.trainer.estimated_stepping_batches), 1)
        if self.consistency is not None and self.consistency.strength(progress) > 0:
            seen = self._consistency(image, output.depth, batch["K"], progress)
            total = total + seen.pop("loss")
            parts |= {f"again_{k}": v for k, v in seen.items()}
        if self.deviation:
            # whatever scale and shift the label has: it is brought to the depth
            known = label > 0
            fitted = fit(label, known, "least_squares", output.depth.detach()).apply(label)
            error = (fitted - output.depth.detach()).abs() / output.depth.detach()
            parts["nll"] = laplace_likelihood(output.extra["log_deviation"], error, known)
            total = total + self.deviation * parts["nll"]
        self.log_dict({f"train/{k}": v.detach() for k, v in parts.items()}, batch_size=len(image))
        self.samples += len(image) * self.trainer.world_size
        return total

    def _consistency(self, image: Tensor, depth: Tensor, K: Tensor, progress: float) -> dict[str, Tensor]:
        assert self.consistency is not None
        count = max(1, round(self.looked * len(image)))
        image, depth, K = image[:count], depth[:count].float(), K[:count]
        # with a camera that steps so many units a smaller scene would be another one, and no label holds the scale
        depth = scale_free(depth, torch.ones_like(depth, dtype=torch.bool))

        def again(shown: Tensor) -> Tensor:
            return self.network(shown.contiguous(memory_format=torch.channels_last)).depth.float()

        # the renderer needs single precision
        with torch.autocast(image.device.type, enabled=False):
            trip = round_trip(image, depth, K, random_poses(depth, reach=self.reach), again)
            return self.consistency(image, depth, trip, self.global_step, progress)

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        """Log how right the shape is by the averaged weights, against the truth."""
        depth = self.averaged(batch["image"]).depth
        scores = {f"val/{k}": v for k, v in shape_scores(depth, batch["depth"], batch["K"]).items()}
        self.log_dict(scores, batch_size=len(depth), on_epoch=True, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Return Adam and its schedule."""
        optimizer = torch.optim.Adam([p for p in self.parameters() if p.requires_grad], lr=self.learning_rate)
        total = max(int(self.trainer.estimated_stepping_batches), 1)
        steps = [share * total for share in self.milestones]

        def rate(step: int) -> float:
            return falling(step, self.warmup, steps)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
