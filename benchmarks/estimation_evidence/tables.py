"""Markdown tables of the cells, with the alignment beside every figure that depends on one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.estimation_evidence.rows import ALIGNMENTS, ERRORS, Cells
from benchmarks.evidence.tables import WORLDS, number, percent, table

NOTHING = "Not measured yet."
TITLES = {"none": "none", "median": "median", "scale": "scale", "affine": "scale and shift"}
_ERRORS = {"abs_rel": "AbsRel", "rmse": "RMSE [m]", "delta1": "δ<1.25"}
_MORE = {"plane_residual": "plane residual", "boundary_f1": "boundary F1", "lsiv": "LSIV"}
SHORT = ("abs_rel_median", "delta1_median", "rmse_median", "abs_rel_scale", "abs_rel_affine", *_MORE)
HIGHER = ("delta1", "boundary_f1")  # of which more is better


class Figures:
    """Cells, milliseconds by method, and a sentence on how they were made; what is shown keeps the cells' order."""

    def __init__(self, cells: Cells, times: dict[str, float] | None = None, how: str = ""):
        self.cells, self.times, self.how = cells, times or {}, how
        self.methods = list(dict.fromkeys(method for method, _ in cells))
        names = list(dict.fromkeys(recording for _, recording in cells))
        self.recordings = [name for name in names if name != WORLDS]
        self.worlds = [name for name in names if name == WORLDS]

    def value(self, method: str, figure: str, recordings: Sequence[str]) -> float:
        """Return the median of a figure over the recordings that have it; NaN if none has."""
        found = [self.cells[method, r][figure] for r in recordings if (method, r) in self.cells]
        found = [value for value in found if np.isfinite(value)]
        return float(np.median(found)) if found else np.nan


def title(figure: str) -> str:
    """Return a column's title: the figure, and in brackets its alignment."""
    if figure in _MORE:
        return _MORE[figure]
    error, _, alignment = figure.rpartition("_")
    return f"{_ERRORS[error]} ({TITLES[alignment]})"


def text(figure: str, value: float) -> str:
    """Return a figure as the tables show it."""
    if figure.startswith("delta1") or figure == "plane_residual":
        return percent(value)
    return number(value, 2 if figure.startswith("rmse") else 3)


def errors(figures: Figures, recordings: Sequence[str], columns: Sequence[str] = SHORT, times: bool = True) -> str:
    """Every method, medians over ``recordings``; the best of a column in bold, among what knows no truth."""
    if not recordings or not figures.methods:
        return NOTHING
    values = {(m, c): figures.value(m, c, recordings) for m in figures.methods for c in columns}
    body = []
    for method in figures.methods:
        cells = [_bold(text(c, values[method, c]), _is_best(values, method, c, figures.methods)) for c in columns]
        body.append([method, *cells, *([number(figures.times.get(method, np.nan), 0)] if times else [])])
    return table(["method", *map(title, columns), *(["ms"] if times else [])], body)


def alignments(figures: Figures, recordings: Sequence[str]) -> str:
    """One table for each error, all four alignments side by side."""
    found = [errors(figures, recordings, [f"{e}_{a}" for a in ALIGNMENTS], False) for e in ERRORS]
    return "\n\n".join(found) if recordings and figures.methods else NOTHING


def by_recording(figures: Figures) -> str:
    """AbsRel after each alignment but none, of every method on every recording, worlds last."""
    names = [*figures.recordings, *figures.worlds]
    if not names:
        return NOTHING
    found = []
    for column in ("abs_rel_median", "abs_rel_scale", "abs_rel_affine", "lsiv", "plane_residual", "boundary_f1"):
        body = [[m, *(text(column, figures.value(m, column, [name])) for name in names)] for m in figures.methods]
        found.append(f"{title(column)}:\n\n{table(['method', *names], body)}")
    return "\n\n".join(found)


def _is_best(values: dict, method: str, column: str, methods: Sequence[str]) -> bool:
    rivals = [values[m, column] for m in methods if "points" not in m and np.isfinite(values[m, column])]
    if not rivals or "points" in method:
        return False
    # a flat answer has no residual: that says nothing of walls
    if column == "plane_residual":
        return False
    return values[method, column] == (max if column.startswith(HIGHER) else min)(rivals)


def _bold(word: str, is_best: bool) -> str:
    return f"**{word}**" if is_best else word
