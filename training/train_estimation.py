"""Train depth from one camera: ``python -m training.train_estimation fit --config training/configs/NAME.yaml``.

It learns from video. Options are those of training.train; data and network share ``model.config`` and
``model.offsets``, which are said once.
"""

from __future__ import annotations

from collections.abc import Sequence

from lightning.pytorch.cli import LightningArgumentParser

from training.datasets.video_data import VideoData
from training.tasks.monocular import MonocularTask
from training.train import TrainingCLI, run


class EstimationCLI(TrainingCLI):
    """The command line of training.train for other classes."""

    def link(self, parser: LightningArgumentParser) -> None:
        """Link the settings both need; how many classes there are is told by who gives labels."""
        parser.link_arguments("model.config", "data.config")
        parser.link_arguments("model.offsets", "data.offsets")
        parser.link_arguments("data.classes", "model.classes", apply_on="instantiate")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    run(EstimationCLI, MonocularTask, VideoData, "training.train_estimation", arguments)


if __name__ == "__main__":
    main()
