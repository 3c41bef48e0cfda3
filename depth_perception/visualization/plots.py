"""Plots for reports, drawn by Matplotlib into PNG bytes that are the same for the same numbers."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

SERIES_COLORS = ("#1f6feb", "#d1570a", "#1a7f37", "#8250df", "#bf3989", "#57606a")
"""One per model, told apart in print and by colour-blind readers."""

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.edgecolor": "#8c959f",
    "axes.labelcolor": "#1f2328",
    "axes.titlesize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e6ea",
    "grid.linewidth": 0.8,
    "xtick.color": "#57606a",
    "ytick.color": "#57606a",
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "text.color": "#1f2328",
    "svg.hashsalt": "depth_perception",
}


@contextmanager
def figure(width: float, height: float):
    """Yield an empty Matplotlib Figure of ``width`` x ``height`` inches in the house style, without pyplot."""
    import matplotlib

    matplotlib.use("Agg", force=False)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        made = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(made)
        yield made


def png_bytes(made: Any, dpi: int = 144) -> bytes:
    """Return ``made`` (a Figure) as PNG, without the date and version that Matplotlib would add."""
    out = io.BytesIO()
    made.savefig(out, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    return out.getvalue()


def _color(index: int) -> str:
    return SERIES_COLORS[index % len(SERIES_COLORS)]


def _legend(axes: Any, count: int) -> None:
    """Name the series above the plot, where no curve can run through the names."""
    if count > 1:
        above = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0)}
        axes.legend(**above, ncols=4, handlelength=1.4, columnspacing=1.4, borderaxespad=0.2)


def lines(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    xlabel: str,
    ylabel: str,
    size: tuple[float, float] = (6.4, 2.4),
    from_zero: bool = True,
) -> bytes:
    """Return a line plot of named (x, y) series as PNG; single frames are visible as dots."""
    with figure(*size) as made:
        axes = made.add_subplot()
        for index, (name, (x, y)) in enumerate(series.items()):
            marker = "o" if len(x) <= 60 else None
            axes.plot(x, y, label=name, color=_color(index), marker=marker, markersize=3.2)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        if from_zero:
            axes.set_ylim(bottom=0)
        axes.margins(x=0.01)
        _legend(axes, len(series))
        return png_bytes(made)


def grouped_bars(
    groups: Sequence[str],
    series: Mapping[str, Sequence[float]],
    xlabel: str,
    ylabel: str,
    size: tuple[float, float] = (6.4, 2.6),
) -> bytes:
    """Return bars as PNG: one group per entry of ``groups``, one bar per series; NaN draws no bar."""
    with figure(*size) as made:
        axes = made.add_subplot()
        width = 0.8 / max(len(series), 1)
        for index, (name, values) in enumerate(series.items()):
            x = np.arange(len(groups)) + (index - (len(series) - 1) / 2) * width
            axes.bar(x, values, width * 0.92, label=name, color=_color(index))
        axes.set_xticks(np.arange(len(groups)), groups)
        axes.grid(axis="x", visible=False)
        axes.set_axisbelow(True)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        _legend(axes, len(series))
        return png_bytes(made)


def calibration(curves: Mapping[str, Sequence[tuple[float, float]]], size: tuple[float, float] = (3.6, 3.3)) -> bytes:
    """Return the reliability diagram of claimed standard deviations as PNG.

    Each curve holds (nominal share of errors inside, observed share); the diagonal is perfect,
    below it the model is too sure of itself, above it too careful.
    """
    with figure(*size) as made:
        axes = made.add_subplot()
        axes.plot([0, 1], [0, 1], color="#8c959f", linewidth=1.0, linestyle="--")
        for index, (name, points) in enumerate(curves.items()):
            nominal, observed = zip(*points)
            axes.plot(nominal, observed, label=name, color=_color(index), marker="o", markersize=3.2)
        axes.text(0.97, 0.06, "too sure", ha="right", color="#57606a")
        axes.text(0.03, 0.90, "too careful", color="#57606a")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_aspect("equal")
        axes.set_xlabel("share of errors expected inside ±kσ")
        axes.set_ylabel("share found inside")
        _legend(axes, len(curves))
        return png_bytes(made)
