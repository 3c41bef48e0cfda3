"""Video for training: ``python -m training.synthetic.sequences OUT --count N --frames F --size 144x192``.

Writes OUT/SSSSSSSS.npz for each of N sequence numbers: what one camera sees on a smooth way through a world of its
own. ``K`` (3, 3), ``times`` (F,) in seconds, ``T_world_camera`` (F, 4, 4) of the optical frame, ``world``, its kind,
and for every frame k ``image_k`` uint8 (H, W, 3), ``depth_k`` float32 (H, W) in metres (NaN: sky or beyond 100 m),
``normal_k`` int8 (H, W, 3) in the camera's frame times 127 (0: sky) and ``label_k`` uint8 (H, W), an index into
CLASSES. k has four digits, and reading one frame reads nothing of the others.

A sequence is a function of its number and the settings. Files that exist are kept, so a run that was cut short can be
started again. Exposure, colours and faults of the camera stay the same through a sequence; only noise is new.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from depth_perception.frames import CameraModel
from training.synthetic.camera_sensor import develop, metered
from training.synthetic.draft import render_draft
from training.synthetic.frames import FARTHEST, image_size
from training.synthetic.renderer import View
from training.synthetic.viewpoints import random_sensor, white_balance
from training.synthetic.worlds import KINDS, build_world, journey

# What a pixel can show; 0 is the sky, all that has no name of its own is "thing".
CLASSES = (
    "sky", "floor", "wall", "ceiling", "thing", "window", "door", "curtain", "table", "desk", "chair", "sofa", "bed",
    "shelf", "cupboard", "counter", "stand", "books", "carton", "goods", "clutter", "building", "car", "person", "tree",
    "bush", "grass", "rock", "fence",
)  # fmt: skip
_LEVEL = 0.7  # a normal of the background with so much of it pointing up or down is floor or ceiling
_BATCH = 4  # frames rendered at once


@dataclass(frozen=True)
class Settings:
    """What all sequences of a folder share: ``size`` (height, width), ``rate`` frames a second.

    ``view`` degrees across the image, drawn for each sequence between the two; ``kinds`` of worlds, drawn by their
    share of all.
    """

    frames: int = 30
    size: tuple[int, int] = (144, 192)
    rate: float = 10.0
    view: tuple[float, float] = (60.0, 80.0)
    kinds: tuple[str, ...] = ("indoor", "corridor", "warehouse")
    device: str = "cpu"


def render_sequence(number: int, settings: Settings) -> dict[str, NDArray]:
    """Return the arrays of sequence ``number``."""
    rng = np.random.default_rng((number, 3))
    shares = np.array([KINDS[kind][1] for kind in settings.kinds])
    kind = settings.kinds[int(rng.choice(len(shares), p=shares / shares.sum()))]
    world = build_world(number, kind)
    times = np.arange(settings.frames) / settings.rate
    poses = journey(world, rng, times)
    world = world.to(settings.device)
    camera = _camera(rng, settings)
    gains = torch.from_numpy(white_balance(rng)).to(settings.device)
    key = float(rng.uniform(0.15, 0.42))
    generator = torch.Generator(device=settings.device).manual_seed(number)
    out: dict[str, NDArray] = {"K": camera.K, "times": times, "T_world_camera": poses, "world": np.array(kind)}
    classes = torch.tensor([_class_of(name) for name in world.scene.instance_names], device=settings.device)
    sensor = None
    for start in range(0, settings.frames, _BATCH):
        chosen = poses[start : start + _BATCH]
        view = render_draft(world.scene, [camera] * len(chosen), torch.from_numpy(chosen))
        radiance = view.radiance * gains
        if sensor is None:  # automatic exposure, locked: a change would look like a change of the scene
            sensor = random_sensor(rng, metered(radiance[:1], key))
        images = develop(radiance, sensor, generator).cpu().numpy()
        labels = _labels(classes[view.instance], view, torch.from_numpy(chosen)).to(torch.uint8).cpu().numpy()
        depth = view.depth.cpu().numpy().astype(np.float32)
        depth[depth > FARTHEST] = np.nan
        normals = (127 * torch.nan_to_num(view.normal)).round().to(torch.int8).cpu().numpy()
        for k in range(len(chosen)):
            parts = {"image": images[k], "depth": depth[k], "normal": normals[k], "label": labels[k]}
            out.update({f"{name}_{start + k:04d}": values for name, values in parts.items()})
    return out


def _camera(rng: np.random.Generator, settings: Settings) -> CameraModel:
    height, width = settings.size
    f = width / 2 / math.tan(math.radians(rng.uniform(*settings.view)) / 2)
    off = rng.normal(0.0, 0.01, 2).clip(-0.03, 0.03) * (width, height)
    return CameraModel.pinhole(f, f, (width - 1) / 2 + float(off[0]), (height - 1) / 2 + float(off[1]), width, height)


def _labels(classes: Tensor, view: View, poses: Tensor) -> Tensor:
    """Return (B, H, W) of ``classes`` with floors and ceilings told from walls, and 0 where nothing is."""
    floor, wall, ceiling = (CLASSES.index(name) for name in ("floor", "wall", "ceiling"))
    up = torch.einsum("bi,bhwi->bhw", poses[:, 2, :3].to(view.normal), view.normal)  # along the world's z
    level = torch.where(up > _LEVEL, floor, torch.where(up < -_LEVEL, ceiling, wall))
    return torch.where(torch.isfinite(view.depth), torch.where(classes == wall, level, classes), 0)


def _class_of(name: str) -> int:
    if name == "background":
        return CLASSES.index("wall")  # floors and ceilings are told by their normals
    return CLASSES.index(name) if name in CLASSES else CLASSES.index("thing")


def sequence_path(out: Path, number: int) -> Path:
    """Return the file of sequence ``number``."""
    return out / f"{number:08d}.npz"


def write_sequence(out: Path, number: int, settings: Settings) -> bool:
    """Write sequence ``number``, whole or not at all; False if it is there already."""
    path = sequence_path(out, number)
    if path.exists():
        return False
    partial = out / f".{path.stem}.{os.getpid()}.tmp"
    with partial.open("wb") as file:
        np.savez(file, **render_sequence(number, settings))  # type: ignore[arg-type]
    partial.replace(path)
    return True


def _work(job: tuple[Path, int, Settings]) -> bool:
    torch.set_num_threads(1)
    return write_sequence(*job)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    options = _parser().parse_args(arguments)
    settings = Settings(
        options.frames, options.size, options.rate, tuple(options.view), tuple(options.kinds), options.device
    )
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"sequences: cannot make {options.out}: {error}", file=sys.stderr)
        return 1
    numbers = range(options.first_seed, options.first_seed + options.count)
    jobs = [(options.out, number, settings) for number in numbers]
    started, written = time.perf_counter(), 0
    with multiprocessing.get_context("spawn").Pool(min(options.processes, len(jobs))) as pool:
        for done, new in enumerate(pool.imap_unordered(_work, jobs), 1):
            written += new
            if done % 10 == 0 or done == len(jobs):
                spent = time.perf_counter() - started
                print(f"{written} sequences written, {done}/{len(jobs)} done, {spent:.0f} s", flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.synthetic.sequences", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=_positive, required=True, help="sequences")
    parser.add_argument("--first-seed", type=int, default=0, help="number of the first sequence")
    parser.add_argument("--frames", type=_positive, default=30, help="of each sequence (default: 30)")
    parser.add_argument("--size", type=image_size, default=(144, 192), help="HEIGHTxWIDTH in pixels (default: 144x192)")
    parser.add_argument("--rate", type=float, default=10.0, help="frames a second (default: 10)")
    parser.add_argument("--view", type=float, nargs=2, default=(60.0, 80.0), metavar=("LEAST", "GREATEST"),
                        help="degrees across the image (default: 60 80)")  # fmt: skip
    parser.add_argument("--kinds", nargs="+", choices=sorted(KINDS), default=["indoor", "corridor", "warehouse"])
    parser.add_argument("--processes", type=_positive, default=os.cpu_count() or 1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda; with cuda use few processes")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {text}")
    return value


if __name__ == "__main__":
    sys.exit(main())
