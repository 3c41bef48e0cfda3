"""Depth completion as a LightningModule: any family of networks, any criterion."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_perception.evaluation.machine import machine
from depth_perception.models import families, networks, weights
from depth_perception.models.torch_runner import channels_last


class CompletionTask(lightning.LightningModule):
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
        super().__init__()
        self.family = family
        self.config = families.configuration(family, config)
        self.criterion = criterion
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.warmup = warmup
        self.network = channels_last(networks.build(family, self.config))
        self.start_from = start_from
        self.compiled = compiled
        self.samples = 0  # seen in training, all processes together
        self._before = 0.0  # seconds in earlier runs
        if start_from:
            self._take_over(weights.read(Path(start_from), family))
        self._start: float | None = None
        self.command = ""  # what started the run
        self.averaged = torch.optim.swa_utils.AveragedModel(
            self.network, multi_avg_fn=partial(_follow, average), use_buffers=True
        )
        self.averaged.requires_grad_(False)  # several GPUs would wait for gradients that never come
        self.average = average

    def _take_over(self, start: weights.Weights) -> None:
        """Go on from weights, with new samples, and count time and samples from where they were."""
        start.check({k: tuple(v.shape) for k, v in self.network.state_dict().items()})
        self.network.load_state_dict({k: torch.from_numpy(v) for k, v in start.tensors.items()}, strict=False)
        self.samples, self._before = int(start.training.get("samples", 0)), float(start.training.get("seconds", 0))

    def training_step(self, batch: dict, index: int) -> Tensor:
        """Return the loss of one batch."""
        parts = self.criterion(self.network(*_channels_last(batch)), batch)
        self.log_dict({f"train/{k}": v.detach() for k, v in parts.items()}, batch_size=len(batch["depth"]))
        self.samples += len(batch["depth"]) * self.trainer.world_size
        return parts["loss"]

    def on_before_zero_grad(self, optimizer: torch.optim.Optimizer) -> None:
        """Follow the weights after each step."""
        self.averaged.update_parameters(self.network)

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

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say what the weights belong to, so that they can be exported without the configuration file."""
        checkpoint["network"] = {"family": self.family, "config": dataclasses.asdict(self.config)}
        checkpoint["made"] = {
            "seconds": round(self._spent()),
            "samples": self.samples,
            "steps": self.global_step,
            "device": str(self.device),
            "machine": self._machine(),
            "precision": str(self.trainer.precision),
            **({"started_from": self.start_from} if self.start_from else {}),
            "command": self.command,
            "learning_rate": self.learning_rate,
            "average": self.average,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on counting time and samples."""
        made = checkpoint.get("made", {})
        self.samples, self._before = int(made.get("samples", 0)), float(made.get("seconds", 0))

    def on_train_start(self) -> None:
        """Start the clock."""
        if self.compiled:
            self.network.compile(dynamic=False)  # in place, so that the names of its parameters stay
        self._start = time.monotonic()

    def _spent(self) -> float:
        return self._before + (time.monotonic() - self._start if self._start is not None else 0.0)

    def _machine(self) -> str:
        if self.device.type == "cuda":
            return f"{self.trainer.world_size} x {torch.cuda.get_device_name(self.device)}"
        found = machine()
        return f"{found['Processor']}, {found['Cores']} cores, {torch.get_num_threads()} threads"

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


@torch.no_grad()
def _follow(average: float, followers: Sequence[Tensor], leaders: Sequence[Tensor], count: Tensor | int) -> None:
    """Exponential average that forgets its beginning: over ``count`` steps it looks back a tenth of them at most."""
    keep = min(average, (1 + int(count)) / (10 + int(count)))
    for follower, leader in zip(followers, leaders):
        if follower.is_floating_point():
            follower.lerp_(leader.to(follower.dtype), 1 - keep)
        else:
            follower.copy_(leader)


def _channels_last(batch: dict) -> list[Tensor]:
    return [x.contiguous(memory_format=torch.channels_last) for x in batch["inputs"]]
