"""Markdown tables of the cells. Recordings are the real ones unless told; ``held-out worlds`` stand apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from benchmarks.evidence import marks as marking
from benchmarks.evidence import methods
from benchmarks.evidence.rows import Cell, Cells
from depth_perception.evaluation import patterns
from depth_perception.models import zoo

WORLDS = "worlds"  # the recording of held-out worlds


class Figures:
    """Cells with the order in which methods, recordings and patterns are shown, and times by method."""

    def __init__(self, cells: Cells, times: dict[str, dict[str, float]] | None = None, how: str = ""):
        self.cells = cells
        self.how = how  # a sentence: frames, machine
        self.times = times or {}
        self.methods = _order((k[0] for k in cells), [*zoo.LEARNED, *methods.everything()], methods.base)
        self.ours = methods.ours(self.methods)
        self.peers = [m for m in self.methods if m not in self.ours]
        names = _order((k[1] for k in cells), [])
        self.recordings = [r for r in names if r != WORLDS]
        self.worlds = [r for r in names if r == WORLDS]
        self.patterns = _order((k[2] for k in cells), patterns.CLEAN_PATTERNS)
        self.clean = [p for p in self.patterns if "+" not in p and not p.endswith(patterns.THINNED)]
        self.spoiled = [p for p in self.patterns if p not in self.clean]

    @property
    def default(self) -> str | None:
        """The model that marks are about: the first of ours, which is a learned one if there is any."""
        return self.ours[0] if self.ours else None

    def seen(self, pattern: str, recordings: Sequence[str]) -> bool:
        """Tell whether any method was measured with a pattern on one of ``recordings``."""
        return any((m, r, pattern) in self.cells for m in self.methods for r in recordings)

    def median(self, method: str, pattern: str, figure: str, recordings: Sequence[str]) -> float:
        """Return the median over recordings of one figure; NaN where there is none."""
        values = [
            getattr(self.cells[method, r, pattern], figure) for r in recordings if (method, r, pattern) in self.cells
        ]
        values = [v for v in values if np.isfinite(v)]
        return float(np.median(values)) if values else np.nan


def _order(found: Iterable[str], first: Sequence[str], key: Callable[[str], str] = str) -> list[str]:
    """Return what was found, once each, in the order in which ``first`` has its keys and then of appearance."""
    place = {name: number for number, name in reversed(list(enumerate(first)))}
    return sorted(dict.fromkeys(found), key=lambda name: place.get(key(name), len(first)))


def table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """Return a markdown table, the first column to the left, the others to the right."""
    lines = [list(head), ["---"] + ["---:"] * (len(head) - 1), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float, digits: int = 4) -> str:
    """Return the value, or a dash for none."""
    return f"{value:.{digits}f}" if np.isfinite(value) else "–"


def errors(figures: Figures, columns: Sequence[str], recordings: Sequence[str]) -> str:
    """Mean absolute error in metres of every method and pattern, median over recordings; the least in bold."""
    if not recordings or not columns:
        return "Not measured yet."
    values = {(m, c): figures.median(m, c, "mae", recordings) for m in figures.methods for c in columns}
    best = {c: np.nanmin([values[m, c] for m in figures.methods] + [np.inf]) for c in columns}
    body = [
        [m, *(f"**{number(values[m, c])}**" if values[m, c] == best[c] else number(values[m, c]) for c in columns)]
        for m in figures.methods
    ]
    return table(["method", *columns], body)


def summary(figures: Figures, pattern: str, recordings: Sequence[str]) -> str:
    """All figures of all methods for one pattern, medians over recordings; time for 640x480 pixels."""
    head = ["method", "MAE [m]", "RMSE [m]", "AbsRel", "δ<1.25", "boundary MAE [m]", "smear", "in 1σ", "in 95 %", "ms"]
    body = []
    for method in figures.methods:
        get = [figures.median(method, pattern, name, recordings) for name in Cell._fields[2:]]
        mae, rmse, abs_rel, delta1, edge, smear, _, one, wide = get
        ms = figures.times.get(method, {}).get(pattern, np.nan)
        body.append(
            [method, number(mae), number(rmse), number(abs_rel), percent(delta1), number(edge), percent(smear),
             percent(one), percent(wide), number(ms, 1)]
        )  # fmt: skip
    return table(head, body)


def percent(share: float) -> str:
    """Return a share as per cent with one decimal."""
    return f"{100 * share:.1f} %" if np.isfinite(share) else "–"


def marks(figures: Figures) -> str:
    """Where the default model stands against its marks."""
    if figures.default is None or not figures.peers:
        return "Not measured yet."
    lines = marking.marks(figures.cells, figures.default, figures.peers, figures.recordings, figures.patterns)
    if "clude" in figures.methods:
        lines.append(marking.smear(figures.cells, "clude", figures.recordings, figures.clean))
    lines.append(marking.latency(figures.default, figures.times))
    body = [
        [m.name, number(m.value, 3), number(m.mark, 3), number(m.goal, 3),
         "–" if not np.isfinite(m.value) else "yes" if m.met else "**no**", m.note]
        for m in lines
    ]  # fmt: skip
    return table([f"`{figures.default}`", "value", "mark", "goal", "met", "remark"], body)


def against_peers(figures: Figures, method: str, columns: Sequence[str], recordings: Sequence[str]) -> str:
    """Error of one method over that of the best peer, cell by cell, with the peer's name."""
    found = marking.ratios(figures.cells, method, figures.peers, recordings, columns)
    body = []
    for recording in recordings:
        own = [found.get((recording, c)) for c in columns]
        body.append([recording, *("–" if f is None else f"{f[0]:.2f} {f[1]}" for f in own)])
    columns_of = [[found[r, c][0] for r in recordings if (r, c) in found] for c in columns]
    body.append(["median", *(number(float(np.median(v)) if v else np.nan, 2) for v in columns_of)])
    return table(["recording", *columns], body)


