"""Train a network: ``python -m training.train fit --config training/configs/NAME.yaml``.

Everything else is Lightning's command line: ``--trainer.devices 4 --trainer.num_nodes 2``, ``--trainer.precision``,
``--ckpt_path last`` to go on after an interruption, ``--print_config``. See docs/training.md.
"""

from __future__ import annotations

import os
import shlex
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from training.datasets.data import RenderedData
from training.tasks.completion import CompletionTask


class LastStep(lightning.Callback):
    """Lets ``last.ckpt`` hold the last step: a checkpoint every so many steps misses those after it."""

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write it again where it is kept."""
        for callback in trainer.checkpoint_callbacks:
            if isinstance(callback, ModelCheckpoint) and callback.save_last and callback.dirpath:
                trainer.save_checkpoint(Path(callback.dirpath) / f"{callback.CHECKPOINT_NAME_LAST}.ckpt")


class TrainingCLI(LightningCLI):
    """Lightning's command line; what data and network share is said once, under ``model``."""

    command = ""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Link what is shared and add our own options."""
        self.link(parser)
        parser.add_argument("--threads", type=int, default=0, help="CPU threads of torch, 0: its own choice")

    def link(self, parser: LightningArgumentParser) -> None:
        """Link the settings both need."""
        parser.link_arguments("model.family", "data.family")
        parser.link_arguments("model.config", "data.config")

    def before_instantiate_classes(self) -> None:
        """Set the threads before anything computes."""
        threads = self.config[self.subcommand]["threads"] if self.subcommand else 0
        if threads:
            torch.set_num_threads(threads)

    def before_fit(self) -> None:
        """Tell the task what started it: checkpoints and weights say so."""
        self.model.command = self.command


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    run(TrainingCLI, CompletionTask, RenderedData, "training.train", arguments)


def run(
    command: type[TrainingCLI],
    task: type[lightning.LightningModule],
    data: type[lightning.LightningDataModule],
    module: str,
    arguments: Sequence[str] | None,
) -> None:
    """Run the command line of ``module`` that trains ``task`` on ``data``."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin starve the workers on few cores
    # given both, Lightning warns of a mistake that calling this from Python is not
    warnings.filterwarnings("ignore", message="LightningCLI's args parameter is intended to run")
    # ours go on where they were: see training.datasets.data.Onward
    warnings.filterwarnings("ignore", message="You're resuming from a checkpoint that ended before the epoch")
    command.command = as_typed(sys.argv[1:] if arguments is None else arguments, module)
    command(
        task,
        data,
        seed_everything_default=0,
        trainer_defaults={"callbacks": [LastStep()]},
        args=None if arguments is None else list(arguments),
        save_config_kwargs={"overwrite": True},
    )


def as_typed(arguments: Sequence[str], module: str = "training.train") -> str:
    """Return the command of ``module`` for ``arguments``, whether or not the run went on from a checkpoint."""
    kept, rest = [], iter(arguments)
    for argument in rest:
        if argument == "--ckpt_path":
            next(rest, None)
        elif not argument.startswith("--ckpt_path="):
            kept.append(argument)
    return f"python -m {module} " + shlex.join(kept)


if __name__ == "__main__":
    main()
