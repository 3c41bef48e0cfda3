"""Times of all methods on one quiet moment of one machine, apart from the errors, which may come from many runs."""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.evidence.methods import Entry
from benchmarks.evidence.rows import Cells
from depth_perception.evaluation import patterns
from depth_perception.evaluation.real_data import RealFrame
from depth_perception.frames import CameraModel, FloatImage

PATTERNS = ("500", "64")
REPEATS = 7

Times = dict[str, dict[str, float]]  # method -> pattern -> milliseconds


def favourite(entries: Sequence[Entry], cells: Cells) -> list[Entry]:
    """Return one entry per method: the variant that was best most often, else the first."""
    wins: dict[str, Counter[str]] = {}
    for (method, _, _), cell in cells.items():
        wins.setdefault(method, Counter())[cell.variant] += 1
    chosen: dict[str, Entry] = {}
    for entry in entries:
        best = wins.get(entry.method)
        if entry.method not in chosen or (best and entry.variant == best.most_common(1)[0][0]):
            chosen[entry.method] = entry
    return list(chosen.values())


def measure(entries: Sequence[Entry], frame: RealFrame, repeats: int | None = None) -> Times:
    """Return the median milliseconds of each entry on ``frame`` for the patterns ``PATTERNS``, warmed up once."""
    times: Times = {}
    repeats = REPEATS if repeats is None else repeats
    for pattern in PATTERNS:
        drawn = patterns.sample(pattern, frame.truth, frame.camera, frame.rings, 0, frame.image)
        if drawn is None:
            continue
        for entry in entries:
            spent = _median_time(entry, frame, drawn.sparse, repeats)
            if spent is not None:
                times.setdefault(entry.method, {})[pattern] = spent
    return times


def _median_time(entry: Entry, frame: RealFrame, sparse: FloatImage, repeats: int) -> float | None:
    """Return milliseconds, None for a method that fails: torch.compile needs a compiler, for example."""
    spent = []
    try:
        for _ in range(repeats + 1):
            start = time.perf_counter()
            entry.infer(frame.image, sparse, frame.camera)
            spent.append(1000 * (time.perf_counter() - start))
    except Exception as error:
        print(f"no time of {entry.method}: {error}")
        return None
    return float(np.median(spent[1:]))


def stand_in(height: int = 480, width: int = 640) -> RealFrame:
    """Return a frame to take times on where no recording is present: noise on a floor and a wall."""
    rng = np.random.default_rng(0)
    camera = CameraModel.pinhole(0.87 * width, 0.87 * width, (width - 1) / 2, (height - 1) / 2, width, height)
    below = np.maximum(np.arange(height) - camera.K[1, 2], 1)
    truth = np.repeat(np.minimum(1.5 * camera.K[1, 1] / below, 8)[:, None], width, axis=1).astype(np.float32)
    return RealFrame("stand-in", "0", rng.integers(0, 255, (height, width, 3)).astype(np.uint8), truth, camera)


def write(times: Times, path: Path) -> None:
    """Write times as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["method", "pattern", "ms"])
        writer.writerows([m, p, f"{ms:.1f}"] for m, by_pattern in times.items() for p, ms in by_pattern.items())


def read(path: Path) -> Times:
    """Read what ``write`` wrote; nothing where there is no file."""
    times: Times = {}
    if path.is_file():
        with open(path, newline="") as file:
            for line in csv.DictReader(file):
                times.setdefault(line["method"], {})[line["pattern"]] = float(line["ms"])
    return times
