"""Frames for training: ``python -m training.synthetic.frames OUT --count N --first-seed S --size 240x320``.

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


def render_frames(world: World, numbers: Sequence[int], size: tuple[int, int]) -> list[dict[str, np.ndarray]]:
    """Return the arrays of the frames ``numbers`` of ``world``, rendered in one call; ``size`` is (height, width)."""
    draws = [np.random.default_rng((number, 2)) for number in numbers]
    cameras = [random_camera(rng, *size) for rng in draws]
    poses = [world.camera_poses(rng, 1)[0] for rng in draws]
    mounts = [lidar_place(world, pose, rng) for pose, rng in zip(poses, draws)]
    view = render_draft(world.scene, cameras, torch.from_numpy(np.stack(poses)))
    places = torch.from_numpy(np.stack([pose @ mount for pose, mount in zip(poses, mounts)]))
    second = depth_of(world.scene, cameras, places)
    frames = []
    for k, (number, rng) in enumerate(zip(numbers, draws)):
        radiance = view.radiance[k : k + 1]
        radiance = radiance * torch.from_numpy(white_balance(rng)).to(radiance.device)
        sensor = random_sensor(rng, metered(radiance, float(rng.uniform(0.1, 0.42))))
        generator = torch.Generator(device=radiance.device).manual_seed(number)
        frames.append(
            {
                "image": develop(radiance, sensor, generator)[0].cpu().numpy(),
                "depth": _near(view.depth[k]),
                "second_depth": _near(second[k]),
                "T_camera_second": mounts[k],
                "K": cameras[k].K,
                "instance": view.instance[k].cpu().numpy().astype(np.uint16),
                "world": np.array(world.kind),
            }
        )
    return frames


def render_frame(world: World, number: int, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Return the arrays of one frame, see ``render_frames``."""
    return render_frames(world, [number], size)[0]


def _near(depth: torch.Tensor) -> np.ndarray:
    values = depth.cpu().numpy().astype(np.float32)
    return np.where(values <= FARTHEST, values, np.nan).astype(np.float32)


def write_frames(
    out: Path, numbers: Sequence[int], size: tuple[int, int], device: str = "cpu", batch: int = 1
) -> Iterator[int]:
    """Write the frames of ``numbers`` that are not there yet; yield each number when its file is complete."""
    by_world: dict[int, list[int]] = {}
    for number in numbers:
        if not frame_path(out, number).exists():
            by_world.setdefault(number // FRAMES_PER_WORLD, []).append(number)
    for index, wanted in by_world.items():
        world = build_world(index).to(device)
        for start in range(0, len(wanted), batch):
            chosen = wanted[start : start + batch]
            for number, arrays in zip(chosen, render_frames(world, chosen, size)):
                path = frame_path(out, number)
                partial = out / f".{path.stem}.{os.getpid()}.tmp"
                with partial.open("wb") as file:
                    np.savez(file, **arrays)  # type: ignore[arg-type]
                partial.replace(path)
                yield number


def frame_path(out: Path, number: int) -> Path:
    """Return the file of frame ``number``."""
    return out / f"{number:08d}.npz"


def _work(job: tuple[Path, list[int], tuple[int, int], str, int]) -> int:
    torch.set_num_threads(1)
    return sum(1 for _ in write_frames(*job))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m training.synthetic.frames", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--first-seed", type=int, default=0, help="number of the first frame")
    parser.add_argument("--size", type=image_size, default=(240, 320), help="HEIGHTxWIDTH in pixels (default: 240x320)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda; with cuda use few processes and a large batch")
    parser.add_argument("--batch", type=int, default=1, help="frames of one world rendered at once (default: 1)")
    options = parser.parse_args(arguments)
    if options.count < 1 or options.batch < 1 or options.processes < 1 or options.first_seed < 0:
        parser.error("--count, --batch and --processes must be at least 1, --first-seed at least 0")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"frames: cannot make {options.out}: {error}", file=sys.stderr)
        return 1
    by_world: dict[int, list[int]] = {}
    for number in range(options.first_seed, options.first_seed + options.count):
        by_world.setdefault(number // FRAMES_PER_WORLD, []).append(number)
    jobs = [(options.out, numbers, options.size, options.device, options.batch) for numbers in by_world.values()]
    started, written = time.perf_counter(), 0
    with multiprocessing.get_context("spawn").Pool(min(options.processes, len(jobs))) as pool:
        for done, count in enumerate(pool.imap_unordered(_work, jobs), 1):
            written += count
            if done % 10 == 0 or done == len(jobs):
                spent = time.perf_counter() - started
                print(f"{written} frames written, {done}/{len(jobs)} worlds, {spent:.0f} s", flush=True)
    return 0


def image_size(text: str) -> tuple[int, int]:
    """Read HEIGHTxWIDTH; raises ValueError for anything else."""
    height, width = (int(n) for n in text.lower().split("x"))
    if min(height, width) < 8:
        raise ValueError(f"a picture of {height} x {width} pixels is too small")
    return height, width


if __name__ == "__main__":
    sys.exit(main())
