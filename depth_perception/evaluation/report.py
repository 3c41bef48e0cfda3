"""The evaluation as one self-contained page, ``report.html``, with contact sheets beside it.

Pictures and plots are inside the page as base64, styles are inline, and no script is needed. With one model and
without a live section the page holds nothing that differs between two runs on the same machine.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.evaluation import comparison, scales
from depth_perception.evaluation.machine import machine, versions
from depth_perception.evaluation.pictures import FramePictures, frame_pictures
from depth_perception.evaluation.results import ALL_METRICS, EvaluationResult, Example, write_data
from depth_perception.evaluation.tasks import TASKS
from depth_perception.visualization import plots
from depth_perception.visualization.sheets import ColorBar, Panel, contact_sheet, number

TEMPLATES = Path(__file__).parent / "templates"
MAX_WIDTH = 960  # pixels of a picture inside the page
BROAD = 1.9  # pictures with a larger ratio of width to height stand two in a row
SUMMARY = ("mae", "rmse", "imae", "irmse", "abs_rel", "delta1", "delta2", "delta3", "boundary_mae", "smear_rate")
SURENESS = ("coverage", "deviation", "inside_68", "inside_95", "z_rms", "bias", "sq_rel", "log10")
BY_RANGE = ("mae", "rmse", "abs_rel", "delta1", "coverage", "deviation", "inside_68")
FEW = 10  # values in a range of which a bar would say more about chance than about the model
HIGHER_IS_BETTER = ("delta1", "delta2", "delta3", "coverage")
TARGET_VALUES = {"inside_68": 0.6827, "inside_95": 0.95, "z_rms": 1.0, "bias": 0.0}


def format_figure(key: str, value: float | None) -> str:
    """Return a figure as text in the digits that its size deserves; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    if key in ("coverage", "image_coverage", "smear_rate", "inside_68", "inside_95", "delta1", "delta2", "delta3"):
        return f"{100 * value:.2f} %"
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"


def data_uri(content: bytes, kind: str = "png") -> str:
    """Return ``content`` as a ``data:image/...`` address."""
    return f"data:image/{kind};base64," + base64.b64encode(content).decode("ascii")


def picture_uri(picture: NDArray[np.uint8], photograph: bool) -> str:
    """Return an RGB picture, at most MAX_WIDTH wide, as JPEG (photographs) or PNG (colour-coded numbers)."""
    height, width = picture.shape[:2]
    if width > MAX_WIDTH:
        size = (MAX_WIDTH, max(1, round(height * MAX_WIDTH / width)))
        how = cv2.INTER_AREA if photograph else cv2.INTER_NEAREST
        picture = np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    if photograph:
        return data_uri(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes(), "jpeg")
    return data_uri(cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 6])[1].tobytes())


def _gradient(bar: ColorBar) -> dict[str, Any]:
    stops = ", ".join(f"rgb({r},{g},{b})" for r, g, b in bar.colors(24))
    return {"css": f"linear-gradient(90deg, {stops})", "ticks": [number(v) for _, v in bar.ticks()], "unit": bar.unit}


def _panel(panel: Panel) -> dict[str, Any]:
    photograph = panel.bar is None or panel.title.startswith("Input")
    return {
        "title": panel.title,
        "uri": picture_uri(panel.picture, photograph),
        "tiny": panel.picture.shape[1] < 320,
        "bar": None if panel.bar is None else _gradient(panel.bar),
    }


def _best_of(key: str, values: list[float]) -> float | None:
    finite = [v for v in values if math.isfinite(v)]
    if len(set(finite)) < 2:  # nothing to compare, or all alike
        return None
    if key in TARGET_VALUES:
        return min(finite, key=lambda v: abs(v - TARGET_VALUES[key]))
    if key == "deviation":
        return None
    return max(finite) if key in HIGHER_IS_BETTER else min(finite)


