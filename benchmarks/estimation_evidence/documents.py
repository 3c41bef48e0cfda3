"""The report, and the parts of README and docs that show the figures of depth from one camera."""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable
from pathlib import Path

from benchmarks.estimation_evidence import marks, tables
from benchmarks.estimation_evidence.rows import read_cells, write_cells
from benchmarks.estimation_evidence.tables import NOTHING, Figures

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "docs" / "figures"
PICTURE = REPOSITORY / "docs" / "images" / "estimation.jpg"
BRIEF = ("abs_rel_median", "delta1_median", "rmse_median", "abs_rel_affine", "boundary_f1", "lsiv")

_PARTS: dict[str, tuple[str, Callable[[Figures], str]]] = {
    "short": ("Medians over the real recordings, the alignment in brackets:", lambda f: brief(f, f.recordings)),
    "real": ("All figures, medians over the real recordings:", lambda f: tables.errors(f, f.recordings)),
    "worlds": ("All figures on held-out worlds:", lambda f: tables.errors(f, f.worlds, times=False)),
    "alignments": ("Every alignment, medians over the real recordings:", lambda f: tables.alignments(f, f.recordings)),
    "recordings": ("By recording:", tables.by_recording),
}


def brief(figures: Figures, recordings: list[str]) -> str:
    """Return the table of the README."""
    return tables.errors(figures, recordings, BRIEF)


def report(figures: Figures) -> str:
    """Return all tables as markdown, the marks last."""
    text = [figures.how, *(f"\n{title}\n\n{make(figures)}" for title, make in list(_PARTS.values())[1:])]
    return "\n".join([*text, "\nMarks:\n", marks.markdown(marks.marks())]) + "\n"


def publish(figures: Figures, picture: bytes | None, folder: Path = FOLDER, image: Path = PICTURE) -> None:
    """Keep the figures, and the sheet (JPEG) if there is one, where the documents are made from."""
    write_cells(figures.cells, folder / "estimation.csv")
    with (folder / "estimation_times.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(
            [("method", "ms"), *((m, f"{ms:.1f}") for m, ms in figures.times.items())]
        )
    (folder / "estimation.txt").write_text(figures.how + "\n")
    if picture is not None:
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(picture)


@functools.cache
def published(folder: Path = FOLDER) -> Figures:
    """Return the figures that ``publish`` kept; empty ones where there are none."""
    how, times = folder / "estimation.txt", {}
    if (folder / "estimation_times.csv").is_file():
        with (folder / "estimation_times.csv").open(newline="") as file:
            times = {line["method"]: float(line["ms"]) for line in csv.DictReader(file)}
    return Figures(read_cells(folder / "estimation.csv"), times, how.read_text().strip() if how.is_file() else NOTHING)


PARTS: dict[str, Callable[[], str]] = {
    "estimation figures": lambda: published().how,
    "estimation marks": lambda: marks.markdown(marks.marks()),
    **{f"estimation {name}": functools.partial(lambda make: make(published()), make)
       for name, (_, make) in _PARTS.items()},
}  # fmt: skip
"""Name of a generated part -> what makes it, for scripts/generate_docs.py."""
