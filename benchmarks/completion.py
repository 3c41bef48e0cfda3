"""Completers against well-known methods on real recordings: one command, one table, one CSV, one picture.

    python -m benchmarks.completion --out out/completion

Every method gets the same seeded points and is scored on the measured pixels it was not given (mean absolute error in
metres, averaged over the frames of a recording). Families of peers with options are granted their best option set in
every single cell of the table, chosen by the score itself; our completers run as they ship. Where a peer answers
nothing, the nearest point is scored. Times are medians over all frames on this machine, from arrays to result.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from depth_perception.evaluation import patterns, peers, real_data
from depth_perception.models import zoo


class Row(NamedTuple):
    """One method on one frame and pattern: ``mae`` metres, ``ms`` milliseconds, shares within 1 and 2 deviations."""

    recording: str
    frame: str
    pattern: str
    method: str
    variant: str
    points: int
    mae: float
    ms: float
    within_1: float
    within_2: float


Method = tuple[str, str, Callable]  # family, variant, infer(image, sparse, camera)


def methods_by_name(names: list[str]) -> list[Method]:
    """Resolve completers of the zoo, families of peers and single peers; raises ValueError for anything else."""
    found: list[Method] = []
    for name in names:
        if name in zoo.names():
            found.append((name, name, zoo.load(name).infer))
        elif name in peers.families():
            found += [(name, variant, peers.load(variant).infer) for variant in peers.variants(name)]
        else:
            found.append((name, name, peers.load(name).infer))
    return found


def measure(recordings: list[str], names: list[str], pattern_names: list[str], frames: int) -> list[Row]:
    """Run everything; frames, points and order are the same in every run."""
    methods, rows, warm = methods_by_name(names), [], set()
    for recording in recordings:
        for index, frame in enumerate(real_data.load_frames(recording, frames)):
            for pattern in pattern_names:
                drawn = patterns.sample(pattern, frame.truth, frame.camera, frame.rings, seed=index)
                if drawn is None or not drawn.held_out.any():
                    continue
                truth = frame.truth[drawn.held_out]
                fallback = peers.nearest(drawn.sparse)
                for family, variant, infer in methods:
                    if (variant, frame.image.shape) not in warm:  # first call: caches, lazy imports
                        warm.add((variant, frame.image.shape))
                        infer(frame.image, drawn.sparse, frame.camera)
                    start = time.perf_counter()
                    result = infer(frame.image, drawn.sparse, frame.camera)
                    ms = 1000 * (time.perf_counter() - start)
                    depth = result.depth if hasattr(result, "depth") else result
                    error = np.abs(np.where(np.isfinite(depth), depth, fallback)[drawn.held_out] - truth)
                    within = (np.nan, np.nan)
                    if hasattr(result, "standard_deviation"):
                        deviation = result.standard_deviation[drawn.held_out]
                        within = float(np.mean(error <= deviation)), float(np.mean(error <= 2 * deviation))
                    points = int(np.count_nonzero(drawn.sparse))
                    rows.append(
                        Row(recording, frame.name, pattern, family, variant, points, float(error.mean()), ms, *within)
                    )
        print(f"{recording}: done", flush=True)
    return rows


class Cell(NamedTuple):
    """A family's best variant in one recording and pattern."""

    mae: float
    ms: float
    variant: str
    within_1: float
    within_2: float


def best_cells(rows: list[Row]) -> dict[tuple[str, str, str], Cell]:
    """Return {(method, recording, pattern): its best variant, averaged over frames}."""
    groups: dict[tuple, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.method, row.recording, row.pattern, row.variant].append(row)
    best: dict[tuple[str, str, str], Cell] = {}
    for (method, recording, pattern, variant), members in groups.items():
        mae = float(np.mean([m.mae for m in members]))
        key = method, recording, pattern
        if key not in best or mae < best[key].mae:
            ms = float(np.median([m.ms for m in members]))
            within = (float(np.mean([m[i] for m in members])) for i in (-2, -1))
            best[key] = Cell(mae, ms, variant, *within)
    return best


def report(rows: list[Row]) -> str:
    """Write the tables as markdown."""
    cells = best_cells(rows)
    methods = list(dict.fromkeys(r.method for r in rows))
    columns = list(dict.fromkeys(r.pattern for r in rows))
    recordings = list(dict.fromkeys(r.recording for r in rows))
    ours = [m for m in methods if m in zoo.names()]
    others = [m for m in methods if m not in zoo.names()]
    load = f"load average {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""
    frames = len({(r.recording, r.frame) for r in rows})
    text = [
        f"{frames} frames of {len(recordings)} recordings, OpenCV {cv2.__version__}, NumPy {np.__version__}, "
        f"{os.cpu_count()} cores, {load}.",
        "",
        "Mean absolute error on held-out pixels in metres, median over recordings:",
        "",
        _table(["method", *columns], [[m, *(_median(cells, m, recordings, c) for c in columns)] for m in methods]),
        "",
        "Median time in milliseconds, and its ratio to linear's and IP-Basic's in this run:",
        "",
        _table(
            ["method", *columns, "/ linear", "/ ip_basic"], [_times(cells, m, recordings, columns) for m in methods]
        ),
    ]
    for name in ours if others else []:
        wins, table = _against_best(cells, name, others, recordings, columns)
        text += ["", f"Error of `{name}` over that of the best of the others in each cell ({wins}):", "", table]
    for name in ours:
        body = [[r, *(_coverage(cells.get((name, r, c))) for c in columns)] for r in recordings]
        text += ["", f"Per cent of held-out pixels of `{name}` within 1 / 2 standard deviations:", ""]
        text.append(_table(["recording", *columns], body))
    for recording in recordings:
        body = [[m, *(_number(cells.get((m, recording, c))) for c in columns)] for m in methods]
        text += ["", f"{recording}, metres:", "", _table(["method", *columns], body)]
    return "\n".join(text) + "\n"


