"""Two or more models side by side on the same frames and points: one table, one sentence, one sheet of pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from depth_perception.evaluation.pictures import FramePictures
from depth_perception.evaluation.results import ALL_METRICS, EvaluationResult
from depth_perception.evaluation.tasks import TASKS
from depth_perception.visualization.sheets import Panel

METRICS = ("mae", "rmse", "abs_rel", "delta1", "boundary_mae", "smear_rate", "inside_68", "inside_95")
TIME = "ms"
ERRORS = ("mae", "rmse", "abs_rel", "boundary_mae", "smear_rate", TIME)  # of which half as much is twice as good
SIDE_BY_SIDE = 3  # more models than this stand below each other, because their pictures would get too small


def milliseconds(result: EvaluationResult, model: str) -> float:
    """Return the median time that ``model`` took from arrays to depth, NaN if it was not measured."""
    seconds = result.latency.get(model, {}).get(TASKS[result.task].stage, [])
    return float(np.median(seconds)) * 1e3 if seconds else math.nan


def figures(result: EvaluationResult, target: str) -> dict[str, dict[str, float]]:
    """Return METRICS and TIME by model."""
    found = {}
    for model in result.models:
        total = result.totals.get((model, target))
        if total is not None:
            values = total.figures()
            found[model] = {**{key: values[key] for key in METRICS}, TIME: milliseconds(result, model)}
    return found


def ratios(found: Mapping[str, Mapping[str, float]], model: str, other: str) -> dict[str, float]:
    """Return each of ERRORS of ``model`` divided by that of ``other``; NaN where there is none."""
    pairs = {key: (found[model][key], found[other][key]) for key in ERRORS}
    return {
        key: a / b if math.isfinite(a) and math.isfinite(b) and b > 0 else math.nan for key, (a, b) in pairs.items()
    }


def sentence(found: Mapping[str, Mapping[str, float]], frames: int) -> str:
    """Return in words how the first model's mean absolute error compares with that of each other one."""
    first, *others = found
    parts = []
    for other in others:
        ratio = ratios(found, first, other)["mae"]
        if math.isfinite(ratio):
            change = f"{100 * abs(1 - ratio):.0f} % {'below' if ratio < 1 else 'above'}"
            parts.append(f"{'the same as' if round(100 * ratio) == 100 else change} that of {other}")
    if not parts:
        return ""
    return (
        f"The mean absolute error of {first} is {', '.join(parts)}, on the same {frames} frames with the same points."
    )


def table(result: EvaluationResult, target: str, text: Any) -> dict[str, Any] | None:
    """Return head, rows and a sentence for the page, or None if fewer than two models were scored.

    ``text(key, value)`` formats a figure. A row is one model, or the first model's errors as multiples of another's.
    """
    found = figures(result, target)
    if len(found) < 2:
        return None
    first, *others = found
    rows: list[dict[str, Any]] = [
        {
            "model": model,
            "version": result.models[model],
            "ratio": False,
            "cells": [{"text": _cell(key, values[key], text), "tone": ""} for key in (*METRICS, TIME)],
        }
        for model, values in found.items()
    ]
    for other in others:
        by = ratios(found, first, other)
        cells = [
            {"text": _multiple(by.get(key, math.nan)), "tone": _tone(by.get(key, 1.0))} for key in (*METRICS, TIME)
        ]
        rows.append({"model": f"{first} ÷ {other}", "version": "", "ratio": True, "cells": cells})
    head = [{"label": ALL_METRICS[k][0], "unit": ALL_METRICS[k][1], "title": ALL_METRICS[k][2]} for k in METRICS]
    head.append({"label": "Time", "unit": "ms", "title": "median time from arrays to depth, on this machine"})
    return {"target": target, "head": head, "rows": rows, "sentence": sentence(found, result.frames)}


def _cell(key: str, value: float, text: Any) -> str:
    if key == TIME:
        return f"{value:.1f}" if math.isfinite(value) else "–"
    return text(key, value)


def _multiple(ratio: float) -> str:
    return f"× {ratio:.2f}" if math.isfinite(ratio) else ""


def _tone(ratio: float) -> str:
    if not math.isfinite(ratio) or abs(ratio - 1) < 0.005:
        return ""
    return "better" if ratio < 1 else "worse"


def side_by_side(pictures: FramePictures) -> tuple[list[Panel | None], int]:
    """Return panels in rows, and how many columns: first what all models share, then one column for each model.

    A model that lacks a picture which another one has leaves its place empty (None).
    """
    titles = list(dict.fromkeys(panel.title for panels in pictures.models.values() for panel in panels))
    rows = max(len(titles), len(pictures.shared))
    grid: list[Panel | None] = []
    for row in range(rows):
        grid.append(pictures.shared[row] if row < len(pictures.shared) else None)
        for model, panels in pictures.models.items():
            wanted = titles[row] if row < len(titles) else ""
            panel = next((panel for panel in panels if panel.title == wanted), None)
            grid.append(None if panel is None else panel._replace(title=f"{model}: {_lower(panel.title)}"))
    return grid, 1 + len(pictures.models)


def _lower(title: str) -> str:
    return title[:1].lower() + title[1:]
