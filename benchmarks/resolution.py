"""How fine the learned completer's grid should be: error against time on real recordings, one network, many grids.

    python -m benchmarks.resolution --docs

The network works on cells, whatever their size in pixels, so one weight file gives a curve. Errors are those of
``benchmarks.completion``, over the error of the surface model ``diffusion`` on the same points; times are medians on
one frame of 640x480 pixels, by the fastest backend that works here.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.evidence import latency, scoring
from benchmarks.evidence.documents import FOLDER, PICTURE
from benchmarks.evidence.methods import Entry
from depth_perception.evaluation import real_data
from depth_perception.evaluation.machine import machine
from depth_perception.models import families, zoo
from depth_perception.models.learned import LearnedCompleter

CELLS = (4_000, 8_000, 13_000, 20_000, 35_000, 77_000)
PATTERNS = ("8", "500", "corners150", "500+noisy")
REFERENCE = "diffusion"


class Point(NamedTuple):
    """One point of the curve: most cells, milliseconds, and by pattern the median error over that of the reference."""

    cells: int
    ms: float
    errors: dict[str, float]

    def mean(self) -> float:
        """Return the geometric mean over the patterns."""
        return float(np.exp(np.mean(np.log(list(self.errors.values())))))


def with_cells(completer: LearnedCompleter, cells: int) -> LearnedCompleter:
    """Return the same network on a grid of at most ``cells`` cells; raises TypeError for a family without any."""
    method = families.method(completer.method.family, dataclasses.replace(completer.method.config, cells=cells))
    return LearnedCompleter(completer.name, completer.version, method, completer.run, completer.calibration)


def measure(name: str, cells: Sequence[int], frames: Sequence[real_data.RealFrame], repeats: int) -> list[Point]:
    """Return the curve of the completer ``name`` over ``frames``."""
    reference, completer = zoo.load(REFERENCE), zoo.load(name)
    if not isinstance(completer, LearnedCompleter):
        raise ValueError(f"{name} has no network whose grid could be changed")
    sized = {n: with_cells(completer, n) for n in cells}
    entries = [Entry(str(n), str(n), "", c.infer) for n, c in sized.items()]
    entries.append(Entry(REFERENCE, REFERENCE, "", reference.infer))
    found: dict[str, dict[int, list[float]]] = {p: {n: [] for n in cells} for p in PATTERNS}
    for number, frame in enumerate(frames):
        for pattern, by_cells in found.items():
            rows = {row.method: row.mae for row in scoring.measure(frame, number, pattern, entries, ())}
            for n, ratios in by_cells.items():
                if rows:
                    ratios.append(rows[str(n)] / rows[REFERENCE])
    vga = [frame for frame in frames if frame.image.shape[:2] == (480, 640)] or [latency.stand_in()]
    times = latency.measure(entries[:-1], vga[0], repeats)
    return [
        Point(n, times[str(n)]["500"], {p: float(np.median(v[n])) for p, v in found.items() if v[n]}) for n in cells
    ]


def table(name: str, points: Sequence[Point], used: int) -> str:
    """Return the curve in Markdown, with what it was measured with."""
    info = machine()
    head = ["cells", "cell at 640x480", "ms", *(f"`{p}`" for p in PATTERNS), "all"]
    lines = [
        f"`{name}` on {len(real_data.recordings())} real recordings; {info['Processor']}, {info['Cores']} cores. "
        f"The network as it ships uses {used:,} cells.",
        "",
        "| " + " | ".join(head) + " |",
        "|" + " ---: |" * len(head),
    ]
    for point in points:
        step = int(np.ceil(np.sqrt(640 * 480 / point.cells)))
        errors = [f"{point.errors[p]:.3f}" if p in point.errors else "–" for p in PATTERNS]
        row = [f"{point.cells:,}", f"{step} px", f"{point.ms:.0f}", *errors, f"{point.mean():.3f}"]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def draw(points: Sequence[Point], used: int, path: Path) -> None:
    """Draw error against time; what ships is marked."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    for pattern in PATTERNS:
        shown = [(p.ms, p.errors[pattern]) for p in points if pattern in p.errors]
        axis.plot(*zip(*shown), marker="o", markersize=4, label=pattern)
    axis.plot([p.ms for p in points], [p.mean() for p in points], color="black", linewidth=2.2, label="all")
    for point in points:
        weight = "bold" if point.cells == used else "normal"
        at = (point.ms, point.mean())
        axis.annotate(f"{point.cells:,}", at, xytext=(4, -12), textcoords="offset points", weight=weight, fontsize=8)
    axis.axhline(1, color="tab:gray", linewidth=0.8, linestyle="--")
    axis.set(xscale="log", xlabel="time for 640x480 pixels, 500 points [ms]", ylabel=f"error / error of {REFERENCE}")
    axis.set_title("One network on grids of so many cells; medians over the real recordings", fontsize=10)
    axis.grid(alpha=0.3, which="both")
    axis.legend(fontsize=8)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resolution", description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="completion-small", help="default: %(default)s")
    parser.add_argument("--cells", type=int, nargs="+", default=list(CELLS))
    parser.add_argument("--frames", type=int, default=2, help="frames of each recording (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=latency.REPEATS)
    parser.add_argument("--out", type=Path, default=Path("out/resolution"))
    parser.add_argument("--docs", action="store_true", help="keep table and picture for docs/completion.md, too")
    options = parser.parse_args(arguments)
    try:
        frames = [f for name in real_data.recordings() for f in real_data.load_frames(name, options.frames)]
        points = measure(options.model, options.cells, frames, options.repeats)
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))
    used = zoo.describe(options.model).config.cells
    places = [(options.out / "resolution.md", options.out / "resolution.png")]
    if options.docs:
        places.append((FOLDER / "resolution.md", PICTURE.with_name("resolution.png")))
    for text, picture in places:
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text(table(options.model, points, used))
        draw(points, used, picture)
    print(places[0][0].read_text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