def speed(figures: Figures) -> str:
    """Milliseconds for 640x480 pixels of every method, learned ones also by backend."""
    columns = list(dict.fromkeys(p for by_pattern in figures.times.values() for p in by_pattern))
    if not columns:
        return "Not measured yet."
    body = [[m, *(number(t.get(c, np.nan), 1) for c in columns)] for m, t in figures.times.items()]
    return table(["method", *columns], body)


def best_peer_ratios(figures: Figures, columns: Sequence[str], recordings: Sequence[str]) -> str:
    """Error of each of ours over that of the best peer, median over recordings."""
    body = []
    for method in figures.ours:
        found = marking.ratios(figures.cells, method, figures.peers, recordings, columns)
        values = [[found[r, c][0] for r in recordings if (r, c) in found] for c in columns]
        wins = sum(ratio < 1 for ratio, _ in found.values())
        medians = [number(float(np.median(v)) if v else np.nan, 2) for v in values]
        body.append([method, *medians, f"{wins} of {len(found)}"])
    return table(["method", *columns, "cells below 1"], body)


def rises(figures: Figures, recordings: Sequence[str]) -> str:
    """How much worse each method gets with spoiled points, over its own error without: medians over all cells."""
    kinds = list(dict.fromkeys(p.removeprefix(base(p)) for p in figures.spoiled))
    body = []
    for method in figures.methods:
        line = [method]
        for kind in kinds:
            columns = [p for p in figures.spoiled if p == base(p) + kind and base(p) in figures.clean]
            found = [marking.changes(figures.cells, method, recordings, p, base(p)) for p in columns]
            factors = [a / max(b, marking.NO_ERROR) for pairs in found for a, b in pairs]
            line.append(number(float(np.median(factors)) if factors else np.nan, 2))
        body.append(line)
    return table(["method", *(f"`{kind}`" for kind in kinds)], body)


def spoiled(figures: Figures, recordings: Sequence[str]) -> str:
    """Errors with spoiled points beside those without, one table per clean pattern."""
    bases = list(dict.fromkeys(base(p) for p in figures.spoiled))
    found = [[p for p in figures.patterns if p == b or (p in figures.spoiled and base(p) == b)] for b in bases]
    return "\n\n".join(errors(figures, columns, recordings) for columns in found) or "Not measured yet."


def base(pattern: str) -> str:
    """Return the clean pattern behind a spoiled one."""
    return pattern.split("+")[0].removesuffix(patterns.THINNED)


def coverage(figures: Figures, method: str, columns: Sequence[str], recordings: Sequence[str]) -> str:
    """Per cent of held-out pixels within one deviation and within the claimed 95 % interval."""
    body = []
    for recording in recordings:
        own = [figures.cells.get((method, recording, c)) for c in columns]
        body.append(
            [recording, *("–" if c is None or not np.isfinite(c.within_1)
                          else f"{100 * c.within_1:.0f} / {100 * c.within_95:.0f}" for c in own)]
        )  # fmt: skip
    return table(["recording", *columns], body)
