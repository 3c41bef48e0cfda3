"""The report, and the parts of README and docs that show its figures: all from the same tables."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from benchmarks.evidence import latency, marks, plot, tables
from benchmarks.evidence.rows import read_cells, write_cells
from benchmarks.evidence.tables import Figures

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "docs" / "figures"
PICTURE = REPOSITORY / "docs" / "images" / "completion.png"
NOTHING = "Not measured yet."
SHORT = ("64", "16", "8", "5%", "500", "corners150", "tof", "holes")


def report(figures: Figures) -> str:
    """Return all tables as markdown."""
    text = [figures.how, *(f"\n{title}\n\n{make(figures)}" for title, make in _SECTIONS)]
    for recording in [*figures.recordings, *figures.worlds]:
        text.append(f"\n{recording}, mean absolute error in metres:\n\n")
        text.append(tables.errors(figures, figures.patterns, [recording]))
    return "\n".join(text) + "\n"


def publish(figures: Figures, folder: Path = FOLDER, picture: Path = PICTURE) -> None:
    """Keep the figures where the documents are made from."""
    write_cells(figures.cells, folder / "completion.csv")
    latency.write(figures.times, folder / "completion_times.csv")
    (folder / "completion.txt").write_text(figures.how + "\n")
    plot.draw(figures, picture)


@functools.cache
def published(folder: Path = FOLDER) -> Figures:
    """Return the figures that ``publish`` kept; empty ones where there are none."""
    how = folder / "completion.txt"
    times = latency.read(folder / "completion_times.csv")
    return Figures(read_cells(folder / "completion.csv"), times, how.read_text().strip() if how.is_file() else NOTHING)


def _all_ours(make: Callable[[Figures, str], str], figures: Figures) -> str:
    return "\n\n".join(f"`{name}`:\n\n{make(figures, name)}" for name in figures.ours) or NOTHING


def _peers_by_cell(figures: Figures, name: str) -> str:
    return tables.against_peers(figures, name, figures.clean, figures.recordings)


def _coverage(figures: Figures, name: str) -> str:
    return tables.coverage(figures, name, figures.clean, [*figures.recordings, *figures.worlds])


def _ratios(figures: Figures) -> str:
    spoiled = [p for p in marks.PATTERNS if p in figures.spoiled]
    return tables.best_peer_ratios(figures, [*figures.clean, *spoiled], figures.recordings)


def _summaries(figures: Figures) -> str:
    shown = [p for p in ("64", "500") if p in figures.patterns]
    return "\n\n".join(f"`{p}`:\n\n{tables.summary(figures, p, figures.recordings)}" for p in shown) or NOTHING


_PARTS: dict[str, tuple[str, Callable[[Figures], str]]] = {
    "marks": ("The default model against its marks:", tables.marks),
    "clean": (
        "Mean absolute error on held-out pixels in metres, median over the real recordings:",
        lambda f: tables.errors(f, f.clean, f.recordings),
    ),
    "short": (
        "The same for the patterns that are most asked for:",
        lambda f: tables.errors(f, [p for p in SHORT if p in f.clean], f.recordings),
    ),
    "spoiled": (
        "The same with outliers, noise, wrong calibration and missing points:",
        lambda f: tables.spoiled(f, f.recordings),
    ),
    "summary": ("All figures, medians over the real recordings; ms for 640x480 pixels:", _summaries),
    "speed": ("Milliseconds for 640x480 pixels, learned completers also by backend:", tables.speed),
    "ratios": (
        "Error over that of the best peer in its best mode, median over the real recordings:",
        _ratios,
    ),
    "default ratios": (
        "The default model's error over that of the best peer, with the peer's name:",
        lambda f: _peers_by_cell(f, f.default) if f.default else NOTHING,
    ),
    "rises": (
        "How the error rises with spoiled points, as a factor of the method's own error without:",
        lambda f: tables.rises(f, f.recordings),
    ),
    "worlds": (
        "Held-out worlds, mean absolute error in metres:",
        lambda f: tables.errors(f, [p for p in f.patterns if f.seen(p, f.worlds)], f.worlds),
    ),
    "coverage": (
        "Per cent of held-out pixels within one standard deviation / within the 95 % interval:",
        lambda f: _all_ours(_coverage, f),
    ),
}
_SECTIONS = tuple(_PARTS.values())


def _kept(name: str) -> str:
    """Return a table that a benchmark of its own keeps beside these figures."""
    file = FOLDER / name
    return file.read_text().rstrip() if file.is_file() else NOTHING


PARTS: dict[str, Callable[[], str]] = {
    "completion figures": lambda: published().how,
    "completion resolution": lambda: _kept("resolution.md"),
    **{
        f"completion {name}": functools.partial(lambda make: make(published()), make)
        for name, (_, make) in _PARTS.items()
    },
}
"""Name of a generated part -> what makes it, for scripts/generate_docs.py."""
