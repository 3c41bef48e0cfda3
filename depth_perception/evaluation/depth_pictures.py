"""Every estimated frame as two files: depth for programs, a coloured picture for people."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np

from depth_perception.frames import DepthEstimate, ScaleKind
from depth_perception.pipelines.completion import CompletionInput
from depth_perception.visualization.colormap import colorize

LARGEST = 65.534  # metres that 16 bits of millimetres hold


class DepthPictures:
    """Writes ``depth/NNNNNN.png`` (16-bit millimetres, 0 unknown) and ``preview/NNNNNN.jpg`` into ``folder``.

    Depth without metres has no number that means anything to others: of that there is a preview only. With several
    models each has a folder of its own inside those. An object of this class is what ``evaluate`` calls with answers.
    """

    def __init__(self, folder: Path | str, several: bool = False):
        self.folder = Path(folder)
        self.written = 0
        self._several = several

    def __call__(self, number: int, given: CompletionInput, model: str, estimate: DepthEstimate) -> None:
        """Write one frame."""
        inside = re.sub("[^A-Za-z0-9.-]+", "_", model) if self._several else "."
        if estimate.scale is ScaleKind.METRIC:
            depth = np.nan_to_num(estimate.depth, nan=0.0, posinf=0.0)
            millimetres = np.where(depth <= LARGEST, np.rint(1000 * depth), 0).astype(np.uint16)
            self._write(self.folder / "depth" / inside / f"{number:06d}.png", millimetres)
        picture = cv2.cvtColor(colorize(estimate.depth), cv2.COLOR_RGB2BGR)
        self._write(self.folder / "preview" / inside / f"{number:06d}.jpg", picture)
        self.written += 1

    @staticmethod
    def _write(path: Path, picture: np.ndarray) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(path), picture):
            raise OSError(f"cannot write {path}")
