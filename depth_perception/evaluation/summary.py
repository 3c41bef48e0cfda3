"""Scores as aligned plain text, for terminals."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from depth_perception.evaluation.report import format_figure
from depth_perception.evaluation.results import ALL_METRICS, EvaluationResult
from depth_perception.evaluation.scales import summary

SHOWN = ("mae", "rmse", "irmse", "abs_rel", "delta1", "boundary_mae", "smear_rate", "coverage", "inside_68")


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Return rows under a header in aligned columns; the columns numbered in ``right`` are flush right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths))
        ]
        return "  ".join(padded).rstrip()

    return "\n".join([line(head), line(["─" * width for width in widths]), *map(line, rows)])


def summary_table(result: EvaluationResult) -> str:
    """Return one line per model and target with the main figures, and what was left out below."""
    units = [ALL_METRICS[key][1] for key in SHOWN]
    head = ["model", "against", "frames", "values"]
    head += [f"{ALL_METRICS[key][0]} [{unit}]" if unit else ALL_METRICS[key][0] for key, unit in zip(SHOWN, units)]
    rows = []
    for target in result.targets():
        for model in result.models:
            total = result.totals.get((model, target))
            if total is not None:
                figures = total.figures()
                row = [model, target, str(total.frames), str(total.depth.scored)]
                rows.append(row + [format_figure(key, figures[key]) for key in SHOWN])
    lines = [table(head, rows, right=range(2, len(head)))] if rows else ["nothing was scored"]
    for model, samples in result.scales.items():
        lines.append(f"{model}: {_scale(summary(samples))}")
    lost = {**result.sync.get("drops", {}), **result.skipped}
    if lost:
        lines.append("not evaluated: " + ", ".join(f"{n} x {cause.replace('_', ' ')}" for cause, n in lost.items()))
    lines += [f"note ({count} frames): {text}" for text, count in sorted(result.notes.items())]
    if result.partial:
        lines.append(f"partial: {result.partial} after {result.frames} frames")
    return "\n".join(lines)


def _scale(found: Mapping[str, Any]) -> str:
    """Return in words what is known of an estimator's scale, see ``scales.summary``."""
    told = ", ".join(f"{source} in {count}" for source, count in found["sources"].items())
    words = [f"{100 * found['metric']:.0f} % of {found['frames']} frames in metres, told last by {told or 'nothing'}"]
    if math.isfinite(found["off"]):
        words.append(f"scale off by {100 * found['off']:.1f} % (median), ± {100 * found['deviation']:.1f} % claimed")
    if math.isfinite(found["aligned"]):
        words.append(f"AbsRel {found['aligned']:.3f} with each frame scaled to the median of its truth")
    return "; ".join(words)
