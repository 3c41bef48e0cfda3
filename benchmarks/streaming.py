"""What streaming does to completed depth on real images: change from frame to frame, error, lag on a step.

    python -m benchmarks.streaming [--model diffusion] [--frames 30] [--docs]

Each frame shows the model 500 other points of the measured depth, each wrong by 2 %, as a LiDAR that turns would. In
``moving``, consecutive frames of a hand-held camera with their poses. In ``still``, one frame again and again, with new
noise in the image and no pose. In ``step``, the same, and half-way everything in the middle third comes nearer by a
quarter. Change is the mean difference of log depth to the frame before, moved into the view of now.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.evaluation import real_data
from depth_perception.frames import CameraFrame, CameraModel, FloatImage, SparseDepth
from depth_perception.geometry.camera import resize
from depth_perception.models import zoo
from depth_perception.models.completer import Completer
from depth_perception.pipelines.completion import CompletionInput, CompletionPipeline, CompletionSettings
from depth_perception.pipelines.streaming import StreamingSettings, motion_between
from depth_perception.pipelines.view_change import Layers, moved_layers

FILE = Path(__file__).resolve().parent.parent / "docs" / "figures" / "streaming.csv"
CASES = ("still", "moving", "step")
POINTS, RANGE_NOISE, IMAGE_NOISE, PERIOD = 500, 0.02, 4.0, 33_000_000
SETTLED = 5  # frames left out at the beginning
NEARER = 0.75


class View(NamedTuple):
    """One image RGB (H, W, 3) with measured depth (H, W), 0 unknown, and T_fixed_camera or None."""

    image: NDArray[np.uint8]
    truth: FloatImage
    T: NDArray[np.float64] | None


class Figures(NamedTuple):
    """``change`` and ``error`` without and with streaming; ``step``: share of a step that the first frame shows."""

    case: str
    model: str
    frames: int
    change_off: float
    change_on: float
    error_off: float
    error_on: float
    step: float


def kitchen(frames: int) -> tuple[list[View], CameraModel]:
    """Return consecutive views of the kitchen of 7-Scenes at half size; raises FileNotFoundError without it."""
    folder = real_data.data_folder() / "sevenscenes_kitchen"
    first = real_data.load_frames("kitchen", 1)[0]
    camera = first.camera
    assert camera is not None
    height, width = camera.height // 2, camera.width // 2
    views = []
    for number in range(300, 300 + frames):
        stem = folder / f"frame-{number:06d}"
        image = cv2.resize(
            real_data.read_color(Path(f"{stem}.color.jpg")), (width, height), interpolation=cv2.INTER_AREA
        )
        depth = real_data.register_kitchen(real_data.read_depth(Path(f"{stem}.depth.png"), 1000))
        T = np.loadtxt(f"{stem}.pose.txt")
        u, _, v = np.linalg.svd(T[:3, :3])  # they are rotations to 4e-4 only
        T[:3, :3] = u @ v
        views.append(View(np.asarray(image, np.uint8), depth[::2, ::2].copy(), T))
    return views, resize(camera, width, height)


def sequence(case: str, views: Sequence[View], frames: int) -> Iterator[View]:
    """Yield the views of a case."""
    for index in range(frames):
        if case == "moving":
            yield views[index]
            continue
        image, truth, _ = views[0]
        noise = np.random.default_rng(index).normal(0, IMAGE_NOISE, image.shape)
        if case == "step" and index >= frames // 2:
            third = np.s_[:, truth.shape[1] // 3 : 2 * truth.shape[1] // 3]
            truth = truth.copy()
            truth[third] *= np.float32(NEARER)
        yield View(np.clip(image + noise, 0, 255).astype(np.uint8), truth, None)


def play(model: Completer, views: Sequence[View], camera: CameraModel, enabled: bool) -> list[FloatImage]:
    """Return the completed depth of each view."""
    pipeline = CompletionPipeline(CompletionSettings(min_depth=0.1, streaming=StreamingSettings(enabled)), model)
    depths = []
    for index, (image, truth, T) in enumerate(views):
        random = np.random.default_rng(index)
        known = np.flatnonzero(truth > 0)
        chosen = random.choice(known, min(POINTS, len(known)), replace=False)
        sparse = np.zeros_like(truth)
        sparse.flat[chosen] = truth.flat[chosen] * np.exp(random.normal(0, RANGE_NOISE, len(chosen)))
        frame = CameraFrame((index + 1) * PERIOD, "camera", image, camera)
        depths.append(pipeline.run(CompletionInput(frame, SparseDepth.from_image(sparse), T_fixed_camera=T)).depth)
    return depths


def change(depths: Sequence[FloatImage], views: Sequence[View], camera: CameraModel) -> float:
    """Return the mean difference of log depth between each result and the one before, seen from the same place."""
    found = []
    for index in range(SETTLED, len(depths)):
        now, before = np.log(depths[index]), np.log(depths[index - 1])
        T = motion_between(views[index - 1].T, views[index].T)
        if T is not None:
            nothing = np.zeros_like(before)
            before = moved_layers(Layers(before, nothing, nothing), T, camera, now).log
        found.append(float(np.nanmean(np.abs(now - before))))
    return float(np.mean(found))


def error(depths: Sequence[FloatImage], views: Sequence[View]) -> float:
    """Return the mean absolute error in metres where depth was measured."""
    each = []
    for depth, view in zip(depths[SETTLED:], views[SETTLED:]):
        known = (view.truth > 0) & np.isfinite(depth)
        each.append(np.abs(depth - view.truth)[known].mean())
    return float(np.mean(each))


def step_share(off: Sequence[FloatImage], on: Sequence[FloatImage]) -> float:
    """Return how much of a step the first frame after it shows with streaming, of what it shows without."""
    at, width = len(off) // 2, off[0].shape[1]
    middle = np.s_[:, 2 * width // 5 : 3 * width // 5]
    shown = [np.nanmedian(np.log(d[at][middle] / d[at - 1][middle])) for d in (on, off)]
    return float(shown[0] / shown[1])


def measure(case: str, model: Completer, views: Sequence[View], camera: CameraModel, frames: int) -> Figures:
    """Return the figures of one case."""
    seen = list(sequence(case, views, frames))
    off, on = (play(model, seen, camera, enabled) for enabled in (False, True))
    share = step_share(off, on) if case == "step" else float("nan")
    change_off, change_on = (change(depths, seen, camera) for depths in (off, on))
    error_off, error_on = error(off, seen), error(on, seen)
    return Figures(case, model.name, frames, change_off, change_on, error_off, error_on, share)


def table(file: Path = FILE) -> str:
    """Return the kept figures as a markdown table."""
    if not file.is_file():
        return "Not measured yet."
    rows = ["| case | model | frames | change off | on | | error off [m] | on | | step shown |", "|" + "---|" * 10]
    with file.open() as lines:
        for row in csv.DictReader(lines):
            numbers = {name: float(row[name]) for name in Figures._fields[3:]}
            less = [numbers[f"{what}_on"] / numbers[f"{what}_off"] - 1 for what in ("change", "error")]
            step = "" if np.isnan(numbers["step"]) else f"{numbers['step']:.0%}"
            rows.append(
                f"| {row['case']} | `{row['model']}` | {row['frames']} "
                f"| {numbers['change_off']:.4f} | {numbers['change_on']:.4f} | {less[0]:+.0%} "
                f"| {numbers['error_off']:.4f} | {numbers['error_on']:.4f} | {less[1]:+.0%} | {step} |"
            )
    return "\n".join(rows)


def write(figures: Sequence[Figures], file: Path) -> None:
    """Keep the figures."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as lines:
        out = csv.writer(lines, lineterminator="\n")
        out.writerow(Figures._fields)
        out.writerows([*each[:3], *(f"{number:.6f}" for number in each[3:])] for each in figures)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", action="append", help="completer; may be given more than once (default: diffusion)")
    parser.add_argument("--frames", type=int, default=30, help="frames of each case, up to 50 (default: 30)")
    parser.add_argument("--out", type=Path, default=Path("out/streaming.csv"), help="where to keep the figures")
    parser.add_argument("--docs", action="store_true", help="keep them for docs/estimation_node.md")
    options = parser.parse_args(arguments)
    views, camera = kitchen(options.frames)
    models = [zoo.load(name) for name in options.model or ["diffusion"]]
    figures = [measure(case, model, views, camera, options.frames) for model in models for case in CASES]
    file = FILE if options.docs else options.out
    write(figures, file)
    print(table(file))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