def _table(head: list[str], body: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _number(cell: Cell | None) -> str:
    return "–" if cell is None else f"{cell.mae:.4f}"


def _coverage(cell: Cell | None) -> str:
    return "–" if cell is None else f"{100 * cell.within_1:.0f} / {100 * cell.within_2:.0f}"


def _median(cells, method, recordings, pattern) -> str:
    values = [cells[method, r, pattern].mae for r in recordings if (method, r, pattern) in cells]
    return f"{np.median(values):.4f}" if values else "–"


def _times(cells, method, recordings, columns) -> list[str]:
    def ms(name: str, pattern: str) -> float:
        values = [cells[name, r, pattern].ms for r in recordings if (name, r, pattern) in cells]
        return float(np.median(values)) if values else np.nan

    line = [method] + [f"{ms(method, c):.1f}" for c in columns]
    for peer in ("linear", "ip_basic"):
        ratios = [ms(method, c) / ms(peer, c) for c in columns]
        line.append(f"{np.nanmedian(ratios):.2f}" if np.isfinite(ratios).any() else "–")
    return line


def ratios_to_best(cells, name, others, recordings, columns) -> dict[tuple[str, str], tuple[float, str]]:
    """Return {(recording, pattern): (error over that of the best other method, its name)}."""
    found = {}
    for recording in recordings:
        for column in columns:
            rivals = [(cells[o, recording, column].mae, o) for o in others if (o, recording, column) in cells]
            if rivals and (name, recording, column) in cells:
                mae, rival = min(rivals)
                found[recording, column] = cells[name, recording, column].mae / mae, rival
    return found


def _against_best(cells, name, others, recordings, columns) -> tuple[str, str]:
    ratios = ratios_to_best(cells, name, others, recordings, columns)
    body = []
    for recording in recordings:
        found = [ratios.get((recording, c)) for c in columns]
        body.append([recording, *("–" if f is None else f"{f[0]:.2f} {f[1]}" for f in found)])
    means = [[ratios[r, c][0] for r in recordings if (r, c) in ratios] for c in columns]
    body.append(["geometric mean", *(f"{np.exp(np.mean(np.log(m))):.2f}" if m else "–" for m in means)])
    wins = sum(ratio < 1 for ratio, _ in ratios.values())
    return f"below 1 in {wins} of {len(ratios)} cells", _table(["recording", *columns], body)


def plot(rows: list[Row], path: Path) -> None:
    """Draw error against time of every method, both as geometric means over all cells."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    cells = best_cells(rows)
    methods = list(dict.fromkeys(r.method for r in rows))
    places = sorted({key[1:] for key in cells})
    best = {p: min(cells[(m, *p)].mae for m in methods if (m, *p) in cells) for p in places}
    figure, axis = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for method in methods:
        own = [p for p in places if (method, *p) in cells]
        error = np.exp(np.mean([np.log(cells[(method, *p)].mae / best[p]) for p in own]))
        ms = np.exp(np.mean([np.log(cells[(method, *p)].ms) for p in own]))
        ours = method in zoo.names()
        axis.scatter(ms, error, s=90 if ours else 45, color="tab:red" if ours else "tab:gray", zorder=3)
        axis.annotate(
            method, (ms, error), xytext=(6, 5), textcoords="offset points", weight="bold" if ours else "normal"
        )
    axis.set(xscale="log", xlabel="time per frame [ms]", ylabel="error / error of the best method in each cell")
    axis.set_title("All recordings and patterns (geometric means); lower left is better", fontsize=10)
    axis.grid(alpha=0.3, which="both")
    axis.margins(x=0.15)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    everything = [*zoo.names(), *peers.families()]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--recordings", nargs="+", default=list(real_data.recordings()), choices=real_data.recordings())
    parser.add_argument(
        "--methods", nargs="+", default=everything, help=f"of {', '.join(everything)}, or one peer:options"
    )
    parser.add_argument(
        "--patterns", nargs="+", default=list(patterns.DEFAULT_PATTERNS), help="like 64, 5%%, 500+outliers"
    )
    parser.add_argument("--frames", type=int, default=3, help="frames of each recording, spread evenly over it")
    parser.add_argument("--out", type=Path, default=Path("out/completion"), help="folder for completion.md, .csv, .png")
    options = parser.parse_args(arguments)
    try:
        for pattern in options.patterns:
            patterns.parse(pattern)
        methods_by_name(options.methods)
        real_data.data_folder()
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))
    options.out.mkdir(parents=True, exist_ok=True)
    rows = measure(options.recordings, options.methods, options.patterns, options.frames)
    text = report(rows)
    (options.out / "completion.md").write_text(text)
    with open(options.out / "completion.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Row._fields)
        writer.writerows(rows)
    plot(rows, options.out / "completion.png")
    print(text)
    print(f"written: {options.out}/completion.md, completion.csv, completion.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
