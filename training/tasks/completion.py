"""Depth completion as a LightningModule: any family of networks, any criterion."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.tasks.base import NetworkTask


class CompletionTask(NetworkTask):
    """Trains ``family``'s network made from ``config`` (its settings that differ from the defaults) with ``criterion``.

    AdamW with weight decay on matrices only (scalars such as ReZero's must not decay), linear warm-up over ``warmup``
    steps, then a cosine to zero at the trainer's last step. Exponential averages of the weights (``average``) are what
    is validated and exported. ``start_from``: a weight file of the same family to go on from, with a new schedule.
    ``compiled``: translate the network first (torch.compile, which needs a C++ compiler): a minute for networks that
    then train faster.
    """

    def __init__(
        self,
        family: str,
        criterion: nn.Module,
        config: dict[str, Any] | None = None,
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-2,
        warmup: int = 200,
        average: float = 0.998,
        start_from: str | None = None,
        compiled: bool = False,
    ):
        super().__init__(family, config, learning_rate, average, start_from, compiled)
        self.criterion = criterion
        self.weight_decay = weight_decay
        self.warmup = warmup

    def training_step(self, batch: dict, index: int) -> Tensor:
        """Return the loss of one batch."""
        parts = self.criterion(self.network(*_channels_last(batch)), batch)
        self.log_dict({f"train/{k}": v.detach() for k, v in parts.items()}, batch_size=len(batch["depth"]))
        self.samples += len(batch["depth"]) * self.trainer.world_size
        return parts["loss"]

    def validation_step(self, batch: dict, index: int) -> None:
        """Log the criterion's parts and errors in metres of the averaged weights."""
        output = self.averaged(*_channels_last(batch))
        parts = self.criterion(output, batch)
        valid = batch["depth"] > 0
        step = batch["depth"].shape[3] // output.depth.shape[3]  # some work on a coarser grid
        depth = F.interpolate(output.depth.float(), scale_factor=float(step), mode="nearest") * batch["scale"]
        error = torch.where(valid, (depth - batch["depth"]).abs(), 0.0)
        relative = torch.where(valid, error / batch["depth"].clamp_min(1e-3), 0.0)
        count = valid.sum((1, 2, 3)).clamp_min(1)
        parts = {f"val/{k}": v for k, v in parts.items()}
        parts["val/mae"] = (error.sum((1, 2, 3)) / count).mean()
        parts["val/abs_rel"] = (relative.sum((1, 2, 3)) / count).mean()
        self.log_dict(parts, batch_size=len(valid), on_epoch=True, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Return AdamW and its schedule."""
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": self.weight_decay}, {"params": others, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate)
        total = max(int(self.trainer.estimated_stepping_batches), 1)

        def rate(step: int) -> float:
            if step < self.warmup:
                return (step + 1) / self.warmup
            return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - self.warmup) / max(total - self.warmup, 1))))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _channels_last(batch: dict) -> list[Tensor]:
    return [x.contiguous(memory_format=torch.channels_last) for x in batch["inputs"]]