def _table(result: EvaluationResult, target: str, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return header and rows of a table: one row per model; the best figure of a column is marked."""
    figures = {
        model: result.totals[model, target].figures() for model in result.models if (model, target) in result.totals
    }
    best = {key: _best_of(key, [row[key] for row in figures.values()]) for key in keys}
    rows = [
        {
            "model": model,
            "version": result.models[model],
            "cells": [
                {"text": format_figure(key, row[key]), "best": best[key] is not None and row[key] == best[key]}
                for key in keys
            ],
        }
        for model, row in figures.items()
    ]
    head = [{"label": ALL_METRICS[k][0], "unit": ALL_METRICS[k][1], "title": ALL_METRICS[k][2]} for k in keys]
    return {"head": head, "rows": rows}


def _bin_name(row: Mapping[str, float]) -> str:
    lower, upper = row["lower"], row["upper"]
    return f"≥ {lower:g}" if math.isinf(upper) else f"{lower:g}–{upper:g}"


def _ranges(result: EvaluationResult, target: str) -> dict[str, Any] | None:
    by_model = {m: result.totals[m, target].depth.by_range() for m in result.models if (m, target) in result.totals}
    bins = next(iter(by_model.values()), [])
    if not bins:
        return None
    names = [_bin_name(row) for row in bins]
    rows = []
    for model, table in by_model.items():
        for row in table:
            cells = [f"{row['scored']:,}".replace(",", " "), *(format_figure(key, row[key]) for key in BY_RANGE)]
            rows.append({"model": model, "bin": _bin_name(row), "cells": cells})
    shown = [index for index, row in enumerate(bins) if row["scored"] >= FEW] or list(range(len(bins)))
    series = {model: [table[index]["abs_rel"] * 100 for index in shown] for model, table in by_model.items()}
    plot = plots.grouped_bars([names[index] for index in shown], series, "true depth [m]", "mean relative error [%]")
    head = [{"label": ALL_METRICS[k][0], "unit": ALL_METRICS[k][1]} for k in BY_RANGE]
    return {"head": head, "rows": rows, "plot": data_uri(plot)}


def _calibration(result: EvaluationResult, target: str) -> str | None:
    curves = {}
    for model in result.models:
        total = result.totals.get((model, target))
        points = total.depth.calibration() if total is not None else []
        if points:
            curves[model] = points
    return data_uri(plots.calibration(curves)) if curves else None


def _frame_plots(result: EvaluationResult, target: str) -> list[dict[str, str]]:
    made = []
    first = result.rows[0].stamp if result.rows else 0
    wanted = (
        ("mae", "mean absolute error [m]", 1.0),
        ("rmse", "root mean squared error [m]", 1.0),
        ("abs_rel", "mean relative error [%]", 100.0),
        ("boundary_mae", "boundary MAE [m]", 1.0),
    )

    def times(rows: list) -> list[float]:
        return [(row.stamp - first) * 1e-9 for row in rows]

    for key, label, factor in wanted:
        series = {}
        for model in result.models:
            rows = [row for row in result.rows if row.model == model and row.target == target]
            if any(math.isfinite(row.figures[key]) for row in rows):
                series[model] = (times(rows), [row.figures[key] * factor for row in rows])
        if series:
            made.append({"title": label, "uri": data_uri(plots.lines(series, "time [s]", label))})
    return made


def _input_plots(result: EvaluationResult) -> list[dict[str, str]]:
    """Return plots of what the models were given, which is the same for all."""
    made = []
    first = {row.index: row for row in reversed(result.rows)}  # one row per frame, whatever model and target
    rows = [first[index] for index in sorted(first)]
    if not rows:
        return []
    times = [(row.stamp - rows[0].stamp) * 1e-9 for row in rows]
    label = "points given to the models"
    points = {"points": (times, [float(row.input_points) for row in rows])}
    made.append({"title": label, "uri": data_uri(plots.lines(points, "time [s]", label))})
    if any(row.interval is not None for row in rows):
        label = "range data minus image [ms]"
        intervals = [math.nan if row.interval is None else row.interval * 1e3 for row in rows]
        picture = plots.lines({"interval": (times, intervals)}, "time [s]", label, from_zero=False)
        made.append({"title": label, "uri": data_uri(picture)})
    return made


def _scale(result: EvaluationResult) -> dict[str, Any] | None:
    """Return plots and a table of the scale over time; None for completion, which needs none."""
    if not result.scales:
        return None
    first = next(iter(result.scales.values()))[0].stamp
    factors, off, rows = {}, {}, []
    for model, samples in result.scales.items():
        metric = [s for s in samples if s.kind == "metric"]
        factors[model] = ([(s.stamp - first) * 1e-9 for s in metric], [s.factor for s in metric])
        scored = [s for s in metric if math.isfinite(s.right)]
        off[model] = ([(s.stamp - first) * 1e-9 for s in scored], [100 * (s.factor / s.right - 1) for s in scored])
        found = scales.summary(samples)
        told = ", ".join(f"{source} {count}" for source, count in found["sources"].items())
        in_metres = next((result.totals[model, t].figures()["abs_rel"] for t in result.targets()), math.nan)
        cells = [_share(found["metric"]), told or "nothing", _share(found["deviation"]), _share(found["off"])]
        rows.append({"model": model, "cells": [*cells, _share(in_metres), _share(found["aligned"])]})
    plots_of = [("factor [m per unit]", factors), ("factor, off that of the truth [%]", off)]
    made = [
        {"title": label, "uri": data_uri(plots.lines(series, "time [s]", label, from_zero=False))}
        for label, series in plots_of
        if any(x for x, _ in series.values())
    ]
    return {"rows": rows, "plots": made}


def _share(value: float) -> str:
    return f"{100 * value:.1f} %" if math.isfinite(value) else "–"


def _example(
    kind: str, example: Example, pictures: FramePictures, result: EvaluationResult, target: str
) -> dict[str, Any]:
    figures = {row.model: row.figures for row in result.rows if row.index == example.index and row.target == target}
    first = result.rows[0].stamp if result.rows else example.stamp
    grid, columns = comparison.side_by_side(pictures)
    return {
        "grid": [None if panel is None else _panel(panel) for panel in grid],
        "columns": columns if 2 <= len(pictures.models) <= comparison.SIDE_BY_SIDE else 0,
        "kind": kind,
        "index": example.index,
        "stamp": example.stamp,
        "time": f"{(example.stamp - first) * 1e-9:.2f}",
        "layout": "broad" if example.image.shape[1] > BROAD * example.image.shape[0] else "square",
        "shared": [_panel(panel) for panel in pictures.shared],
        "models": [
            {
                "name": name,
                "figures": [
                    f"{ALL_METRICS[key][0]} {format_figure(key, figures[name][key])} {ALL_METRICS[key][1]}".strip()
                    for key in ("mae", "rmse", "abs_rel", "smear_rate")
                    if name in figures and math.isfinite(figures[name][key])
                ],
                "panels": [_panel(panel) for panel in panels],
            }
            for name, panels in pictures.models.items()
        ],
    }


def _parameters(result: EvaluationResult) -> list[dict[str, Any]]:
    table = TASKS[result.task].parameters
    defaults = table.defaults()
    return [
        {"name": name, "value": value, "changed": value != defaults.get(name), "unit": table[name].unit}
        for name, value in result.parameters.items()
        if name in table
    ]


def _lost(result: EvaluationResult) -> list[dict[str, Any]]:
    rows = []
    for stage, counts in (("pairing", result.sync.get("drops", {})), ("frame", result.skipped)):
        for cause, n in sorted(counts.items()):
            text = result.reason(cause)
            rows.append({"stage": stage, "cause": cause.replace("_", " "), "count": n, "text": text})
    return rows


def draw(result: EvaluationResult) -> dict[int, FramePictures]:
    """Return the pictures of the best and worst frames by frame number."""
    points = TASKS[result.task].points
    return {example.index: frame_pictures(example, points) for example in (*result.best, *result.worst)}


def render(
    result: EvaluationResult,
    live: Mapping[str, Any] | None = None,
    pictures: Mapping[int, FramePictures] | None = None,
) -> str:
    """Return the page; ``live`` is what ``LiveStatistics.as_dict`` gives, ``pictures`` what ``draw`` gives."""
    import jinja2

    pictures = draw(result) if pictures is None else pictures

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = format_figure
    targets = [
        {
            "name": target,
            "scored": next(total.depth.scored for (_, t), total in result.totals.items() if t == target),
            "summary": _table(result, target, SUMMARY),
            "sureness": _table(result, target, SURENESS),
            "ranges": _ranges(result, target),
            "calibration": _calibration(result, target),
            "plots": _frame_plots(result, target),
        }
        for target in result.targets()
    ]
    main = result.primary if result.primary in result.targets() else next(iter(result.targets()), result.primary)
    examples = [
        _example(kind, example, pictures[example.index], result, main)
        for kind, chosen in (("Best", result.best), ("Worst", result.worst))
        for example in chosen
    ]
    return environment.get_template("report.html.j2").render(
        result=result,
        title=TASKS[result.task].title,
        scale=_scale(result),
        targets=targets,
        comparisons=[made for target in result.targets() if (made := comparison.table(result, target, format_figure))],
        main=main,
        examples=examples,
        input_plots=_input_plots(result),
        lost=_lost(result),
        parameters=_parameters(result),
        versions=versions(),
        machine=machine(),
        definitions=[{"label": v[0], "unit": v[1], "text": v[2]} for v in ALL_METRICS.values()],
        live=live,
    )


def write_pictures(result: EvaluationResult, folder: Path, drawn: Mapping[int, FramePictures]) -> list[Path]:
    """Write contact sheets and a cloud rendering of the best and the worst frame into ``folder``.

    There is a sheet of each model, and one with all models in columns unless they are too many.
    """
    written = []
    folder.mkdir(parents=True, exist_ok=True)
    for kind, examples in (("best", result.best[:1]), ("worst", result.worst[:1])):
        for example in examples:
            pictures = drawn[example.index]
            for model, panels in pictures.models.items():
                name = f"{kind}_{re.sub('[^A-Za-z0-9.-]+', '_', model)}"
                flat = [*pictures.shared, *panels[:-1]]
                broad = example.image.shape[1] > BROAD * example.image.shape[0]
                columns = 2 if broad or len(flat) <= 4 else 3
                if len(flat) % columns:  # there is a free place
                    flat.append(panels[-1])
                title = f"{result.recording['name']}, frame {example.index} ({kind}), model {model}"
                sheet = folder / f"{name}.png"
                sheet.write_bytes(contact_sheet(flat, columns, title))
                cloud = folder / f"{name}_cloud.png"
                cv2.imwrite(str(cloud), cv2.cvtColor(panels[-1].picture, cv2.COLOR_RGB2BGR))
                written += [sheet, cloud]
            if 2 <= len(pictures.models) <= comparison.SIDE_BY_SIDE:
                title = f"{result.recording['name']}, frame {example.index} ({kind})"
                sheet = folder / f"{kind}_side_by_side.png"
                sheet.write_bytes(contact_sheet(*comparison.side_by_side(pictures), title))
                written.append(sheet)
    return written


def write_report(
    result: EvaluationResult, folder: str | Path, live: Mapping[str, Any] | None = None
) -> dict[str, list[Path]]:
    """Write everything into ``folder``; return paths under ``report``, ``data`` and ``pictures``."""
    folder = Path(folder)
    data = write_data(result, folder)
    if live is not None:
        data.append(folder / "live.json")
        data[-1].write_text(json.dumps(live, indent=2) + "\n", encoding="utf-8")
    pictures = draw(result)
    page = folder / "report.html"
    page.write_text(render(result, live, pictures), encoding="utf-8")
    return {"report": [page], "data": data, "pictures": write_pictures(result, folder / "pictures", pictures)}
