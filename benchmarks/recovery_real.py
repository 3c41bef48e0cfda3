"""The focal length of real recordings, searched by a shipped estimator that is told nothing of their camera.

    python -m benchmarks.recovery_real [--model estimation-small] [--file WEIGHTS] [--docs]

For each recording with known intrinsics: the curve of disagreement over focal lengths, whether it has one minimum, and
how far that is from the true focal length; and the shift that the estimator lacks there, as a share of the median
depth, with the true focal length. Nobody knows the true shift.

A real estimator says something else of each picture anew, by several per cent of depth, and what a wrong focal length
adds grows with the turn. So the virtual camera turns farther than in training: by --yaw degrees at most and half of
that at least, and up and down by half as much.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch

from depth_perception.evaluation import real_data
from depth_perception.evaluation.real_data import RealFrame
from depth_perception.geometry.camera import resize
from depth_perception.geometry.virtual_views import PoseRange
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

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "docs" / "figures" / "recovery_real.csv"
TOLERANCE = 0.01  # finer is below what images and views differ by
KEPT = ("recording", "frames", "error", "one_minimum", "shift")


class Row(NamedTuple):
    """Of one recording: ``error`` of the focal length in per cent, ``shift`` in per cent of the median depth.

    ``focal``: the search, its focal lengths as shares of the true one.
    """

    recording: str
    frames: int
    error: float
    one_minimum: bool
    shift: float
    focal: Search | None


def usable(frames: Sequence[RealFrame]) -> list[RealFrame]:
    """Return the frames with a pinhole camera and the size of the first of them; others cannot be searched together."""
    known = [f for f in frames if f.camera is not None and not f.camera.is_distorted]
    return [f for f in known if f.image.shape == known[0].image.shape]


def measure(
    recording: str, frames: Sequence[RealFrame], estimator: Estimator, views: int, width: int, yaw: float = 15.0
) -> Row:
    """Return what is found in ``frames`` of one size, scaled to ``width`` pixels across, with turns up to ``yaw``."""
    height = max(1, round(width * frames[0].image.shape[0] / frames[0].image.shape[1]))
    small = [cv2.resize(f.image, (width, height), interpolation=cv2.INTER_AREA) for f in frames]
    images = torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() / 255
    cameras = [resize(f.camera, width, height) for f in frames if f.camera is not None]
    K = torch.from_numpy(np.stack([camera.K for camera in cameras]).astype(np.float32))
    reach = PoseRange(yaw=yaw, pitch=yaw / 2, narrowest=0.5)
    consistency = SelfConsistency(network_of(estimator), images, RecoveryConfig(views=views, reach=reach))
    guess = guessed_intrinsics(len(images), (height, width))
    factor = float(guess[0, 0, 0] / K[:, 0, 0].mean())
    focal = recover_focal(consistency, guess, tolerance=TOLERANCE)
    shift = recover_shift(consistency, K, tolerance=TOLERANCE)
    focal = focal._replace(tried=tuple(factor * x for x in focal.tried), best=factor * focal.best)
    error = 100 * (focal.best - 1)
    return Row(recording, len(images), error, focal.has_minimum, 100 * shift.best / consistency.median, focal)


def kept(file: Path = FIGURES) -> str:
    """Return the kept figures as a Markdown table."""
    if not file.is_file():
        return "Not measured yet."
    with file.open(newline="") as lines:
        read = list(csv.DictReader(lines))
    return table(
        [
            Row(
                x["recording"], int(x["frames"]), float(x["error"]), x["one_minimum"] == "True", float(x["shift"]), None
            )
            for x in read
        ]
    )


def keep(rows: Sequence[Row], file: Path) -> None:
    """Write the figures, without the curves."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(KEPT)
        writer.writerows([r.recording, r.frames, f"{r.error:.2f}", r.one_minimum, f"{r.shift:.2f}"] for r in rows)


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
    parser.add_argument("--model", default="estimation-small", help="an estimator, see depth_perception models")
    parser.add_argument("--file", type=Path, help="its weight file, by default the shipped one")
    parser.add_argument("--recordings", nargs="+", choices=real_data.recordings(), default=real_data.recordings())
    parser.add_argument("--frames", type=int, default=6, help="of each recording (default: %(default)s)")
    parser.add_argument("--views", type=int, default=4, help="of each frame (default: %(default)s)")
    parser.add_argument("--yaw", type=float, default=25.0, help="largest turn, degrees (default: %(default)s)")
    parser.add_argument("--width", type=int, default=160, help="of the pictures, in pixels (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("out/recovery_real"))
    parser.add_argument("--docs", action="store_true", help="keep picture and figures for docs/geometry.md, too")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        estimator = zoo.load_estimator(options.model, file=options.file)
        found = {name: usable(real_data.load_frames(name, options.frames)) for name in options.recordings}
    except (KeyError, ValueError, FileNotFoundError, RuntimeError) as error:
        parser.error(str(error))
    rows = []
    for name, frames in found.items():
        if frames:
            rows.append(measure(name, frames, estimator, options.views, options.width, options.yaw))
            print(table(rows[-1:]).splitlines()[-1], flush=True)
    if not rows:
        parser.error("no recording has frames with known intrinsics")
    places = [(options.out / "recovery_real.png", options.out / "recovery_real.csv")]
    if options.docs:
        places.append((ROOT / "docs" / "images" / "recovery_real.png", FIGURES))
    picture = draw(rows)
    for image, figures in places:
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(picture)
        keep(rows, figures)
    print(table(rows))
    return 0


def draw(rows: Sequence[Row]) -> bytes:
    """Return the search curves as PNG, each over the least of its own values: networks err more in some places."""
    with plots.figure(6.4, 3.2) as made:
        axes = made.add_subplot()
        for index, row in enumerate(row for row in rows if row.focal is not None):
            assert row.focal is not None
            known = [(x, e) for x, e in zip(row.focal.tried, row.focal.errors) if np.isfinite(e)]
            least = min(e for _, e in known)
            color = plots.SERIES_COLORS[index % len(plots.SERIES_COLORS)]
            axes.plot([x for x, _ in known], [e / least for _, e in known], color=color, marker="o", markersize=3,
                      label=row.recording)  # fmt: skip
        axes.axvline(1, color="#57606a", linestyle=":")
        axes.set(xlabel="focal length tried / true", ylabel="disagreement / its least", xscale="log")
        axes.set_xticks([0.5, 0.7, 1.0, 1.4, 2.0], ["0.5", "0.7", "1", "1.4", "2"])
        axes.minorticks_off()
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return plots.png_bytes(made)


if __name__ == "__main__":
    raise SystemExit(main())
