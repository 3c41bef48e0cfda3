"""Frames of worlds that no training ever sees: seeds from nine million on are set aside for evaluation.

    python -m benchmarks.evidence.held_out --count 24 --device cuda

renders them beforehand; else the benchmark does so when it needs them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.evidence.tables import WORLDS
from depth_perception.evaluation.real_data import RealFrame
from depth_perception.frames import CameraModel

FIRST_SEED = 9_000_000
STRIDE = 100  # neighbouring numbers show one world from several places; these are all different worlds
FOLDER = Path(__file__).resolve().parents[2] / ".training" / "held_out"


def seeds(count: int) -> list[int]:
    """Return the numbers of the first ``count`` held-out frames."""
    return [FIRST_SEED + STRIDE * index for index in range(count)]


def load_frames(
    count: int, folder: Path = FOLDER, size: tuple[int, int] = (480, 640), device: str = "cpu"
) -> list[RealFrame]:
    """Return ``count`` frames of ``size`` (height, width), rendering those that are not in ``folder`` yet."""
    missing = [seed for seed in seeds(count) if not _file(folder, seed).is_file()]
    if missing:
        from training.synthetic.frames import write_frames  # needs torch

        folder.mkdir(parents=True, exist_ok=True)
        for seed in write_frames(folder, missing, size, device):
            print(f"rendered held-out world {seed}", flush=True)
    return [_read(_file(folder, seed)) for seed in seeds(count)]


def _file(folder: Path, seed: int) -> Path:
    return folder / f"{seed:08d}.npz"


def _read(path: Path) -> RealFrame:
    with np.load(path) as data:
        image, depth, K = data["image"], data["depth"].astype(np.float32), data["K"].astype(np.float64)
    height, width = depth.shape
    truth = np.where(np.isfinite(depth), depth, np.float32(0))
    return RealFrame(WORLDS, path.stem, image, truth, CameraModel(width, height, K))


def main(arguments: list[str] | None = None) -> int:
    """Render from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    options = parser.parse_args(arguments)
    print(f"{len(load_frames(options.count, options.folder, device=options.device))} frames in {options.folder}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
