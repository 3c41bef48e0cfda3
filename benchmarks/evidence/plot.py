"""Error against time: the curve a default is chosen from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.evidence import marks
from benchmarks.evidence.tables import Figures


def relative_errors(figures: Figures) -> dict[str, float]:
    """Return each method's error over that of the best peer, geometric mean over all cells of real recordings."""
    out = {}
    for method in figures.methods:
        found = marks.ratios(figures.cells, method, figures.peers, figures.recordings, figures.patterns)
        if found:
            out[method] = float(np.exp(np.mean([np.log(ratio) for ratio, _ in found.values()])))
    return out


def draw(figures: Figures, path: Path) -> None:
    """Draw every method that has a time, for 500 points on 640x480 pixels."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 4.4), layout="constrained")
    for method, error in relative_errors(figures).items():
        ms = figures.times.get(method, {}).get("500")
        if ms is None:
            continue
        ours = method in figures.ours
        axis.scatter(ms, error, s=90 if ours else 45, color="tab:red" if ours else "tab:gray", zorder=3)
        weight = "bold" if ours else "normal"
        axis.annotate(method, (ms, error), xytext=(6, 5), textcoords="offset points", weight=weight)
    axis.axhline(1, color="tab:gray", linewidth=0.8, linestyle="--")
    axis.set(xscale="log", xlabel="time for 640x480 pixels, 500 points [ms]")
    axis.set_ylabel("error / error of the best peer in each cell")
    axis.set_title("All real recordings and patterns (geometric means); lower left is better", fontsize=10)
    axis.grid(alpha=0.3, which="both")
    axis.margins(x=0.15)
    figure.savefig(path, dpi=130)
    plt.close(figure)
