"""Train geometry-preserving depth: ``python -m training.train_geometry fit --config CONFIG``.

It learns from rendered frames whose labels have an unknown scale and shift; ``training/configs/geometry/tiny.yaml``
tries the whole way. Options are those of training.train; data
and network share ``model.config``, which is said once.
"""

from __future__ import annotations

from collections.abc import Sequence

from lightning.pytorch.cli import LightningArgumentParser

from training.datasets.mixed_frames import MixedData
from training.tasks.geometry import GeometryTask
from training.train import TrainingCLI, run


class GeometryCLI(TrainingCLI):
    """The command line of training.train for other classes."""

    def link(self, parser: LightningArgumentParser) -> None:
        """Link the settings both need."""
        parser.link_arguments("model.config", "data.config")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    run(GeometryCLI, GeometryTask, MixedData, "training.train_geometry", arguments)


if __name__ == "__main__":
    main()
