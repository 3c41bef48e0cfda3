"""Frames for training: ``python -m training.synthetic.frames OUT --count N --first-seed S --size 240x320 --processes P``.

Writes OUT/SSSSSSSS.npz for each of N frame numbers from S: ``image`` uint8 (H, W, 3), ``depth`` float32 (H, W) in
metres (NaN: sky or beyond 100 m), ``second_depth`` the same from the LiDAR's place, ``T_camera_second`` (4, 4), ``K``
(3, 3), ``instance`` uint16 (H, W), and ``world``, its kind. A frame is a function of its number and size: ten frames
in a row share a world. Files that exist are kept, so a run that was cut short can be started again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from training.synthetic.camera_sensor import develop, metered
from training.synthetic.draft import depth_of, render_draft
from training.synthetic.viewpoints import lidar_place, random_camera, random_sensor, white_balance
from training.synthetic.worlds import World, build_world

FRAMES_PER_WORLD = 10
FARTHEST = 100.0  # metres; what is beyond has no truth


def render_frame(world: World, number: int, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Return the arrays of frame ``number`` of ``world``; ``size`` is (height, width)."""
    rng = np.random.default_rng((number, 2))
    camera = random_camera(rng, *size)
    pose = world.camera_poses(rng, 1)[0]
    T_camera_second = lidar_place(world, pose, rng)
    view = render_draft(world.scene, camera, torch.from_numpy(pose)[None])
    second = depth_of(world.scene, camera, torch.from_numpy(pose @ T_camera_second)[None])[0]
    radiance = view.radiance * torch.from_numpy(white_balance(rng)).to(view.radiance.device)
    sensor = random_sensor(rng, metered(radiance, float(rng.uniform(0.1, 0.42))))
    generator = torch.Generator(device=radiance.device).manual_seed(number)
    image = develop(radiance, sensor, generator)[0]
    return {
        "image": image.cpu().numpy(),
        "depth": _near(view.depth[0]),
        "second_depth": _near(second),
        "T_camera_second": T_camera_second,
        "K": camera.K,
        "instance": view.instance[0].cpu().numpy().astype(np.uint16),
        "world": np.array(world.kind),
    }


def _near(depth: torch.Tensor) -> np.ndarray:
    values = depth.cpu().numpy().astype(np.float32)
    return np.where(values <= FARTHEST, values, np.nan).astype(np.float32)


def write_frames(out: Path, numbers: Sequence[int], size: tuple[int, int], device: str = "cpu") -> Iterator[int]:
    """Write the frames of ``numbers`` that are not there yet; yield each number when its file is complete."""
    world, current = None, -1
    for number in numbers:
        path = out / f"{number:08d}.npz"
        if path.exists():
            continue
        if number // FRAMES_PER_WORLD != current:
            current = number // FRAMES_PER_WORLD
            world = build_world(current).to(device)
        assert world is not None
        arrays = render_frame(world, number, size)
        partial = out / f".{number:08d}.{os.getpid()}.tmp"
        with partial.open("wb") as file:
            np.savez(file, **arrays)
        partial.replace(path)
        yield number


def _work(job: tuple[Path, list[int], tuple[int, int], str]) -> int:
    torch.set_num_threads(1)
    return sum(1 for _ in write_frames(*job))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m training.synthetic.frames", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--size", default="240x320", help="height x width in pixels")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    height, width = (int(n) for n in options.size.lower().split("x"))
    options.out.mkdir(parents=True, exist_ok=True)
    by_world: dict[int, list[int]] = {}
    for number in range(options.first_seed, options.first_seed + options.count):
        by_world.setdefault(number // FRAMES_PER_WORLD, []).append(number)
    jobs = [(options.out, numbers, (height, width), options.device) for numbers in by_world.values()]
    started, written = time.perf_counter(), 0
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for done, count in enumerate(pool.imap_unordered(_work, jobs), 1):
            written += count
            spent = time.perf_counter() - started
            if done % 10 == 0 or done == len(jobs):
                print(f"{written} frames written, {done}/{len(jobs)} worlds, {spent:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
