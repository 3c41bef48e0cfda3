"""The focal length of real recordings, searched by a shipped estimator that is told nothing of their camera.

    python -m benchmarks.recovery_real --model estimation-small [--file WEIGHTS] [--frames 6] [--views 4]

For each recording with known intrinsics: the curve of disagreement over focal lengths, whether it has one minimum, and
how far that is from the true focal length; and the shift that the estimator lacks there, as a share of the median
depth, with the true focal length. Nobody knows the true shift.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch

from depth_perception.evaluation import real_data
from depth_perception.evaluation.real_data import RealFrame
from depth_perception.geometry.camera import resize
from depth_perception.models import zoo
from depth_perception.models.curve_search import Search
from depth_perception.models.estimator import Estimator
from depth_perception.models.recovery import (
    RecoveryConfig,
    SelfConsistency,
    guessed_intrinsics,
    network_of,
    recover_focal,
    recover_shift,
)
from depth_perception.visualization import plots


class Row(NamedTuple):
    """Of one recording: ``error`` of the focal length in per cent, ``shift`` in per cent of the median depth.

    ``focal``: the search, its focal lengths as shares of the true one.
    """

    recording: str
    frames: int
    error: float
    one_minimum: bool
    shift: float
    focal: Search


def usable(frames: Sequence[RealFrame]) -> list[RealFrame]:
    """Return the frames with a pinhole camera and the size of the first of them; others cannot be searched together."""
    known = [f for f in frames if f.camera is not None and not f.camera.is_distorted]
    return [f for f in known if f.image.shape == known[0].image.shape]


def measure(recording: str, frames: Sequence[RealFrame], estimator: Estimator, views: int, width: int) -> Row:
    """Return what is found in ``frames`` of one size, scaled to ``width`` pixels across."""
    height = max(1, round(width * frames[0].image.shape[0] / frames[0].image.shape[1]))
    small = [cv2.resize(f.image, (width, height), interpolation=cv2.INTER_AREA) for f in frames]
    images = torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() / 255
    cameras = [resize(f.camera, width, height) for f in frames if f.camera is not None]
    K = torch.from_numpy(np.stack([camera.K for camera in cameras]).astype(np.float32))
    consistency = SelfConsistency(network_of(estimator), images, RecoveryConfig(views=views))
    guess = guessed_intrinsics(len(images), (height, width))
    factor = float(guess[0, 0, 0] / K[:, 0, 0].mean())
    focal = recover_focal(consistency, guess)
    shift = recover_shift(consistency, K)
    focal = focal._replace(tried=tuple(factor * x for x in focal.tried), best=factor * focal.best)
    error = 100 * (focal.best - 1)
    return Row(recording, len(images), error, focal.has_minimum, 100 * shift.best / consistency.median, focal)


def table(rows: Sequence[Row]) -> str:
    """Return the rows in Markdown."""
    lines = [
        "| recording | frames | focal length off by | one minimum | shift found, % of median depth |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {r.recording} | {r.frames} | {r.error:+.1f} % | {'yes' if r.one_minimum else 'no'} | {r.shift:+.1f} |"
        for r in rows
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery_real", description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True, help="an estimator, see depth_perception models")
    parser.add_argument("--file", type=Path, help="its weight file, by default the shipped one")
    parser.add_argument("--recordings", nargs="+", choices=real_data.recordings(), default=real_data.recordings())
    parser.add_argument("--frames", type=int, default=6, help="of each recording (default: %(default)s)")
    parser.add_argument("--views", type=int, default=4, help="of each frame (default: %(default)s)")
    parser.add_argument("--width", type=int, default=192, help="of the pictures, in pixels (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out/recovery_real"))
    options = parser.parse_args(arguments)
    try:
        estimator = zoo.load_estimator(options.model, file=options.file)
        found = {name: usable(real_data.load_frames(name, options.frames)) for name in options.recordings}
    except (KeyError, ValueError, FileNotFoundError, RuntimeError) as error:
        parser.error(str(error))
    rows = [measure(name, frames, estimator, options.views, options.width) for name, frames in found.items() if frames]
    if not rows:
        parser.error("no recording has frames with known intrinsics")
    series = {r.recording: (r.focal.tried, [100 * e for e in r.focal.errors]) for r in rows}
    options.out.mkdir(parents=True, exist_ok=True)
    picture = plots.lines(series, "focal length tried / true", "disagreement [% of depth]")
    (options.out / "recovery_real.png").write_bytes(picture)
    print(table(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
