"""The marks we set ourselves for the default model, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.evidence.rows import Cells

MARKS = {
    "500": (0.60, 0.50),
    "500+noisy": (0.55, 0.45),
    "8": (0.72, 0.65),
    "corners150": (0.80, 0.70),
    "64": (0.90, 0.80),
    "5%": (0.90, 0.80),
    "64+shift": (1.00, 1.00),
}
"""Pattern: (mark, goal) for the error over that of the best peer, median over the real recordings."""

OUTLIER_MARK = 1.15  # error with 5 % outliers over error without
LATENCY_MARK = 60.0  # milliseconds for 640x480 pixels on two CPU cores
LATENCY = "ms, 640x480 pixels, `500`"
NO_ERROR = 1e-9  # metres; keeps ratios finite where somebody is exactly right
CANNOT_SMEAR = ("nearest",)  # repeats measured depths, so it never lies between two surfaces, however wrong it is
PATTERNS = (*MARKS, "500+outliers")
"""All patterns that a mark asks for."""


class Mark(NamedTuple):
    """``value`` is met if at most ``mark``; NaN where it was not measured."""

    name: str
    value: float
    mark: float
    goal: float
    note: str = ""

    @property
    def met(self) -> bool:
        """Tell whether the mark is met."""
        return self.value <= self.mark


def ratios(
    cells: Cells, method: str, peers: Sequence[str], recordings: Sequence[str], patterns: Sequence[str]
) -> dict[tuple[str, str], tuple[float, str]]:
    """Return {(recording, pattern): (error over that of the best peer, its name)}."""
    found = {}
    for recording in recordings:
        for pattern in patterns:
            rivals = [(cells[p, recording, pattern].mae, p) for p in peers if (p, recording, pattern) in cells]
            if rivals and (method, recording, pattern) in cells:
                error, rival = min(rivals)
                own = cells[method, recording, pattern].mae
                found[recording, pattern] = max(own, NO_ERROR) / max(error, NO_ERROR), rival
    return found


def changes(cells: Cells, method: str, recordings: Sequence[str], pattern: str, base: str) -> list[tuple[float, float]]:
    """Return the errors with ``pattern`` and with ``base`` of each recording that has both."""
    return [
        (cells[method, r, pattern].mae, cells[method, r, base].mae)
        for r in recordings
        if (method, r, pattern) in cells and (method, r, base) in cells
    ]


def change(cells: Cells, method: str, recordings: Sequence[str], pattern: str, base: str) -> tuple[float, float]:
    """Return how the error rises from ``base`` to ``pattern``: as a factor and in metres, medians over recordings."""
    pairs = changes(cells, method, recordings, pattern, base)
    if not pairs:
        return np.nan, np.nan
    factors = [max(a, NO_ERROR) / max(b, NO_ERROR) for a, b in pairs]
    return float(np.median(factors)), float(np.median([a - b for a, b in pairs]))


def marks(
    cells: Cells, method: str, peers: Sequence[str], recordings: Sequence[str], patterns: Sequence[str]
) -> list[Mark]:
    """Return all marks of ``method`` on the real ``recordings``."""
    found = ratios(cells, method, peers, recordings, patterns)
    lines = []
    for pattern, (mark, goal) in MARKS.items():
        own = {r: found[r, pattern] for r in recordings if (r, pattern) in found}
        value = float(np.median([ratio for ratio, _ in own.values()])) if own else np.nan
        worst = max(own, key=lambda r: own[r][0]) if own else ""
        note = f"worst {worst}: {own[worst][0]:.2f} of {own[worst][1]}" if own else "not measured"
        lines.append(Mark(f"`{pattern}`, error / best peer", value, mark, goal, note))
    if found:
        (recording, pattern), (value, rival) = max(found.items(), key=lambda item: item[1][0])
        above = sum(ratio > 1 for ratio, _ in found.values())
        note = f"{recording}, `{pattern}`, {rival}; above 1 in {above} of {len(found)} cells"
        lines.append(Mark("worst of all cells, error / best peer", value, 1.0, 1.0, note))
    factor, _ = change(cells, method, recordings, "500+outliers", "500")
    lines.append(Mark("`500+outliers` / `500`, own errors", factor, OUTLIER_MARK, OUTLIER_MARK))
    lines.append(_shift(cells, method, peers, recordings))
    return lines


def smear(cells: Cells, method: str, recordings: Sequence[str], patterns: Sequence[str]) -> Mark:
    """Return the smear rate of ``method`` against the least of all others: means over the cells that both have."""
    rates: dict[str, list[tuple[float, float]]] = {}
    for (other, recording, pattern), cell in cells.items():
        own = cells.get((method, recording, pattern))
        if own and other != method and other not in CANNOT_SMEAR and recording in recordings and pattern in patterns:
            pair = own.smear_rate, cell.smear_rate
            if np.isfinite(pair).all():
                rates.setdefault(other, []).append(pair)
    means = {other: np.mean(pairs, axis=0) for other, pairs in rates.items()}
    best = min(means, key=lambda other: means[other][1], default="")
    own_rate, least = means[best] if best else (np.nan, np.nan)
    name = f"`{method}`, smear rate; mark: least of the others but {', '.join(CANNOT_SMEAR)}"
    return Mark(name, float(own_rate), float(least), float(least), best)


def _shift(cells: Cells, method: str, peers: Sequence[str], recordings: Sequence[str]) -> Mark:
    """What 4 px cost at 64 lines, in metres, against the peer it costs least."""
    costs = {p: change(cells, p, recordings, "64+shift", "64")[1] for p in peers}
    costs = {p: cost for p, cost in costs.items() if np.isfinite(cost)}
    own = change(cells, method, recordings, "64+shift", "64")[1]
    best = min(costs, key=lambda p: costs[p], default="")
    limit = costs.get(best, np.nan)
    return Mark("`64+shift` - `64`, metres; mark: least cost of a peer", own, limit, limit, best)


def latency(method: str, times: Mapping[str, Mapping[str, float]]) -> Mark:
    """Return the mark for milliseconds with 500 points by the fastest backend.

    ``times``: {method: {pattern: ms}}, where a backend's own are those of ``METHOD, BACKEND``.
    """
    found = {name: ms["500"] for name, ms in times.items() if name.partition(", ")[0] == method and "500" in ms}
    if not found:
        return Mark(LATENCY, np.nan, LATENCY_MARK, LATENCY_MARK)
    fastest = min(found, key=lambda name: found[name])
    backend = fastest.partition(", ")[2]
    note = f"by backend {backend}; {found[method]:.1f} unless asked for" if backend and method in found else ""
    return Mark(LATENCY, found[fastest], LATENCY_MARK, LATENCY_MARK, note)
