"""What every task shares: a network, the average of its weights, and what a checkpoint says about how it was made."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor

from depth_perception.evaluation.machine import machine
from depth_perception.models import families, networks, weights
from depth_perception.models.torch_runner import channels_last


class NetworkTask(lightning.LightningModule):
    """Holds ``family``'s network made from ``config`` (its settings that differ from the defaults).

    Exponential averages of the weights (``average``) are what is validated and exported. ``start_from``: a weight file
    of the same family to go on from, with a new schedule. ``compiled``: translate the network first (torch.compile).
    """

    def __init__(
        self,
        family: str,
        config: dict[str, Any] | None,
        learning_rate: float,
        average: float,
        start_from: str | None = None,
        compiled: bool = False,
    ):
        super().__init__()
        self.family = family
        self.config = families.configuration(family, config)
        self.learning_rate = learning_rate
        self.network = channels_last(networks.build(family, self.config))
        self.start_from = start_from
        self.compiled = compiled
        self.samples = 0  # seen in training, all processes together
        self._before = 0.0  # seconds in earlier runs
        self.earlier: list[str] = []  # commands of the trainings whose weights this one went on from
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
        """Go on from weights, with new samples, and count time and samples from where they were.

        A network that is more than the one they belong to says with ``grown`` how to begin where that was.
        """
        grown = getattr(self.network, "grown", None)
        if grown is not None:
            start = dataclasses.replace(start, tensors=grown(start.tensors))
        start.check({k: tuple(v.shape) for k, v in self.network.state_dict().items()})
        self.network.load_state_dict({k: torch.from_numpy(v) for k, v in start.tensors.items()}, strict=False)
        self.count_on(start.training)

    def count_on(self, made: dict[str, Any]) -> None:
        """Count samples and time on from those of the training that ``made`` describes, whose weights were taken."""
        self.samples, self._before = int(made.get("samples", 0)), float(made.get("seconds", 0))
        self.earlier = [*made.get("earlier", ()), *([made["command"]] if made.get("command") else [])]

    def on_before_zero_grad(self, optimizer: torch.optim.Optimizer) -> None:
        """Follow the weights after each step."""
        self.averaged.update_parameters(self.network)

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
            **({"earlier": self.earlier} if self.earlier else {}),
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
            for part in self.parts_to_compile():
                part.compile(dynamic=False)  # in place, so that the names of its parameters stay
        self._start = time.monotonic()

    def parts_to_compile(self) -> list[torch.nn.Module]:
        """Return the modules that a step calls."""
        return [self.network]

    def _spent(self) -> float:
        return self._before + (time.monotonic() - self._start if self._start is not None else 0.0)

    def _machine(self) -> str:
        if self.device.type == "cuda":
            return f"{self.trainer.world_size} x {torch.cuda.get_device_name(self.device)}"
        found = machine()
        return f"{found['Processor']}, {found['Cores']} cores, {torch.get_num_threads()} threads"


@torch.no_grad()
def _follow(average: float, followers: Sequence[Tensor], leaders: Sequence[Tensor], count: Tensor | int) -> None:
    """Exponential average that forgets its beginning: over ``count`` steps it looks back a tenth of them at most."""
    keep = min(average, (1 + int(count)) / (10 + int(count)))
    for follower, leader in zip(followers, leaders):
        if follower.is_floating_point():
            follower.lerp_(leader.to(follower.dtype), 1 - keep)
        else:
            follower.copy_(leader)
