"""Make the demo recordings: ``python -m training.synthetic.make_demo OUT [--scene room|street|table|all]``.

OUT/room, OUT/street and OUT/table are ROS 2 recordings (mcap) of a few seconds each: two drives with a camera and a
LiDAR, and a depth camera that goes around things on a table.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from tqdm import tqdm

from depth_perception.recordings.reader import RecordingError
from training.synthetic import object_recording
from training.synthetic.recording import Settings, record
from training.synthetic.robots import WORLDS

TABLE = object_recording.Settings(views=20, laps=1.25)  # eight things, each met again at the end
Progress = Callable[[int, int], None]


class Job(NamedTuple):
    """A recording to make: how long it is in seconds, and what writes it to a path."""

    seconds: float
    write: Callable[[Path, Progress], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    options = _parser().parse_args(arguments)
    names = [*WORLDS, "table"] if options.scene == "all" else [options.scene]
    try:
        jobs = {name: _job(name, options) for name in names}
    except ValueError as error:
        print(f"make_demo: --{error}", file=sys.stderr)
        return 2
    try:
        for name, job in jobs.items():
            _make(options.out / name, job, options.force)
    except (RecordingError, OSError) as error:
        print(f"make_demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("make_demo: interrupted; what was not finished has been removed", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.synthetic.make_demo", description=__doc__)
    defaults = Settings("room")
    parser.add_argument("out", type=Path, help="folder for the recordings; made if it does not exist")
    parser.add_argument("--scene", choices=[*WORLDS, "table", "all"], default="all")
    parser.add_argument("--seconds", type=float, default=defaults.seconds, help="of each drive (default %(default)s)")
    parser.add_argument("--seed", type=int, default=defaults.seed, help="another seed furnishes another world")
    parser.add_argument("--width", type=int, default=defaults.width)
    parser.add_argument("--height", type=int, default=defaults.height)
    parser.add_argument("--rate", type=float, default=defaults.rate, help="images a second (default %(default)s)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--workers", type=int, default=_cores(), help="processes on the CPU (default %(default)s)")
    parser.add_argument("--force", action="store_true", help="make recordings anew that exist already")
    return parser


def _cores() -> int:
    """Return how many processes are worth starting: each needs some seconds and half a gigabyte of its own."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, 8)


def _job(name: str, options: argparse.Namespace) -> Job:
    """Return what makes the recording of a scene; raises ValueError naming the option that is out of range."""
    if name == "table":  # as it is: small pictures and few views are what the demo has time for
        seconds = TABLE.views * object_recording.PERIOD * 1e-9
        return Job(seconds, lambda path, progress: object_recording.record_objects(path, TABLE, progress))
    settings = Settings(name, options.seconds, options.seed, options.width, options.height, options.rate)
    return Job(
        settings.seconds, lambda path, progress: record(path, settings, options.workers, options.device, progress)
    )


def _make(target: Path, job: Job, force: bool) -> None:
    """Record into a hidden folder and move it into place when it is whole: half a recording must not pass for one."""
    if target.exists() and not force:
        print(f"{target} exists already (--force makes it anew)")
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.parent / f".{target.name}.{os.getpid()}"
    began = time.perf_counter()
    try:
        with tqdm(total=None, desc=target.name, unit="frame", file=sys.stderr) as bar:

            def advance(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            job.write(part / target.name, advance)
        shutil.rmtree(target, ignore_errors=True)
        (part / target.name).rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    size = sum(file.stat().st_size for file in target.iterdir()) / 1e6
    print(f"{target}: {job.seconds:g} s, {size:.0f} MB, made in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
