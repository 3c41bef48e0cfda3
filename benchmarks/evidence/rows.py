"""One line per method, frame and pattern; a file of them that survives an interrupted run; averages over frames."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, get_type_hints

import numpy as np


class Row(NamedTuple):
    """One method on one frame and pattern.

    ``mae``, ``rmse``, ``boundary_mae`` metres; ``abs_rel``, ``delta1``, ``smear_rate`` shares; ``ms`` milliseconds of
    that one call; ``within_1``, ``within_95``: share of pixels within one deviation and within the 95 % interval (NaN
    for methods without deviations). ``seed`` drew the points, ``version`` tells one state of a method from another.
    """

    recording: str
    frame: str
    seed: int
    pattern: str
    method: str
    variant: str
    version: str
    points: int
    mae: float
    rmse: float
    abs_rel: float
    delta1: float
    boundary_mae: float
    smear_rate: float
    ms: float
    within_1: float
    within_95: float


Key = tuple[str, str, int, str, str, str]  # recording, frame, seed, pattern, variant, version


def key_of(row: Row) -> Key:
    """Return what tells a row from all others."""
    return row.recording, row.frame, row.seed, row.pattern, row.variant, row.version


R = TypeVar("R")


class Store(Generic[R]):
    """Rows in a CSV file, appended as they come, so that a run goes on where the last one ended.

    ``kind`` is the NamedTuple of a row, its fields of type str, int or float; ``key`` tells one row from another.
    """

    def __init__(self, path: Path, kind: Any = Row, key: Callable[[Any], Hashable] = key_of):
        self.path = path
        self.rows: dict[Any, R] = {}
        self._kind, self._key = kind, key
        if path.is_file():
            with open(path, newline="") as file:
                for values in csv.DictReader(file):
                    row = _parse(values, kind)
                    if row is not None:
                        self.rows[key(row)] = row
        if not path.is_file() or not path.read_text().endswith("\n"):  # new, or cut off in the middle of a line
            self._rewrite()

    def __contains__(self, key: Hashable) -> bool:
        """Tell whether that row is there."""
        return key in self.rows

    def add(self, rows: Iterable[R]) -> None:
        """Append rows and see them to the disk."""
        rows = list(rows)
        with open(self.path, "a", newline="") as file:
            csv.writer(file).writerows([_text(row) for row in rows])
        self.rows.update({self._key(row): row for row in rows})

    def _rewrite(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "w", newline="") as file:
            csv.writer(file).writerows([self._kind._fields, *(_text(row) for row in self.rows.values())])


def _text(values: Any) -> list[str]:
    return [f"{value:.6g}" if isinstance(value, float) else str(value) for value in values]


def _parse(values: dict, kind: Any) -> Any:
    """Read a line; None where it is cut off or of another layout."""
    try:
        return kind(**{name: read(values[name]) for name, read in get_type_hints(kind).items()})
    except (KeyError, TypeError, ValueError):
        return None


class Cell(NamedTuple):
    """A method's best variant in one recording and pattern, averaged over ``frames`` frames."""

    variant: str
    frames: int
    mae: float
    rmse: float
    abs_rel: float
    delta1: float
    boundary_mae: float
    smear_rate: float
    ms: float
    within_1: float
    within_95: float


Cells = dict[tuple[str, str, str], Cell]  # method, recording, pattern


def best_cells(rows: Iterable[Row]) -> Cells:
    """Average over frames and grant each method its variant with the least mean error, cell by cell."""
    groups: dict[tuple, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.method, row.recording, row.pattern, row.variant].append(row)
    best: Cells = {}
    for (method, recording, pattern, variant), members in groups.items():
        cell = Cell(variant, len(members), *(_mean(members, name) for name in Cell._fields[2:]))
        held = best.get((method, recording, pattern))
        if held is None or cell.mae < held.mae:
            best[method, recording, pattern] = cell
    return best


def _mean(members: list[Row], name: str) -> float:
    values = np.array([getattr(member, name) for member in members], float)
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan")
    return float(np.median(known) if name == "ms" else known.mean())


def write_cells(cells: Cells, path: Path) -> None:
    """Write cells as CSV, four figures each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["method", "recording", "pattern", *Cell._fields])
        for key, cell in cells.items():
            writer.writerow([*key, *(f"{v:.4g}" if isinstance(v, float) else v for v in cell)])


def read_cells(path: Path) -> Cells:
    """Read what write_cells wrote; nothing where there is no file."""
    if not path.is_file():
        return {}
    cells: Cells = {}
    with open(path, newline="") as file:
        for line in csv.DictReader(file):
            values = [float(line[name]) for name in Cell._fields[2:]]
            cells[line["method"], line["recording"], line["pattern"]] = Cell(
                line["variant"], int(line["frames"]), *values
            )
    return cells
