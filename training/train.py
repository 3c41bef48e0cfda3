"""Train a network: ``python -m training.train fit --config training/configs/NAME.yaml``.

Everything else is Lightning's command line: ``--trainer.devices 4 --trainer.num_nodes 2``, ``--trainer.precision``,
``--ckpt_path last`` to go on after an interruption, ``--print_config``, ``tensorboard --logdir .training/logs``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import torch
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from training.datasets.data import RenderedData
from training.tasks.completion import CompletionTask


class TrainingCLI(LightningCLI):
    """Lightning's command line; what data and network share is said once, under ``model``."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Link the settings both need."""
        parser.link_arguments("model.family", "data.family")
        parser.link_arguments("model.config", "data.config")
        parser.add_argument("--threads", type=int, default=0, help="CPU threads of torch, 0: its own choice")

    def before_instantiate_classes(self) -> None:
        """Set the threads before anything computes."""
        threads = self.config[self.subcommand]["threads"] if self.subcommand else 0
        if threads:
            torch.set_num_threads(threads)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin starve the workers on few cores
    TrainingCLI(
        CompletionTask,
        RenderedData,
        seed_everything_default=0,
        args=list(arguments) if arguments is not None else sys.argv[1:],
        save_config_kwargs={"overwrite": True},
    )


if __name__ == "__main__":
    main()
