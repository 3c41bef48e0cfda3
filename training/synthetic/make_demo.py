"""Make the demo recordings: ``python -m training.synthetic.make_demo OUT [--scene room|street|both]``.

OUT/room and OUT/street are ROS 2 recordings (mcap) of a few seconds each.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from depth_perception.recordings.reader import RecordingError
from training.synthetic.recording import Settings, record
from training.synthetic.robots import WORLDS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    options = _parser().parse_args(arguments)
    names = list(WORLDS) if options.scene == "both" else [options.scene]
    try:
        jobs = [
            Settings(name, options.seconds, options.seed, options.width, options.height, options.rate) for name in names
        ]
    except ValueError as error:
        print(f"make_demo: --{error}", file=sys.stderr)
        return 2
    try:
        for settings in jobs:
            _make(options.out / settings.scene, settings, options)
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
    parser.add_argument("--scene", choices=[*WORLDS, "both"], default="both")
    parser.add_argument("--seconds", type=float, default=defaults.seconds, help="length of each (default %(default)s)")
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


def _make(target: Path, settings: Settings, options: argparse.Namespace) -> None:
    """Record into a hidden folder and move it into place when it is whole: half a recording must not pass for one."""
    if target.exists() and not options.force:
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

            record(part / target.name, settings, options.workers, options.device, advance)
        shutil.rmtree(target, ignore_errors=True)
        (part / target.name).rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    size = sum(file.stat().st_size for file in target.iterdir()) / 1e6
    print(f"{target}: {settings.seconds:g} s, {size:.0f} MB, made in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
