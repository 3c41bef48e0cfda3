"""One line per method and frame, and medians over the frames of a recording."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

ALIGNMENTS = ("none", "median", "scale", "affine")
ERRORS = ("abs_rel", "rmse", "delta1")


class Row(NamedTuple):
    """One method on one frame.

    ``abs_rel``, ``rmse`` [m] and ``delta1`` after each alignment (see ``scores``); ``plane_residual`` and ``lsiv`` are
    shares. NaN where the frame or the method gives none.
    """

    recording: str
    frame: str
    method: str
    version: str
    abs_rel_none: float
    rmse_none: float
    delta1_none: float
    abs_rel_median: float
    rmse_median: float
    delta1_median: float
    abs_rel_scale: float
    rmse_scale: float
    delta1_scale: float
    abs_rel_affine: float
    rmse_affine: float
    delta1_affine: float
    plane_residual: float
    boundary_f1: float
    lsiv: float


FIGURES = Row._fields[4:]

Key = tuple[str, str, str, str]
Cell = dict[str, float]  # figure -> median over frames; "frames": how many
Cells = dict[tuple[str, str], Cell]  # method, recording


def key_of(row: Row) -> Key:
    """Return what tells a row from all others."""
    return row[:4]


def cells_of(rows: Iterable[Row]) -> Cells:
    """Return the medians over frames; frames without a figure do not count for it.

    A single frame whose median falls on another surface than most of it would rule a mean.
    """
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.method, row.recording].append(row)
    return {key: {"frames": len(members), **_medians(members)} for key, members in groups.items()}


def _medians(members: list[Row]) -> Cell:
    found = {}
    for name in FIGURES:
        values = np.array([getattr(row, name) for row in members])
        values = values[np.isfinite(values)]
        found[name] = float(np.median(values)) if len(values) else float("nan")
    return found


def write_cells(cells: Cells, path: Path) -> None:
    """Write cells as CSV, four digits each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["method", "recording", "frames", *FIGURES])
        for (method, recording), cell in cells.items():
            writer.writerow([method, recording, cell["frames"], *(f"{cell[name]:.4g}" for name in FIGURES)])


def read_cells(path: Path) -> Cells:
    """Read what ``write_cells`` wrote; nothing where there is no file."""
    if not path.is_file():
        return {}
    with open(path, newline="") as file:
        return {
            (line["method"], line["recording"]): {
                "frames": int(line["frames"]),
                **{name: float(line[name]) for name in FIGURES},
            }
            for line in csv.DictReader(file)
        }
