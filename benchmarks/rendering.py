"""How fast training frames are rendered: by kind of world, image size, batch and device.

    python -m benchmarks.rendering [--size 240x320] [--batch 1 8] [--device cpu cuda] [--csv FILE]

A frame is all that ``training.synthetic.frames`` writes: picture with shadows, depth, ids, and the depth from the
LiDAR's place. Rays are those of the second view alone, one a pixel, to the first surface. On a CPU one thread is used
and its own time is counted, so that a busy machine does not spoil the figures; on a GPU it is the time that passes.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from depth_perception.evaluation.machine import machine
from training.synthetic.draft import depth_of
from training.synthetic.frames import image_size, render_frames
from training.synthetic.viewpoints import random_camera
from training.synthetic.worlds import KINDS, build_world
from training.synthetic.worlds.palette import bank


class Speed(NamedTuple):
    """Means over worlds of one kind: seconds to build a world and to render a frame, and rays a second."""

    kind: str
    device: str
    size: str
    batch: int
    primitives: float
    build_s: float
    frame_s: float
    rays_per_s: float


def clock(device: str) -> Callable[[], float]:
    """Return what reads the time in seconds: of this thread on a CPU, of the wall after all is done on a GPU."""
    if device == "cpu":
        return time.thread_time

    def after_all() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return after_all


def measure(kind: str, device: str, size: tuple[int, int], batch: int, worlds: int) -> Speed:
    """Return the speed in ``worlds`` worlds of ``kind``, after one unmeasured batch."""
    now = clock(device)
    bank()
    spent, primitives = np.zeros(3), 0
    for index in range(worlds + 1):
        start = now()
        world = build_world(index, kind).to(device)
        built = now()
        numbers = range(index * batch, (index + 1) * batch)
        render_frames(world, numbers, size)
        rendered = now()
        rng = np.random.default_rng(index)
        cameras = [random_camera(rng, *size) for _ in range(batch)]
        poses = torch.from_numpy(world.camera_poses(rng, batch))
        traced = now()
        depth_of(world.scene, cameras, poses)
        if index > 0:  # the first call of anything is slow
            spent += (built - start, rendered - built, now() - traced)
            primitives += len(world.scene)
    build, frames, rays = spent / worlds
    pixels = batch * size[0] * size[1]
    label = f"{size[0]}x{size[1]}"
    return Speed(kind, device, label, batch, primitives / worlds, build, frames / batch, pixels / rays)


def table(speeds: Sequence[Speed]) -> str:
    """Return a Markdown table; its last line per setting is the mean over the mix of kinds."""
    lines = [
        "| world | device | size | batch | primitives | build, ms | frame, ms | frames/s | Mrays/s |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {s.kind} | {s.device} | {s.size} | {s.batch} | {s.primitives:.0f} | {1e3 * s.build_s:.0f} "
        f"| {1e3 * s.frame_s:.0f} | {1 / s.frame_s:.1f} | {1e-6 * s.rays_per_s:.2f} |"
        for s in speeds
    ]
    return "\n".join(lines)


def mixed(speeds: Sequence[Speed]) -> Speed:
    """Return the mean over the kinds, by their shares in the mix; all must be of one setting."""
    share = np.array([KINDS[s.kind][1] for s in speeds])
    share = share / share.sum()

    def mean(values: Sequence[float]) -> float:
        return float(share @ np.array(values))

    first = speeds[0]
    return first._replace(
        kind="all, as mixed",
        primitives=mean([s.primitives for s in speeds]),
        build_s=mean([s.build_s for s in speeds]),
        frame_s=mean([s.frame_s for s in speeds]),
        rays_per_s=1.0 / mean([1.0 / s.rays_per_s for s in speeds]),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rendering", description=__doc__)
    parser.add_argument("--kind", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--size", nargs="+", type=image_size, default=[(240, 320)], help="HEIGHTxWIDTH in pixels")
    parser.add_argument("--batch", nargs="+", type=int, default=[1])
    parser.add_argument("--device", nargs="+", default=["cpu"])
    parser.add_argument("--worlds", type=int, default=5, help="worlds of each kind")
    parser.add_argument("--csv", type=Path, help="write the figures here too")
    options = parser.parse_args(arguments)
    if "cuda" in options.device and not torch.cuda.is_available():
        print("rendering: no CUDA device here", file=sys.stderr)
        return 1
    torch.set_num_threads(1)
    speeds: list[Speed] = []
    for device in options.device:
        for size in options.size:
            for batch in options.batch:
                setting = [measure(kind, device, size, batch, options.worlds) for kind in options.kind]
                speeds += [*setting, mixed(setting)]
    print(f"{', '.join(f'{key}: {value}' for key, value in machine().items())}\n\n{table(speeds)}")
    if options.csv is not None:
        options.csv.parent.mkdir(parents=True, exist_ok=True)
        with options.csv.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([Speed._fields, *speeds])
    return 0


if __name__ == "__main__":
    sys.exit(main())
