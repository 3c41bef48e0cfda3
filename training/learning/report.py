"""Before and after as a page, a table for the terminal and pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from depth_perception.evaluation.comparison import side_by_side
from depth_perception.evaluation.machine import machine, versions
from depth_perception.evaluation.metrics import METRICS
from depth_perception.evaluation.pictures import frame_pictures
from depth_perception.evaluation.report import TEMPLATES, data_uri, format_figure, picture_uri
from depth_perception.evaluation.results import TRUTH, Example
from depth_perception.evaluation.summary import table
from depth_perception.models import weights
from depth_perception.models.weights import Weights
from depth_perception.visualization import plots
from depth_perception.visualization.sheets import Panel, contact_sheet, number
from training.learning.extraction import Extraction
from training.learning.frame_files import FrameEntry, read_frame
from training.learning.scoring import FIGURES, MEDIAN, NONE, Asked, Scores, change, depth_of

PAGE = "report.html"
_WORSE = 0.01  # growth of the error that is told as a warning
_USUAL = "the usual frame"
_LEAST_WIDTH = 480  # pixels across a picture; network-sized ones are enlarged


@dataclass
class Comparison:
    """One recording's scores ``before`` and ``after``; ``part`` of it that was scored; ``files`` of its frames."""

    recording: str
    part: str
    before: Scores
    after: Scores
    files: dict[str, Path] = field(default_factory=dict)

    def rows(self) -> list[tuple[str, dict[str, float], dict[str, float]]]:
        """Return alignment, figures before and after; before is empty where only the later one is metric."""
        return [(how, self.before.figures.get(how, {}), found) for how, found in self.after.figures.items()]


@dataclass
class Source:
    """A recording that was learned from: what was found in it, its chosen frames, and how many were for training."""

    found: Extraction
    entries: Sequence[FrameEntry]
    trained: int


@dataclass
class Outcome:
    """All that the page tells. ``photometric``: errors of no depth, before and after, and the windows; or None."""

    kind: str
    before: Weights
    after: Weights
    comparisons: list[Comparison]
    sources: list[Source]
    photometric: tuple[float, float, float, int] | None
    command: str
    facts: list[tuple[str, str]]
    notices: list[str]


def main_alignment(kind: str) -> str:
    """Return the alignment under which before and after can be compared: depth from video has no unit."""
    return MEDIAN if kind == "estimation" else NONE


def main_figure(kind: str) -> str:
    """Return the figure that is told first."""
    return "abs_rel" if kind == "estimation" else "mae"


def claim(outcome: Outcome) -> str:
    """Return in a sentence or two what learning did to the error on each recording."""
    key, how = main_figure(outcome.kind), main_alignment(outcome.kind)
    label = METRICS[key][0]
    parts = []
    for item in outcome.comparisons:
        first, last = item.before.figures.get(how), item.after.figures.get(how)
        if not first or not last:
            continue
        gone = change(first[key], last[key])
        parts.append(
            f"{label} on {item.recording}, {item.part}, alignment {how}: {format_figure(key, first[key])} before, "
            f"{format_figure(key, last[key])} after ({_percent(gone)})."
        )
    if not parts and outcome.photometric is not None:
        _, first_error, last_error, windows = outcome.photometric
        parts.append(
            f"Photometric error on {windows} held-out frames: {first_error:.4f} before, {last_error:.4f} after "
            f"({_percent(change(first_error, last_error))})."
        )
    return " ".join(parts) or "Nothing could be scored."


def warnings(kind: str, comparisons: Sequence[Comparison]) -> list[str]:
    """Return what somebody must know before using the weights: where they are worse than those before."""
    key, how = main_figure(kind), main_alignment(kind)
    told = []
    for item in comparisons:
        first, last = item.before.figures.get(how), item.after.figures.get(how)
        if first and last and change(first[key], last[key]) < -_WORSE:
            told.append(
                f"On {item.recording}, {item.part}, these weights are worse than those they were learned from: "
                f"{METRICS[key][0]} {format_figure(key, first[key])} before, {format_figure(key, last[key])} after."
            )
    return told


def _percent(gone: float) -> str:
    if not math.isfinite(gone):
        return "–"
    return f"{abs(gone):.1%} {'less' if gone >= 0 else 'more'}"


def summary(outcome: Outcome) -> str:
    """Return the figures as a table for a terminal."""
    rows = []
    for item in outcome.comparisons:
        for how, first, last in item.rows():
            for which, figures in (("before", first), ("after", last)):
                if figures:
                    cells = [format_figure(key, figures[key]) for key in FIGURES]
                    rows.append([item.recording, item.part, item.after.target, how, which, *cells])
    head = ["recording", "part", "scored against", "alignment", "", *(METRICS[key][0] for key in FIGURES)]
    lines = [table(head, rows, right=tuple(range(5, 5 + len(FIGURES))))] if rows else []
    if outcome.photometric is not None:
        still, first_error, last_error, windows = outcome.photometric
        lines.append(
            f"photometric error on {windows} held-out frames: {still:.4f} without depth, {first_error:.4f} before, "
            f"{last_error:.4f} after"
        )
    return "\n".join(lines) or "nothing could be scored"


def markdown(outcome: Outcome) -> str:
    """Return the figures as a markdown table, for the card."""
    lines = ["| recording | alignment | " + " | ".join(METRICS[key][0] for key in FIGURES) + " |"]
    lines.append("| --- | --- | " + " | ".join("---:" for _ in FIGURES) + " |")
    for item in outcome.comparisons:
        for how, first, last in item.rows():
            for which, figures in (("before", first), ("after", last)):
                if figures:
                    cells = " | ".join(format_figure(key, figures[key]) for key in FIGURES)
                    lines.append(f"| {item.recording}, {item.part}, {which} | {how} | {cells} |")
    return "\n".join(lines) if len(lines) > 2 else claim(outcome)


def write_report(outcome: Outcome, folder: Path, holdout_of: Any) -> list[Path]:
    """Write report.html, scores.json and pictures; return their paths. ``holdout_of(frame)``: see ``scoring.asked``."""
    import jinja2

    frames, sheets = _frames(outcome, folder / "pictures", holdout_of)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([Path(__file__).with_name("templates"), TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = ", ".join(dict.fromkeys(item.recording for item in outcome.comparisons if item.part != ANOTHER))
    photometric = None
    if outcome.photometric is not None:
        still, first, last, windows = outcome.photometric
        texts = {"still": f"{still:.4f}", "before": f"{first:.4f}", "after": f"{last:.4f}"}
        photometric = {**texts, "windows": windows}
    page = environment.get_template("learned.html.j2").render(
        title=f"{'Depth from the camera' if outcome.kind == 'estimation' else 'Completion'} learned from {names}",
        before=f"{outcome.before.name} {outcome.before.version}",
        after=f"{outcome.after.name} {outcome.after.version}",
        facts=outcome.facts,
        notices=outcome.notices,
        claim=claim(outcome),
        columns=[dict(zip(("label", "unit", "title"), METRICS[key])) for key in FIGURES],
        rows=[row for item in outcome.comparisons for row in _rows(item)],
        photometric=photometric,
        plots=_plots(outcome),
        frames=frames,
        recordings=[_recording(source) for source in outcome.sources],
        problems=[
            {"name": Path(s.found.recording).name, "count": count, "text": text}
            for s in outcome.sources
            for count, text in s.found.problems.values()
        ],
        command=outcome.command,
        config="config.yaml",
        versions=versions(),
        machine=machine(),
    )
    weights.replace(folder / PAGE, page.encode())
    scores = {
        "kind": outcome.kind,
        "claim": claim(outcome),
        "comparisons": [
            {"recording": c.recording, "part": c.part, "before": asdict(c.before), "after": asdict(c.after)}
            for c in outcome.comparisons
        ],
        "photometric": outcome.photometric,
    }
    weights.replace(folder / "scores.json", json.dumps(scores, indent=1).encode())
    return [folder / PAGE, folder / "scores.json", *sheets]


ANOTHER = "another recording"


def _rows(item: Comparison) -> list[dict[str, Any]]:
    out = []
    for how, first, last in item.rows():
        cells = []
        for key in FIGURES:
            gone = change(first[key], last[key]) if first else math.nan
            better = gone if key != "delta1" else -gone
            cells.append(
                {
                    "before": format_figure(key, first.get(key)),
                    "after": format_figure(key, last[key]),
                    "change": "" if not math.isfinite(gone) else f"{-gone:+.1%}",
                    "tone": "" if not abs(better) >= 0.005 else "better" if better > 0 else "worse",
                }
            )
        scored = f"{item.after.scored:,}".replace(",", " ")
        out.append(
            {
                "recording": item.recording,
                "part": item.part,
                "target": item.after.target,
                "alignment": how,
                "scored": scored,
                "cells": cells,
            }
        )
    return out


def _plots(outcome: Outcome) -> list[dict[str, str]]:
    key, how = main_figure(outcome.kind), main_alignment(outcome.kind)
    label, unit, _ = METRICS[key]
    made = []
    for item in outcome.comparisons:
        series = {}
        for which, scores in (("before", item.before), ("after", item.after)):
            rows = [row for row in scores.frames if how in row]
            if rows:
                times = [(row["stamp"] - rows[0]["stamp"]) * 1e-9 for row in rows]
                series[which] = (times, [row[how][key] for row in rows])
        if series:
            title = f"{label}{f' [{unit}]' if unit else ''}, {item.recording}"
            made.append({"title": title, "uri": data_uri(plots.lines(series, "time [s]", title))})
    return made


def _recording(source: Source) -> dict[str, Any]:
    found, entries = source.found, source.entries
    parallax = [e.parallax for e in entries if e.parallax is not None]
    posed = sum(e.pose for e in entries)
    return {
        "name": Path(found.recording).name,
        "images": found.images,
        "considered": found.considered,
        "still": found.still,
        "blank": found.blank,
        "cuts": found.cuts,
        "chosen": len(entries),
        "train": source.trained,
        "parallax": f"{np.median(parallax):.2%}" if parallax else "–",
        "poses": f"{posed} in {found.world}" if posed else "none",
        "measured": found.source or "nothing",
    }


def _chosen(item: Comparison, kind: str) -> list[tuple[str, str]]:
    """Return why and which frames are shown: where most was gained, what is usual, where most was lost."""
    key, how = main_figure(kind), main_alignment(kind)
    first = {row["name"]: row[how][key] for row in item.before.frames if how in row}
    last = {row["name"]: row[how][key] for row in item.after.frames if how in row}
    order = sorted((name for name in last if name in first), key=lambda name: last[name] - first[name])
    if not order:
        return [(_USUAL, name) for name in list(item.files)[len(item.files) // 2 :][:1]]
    if item.part == ANOTHER:
        return [(_USUAL, order[len(order) // 2])]
    # where there are few frames, one may be all three: the usual one is shown then
    picked = {"most gained": order[0], _USUAL: order[len(order) // 2], "least gained": order[-1]}
    return [(why, name) for why, name in picked.items() if why == _USUAL or name != picked[_USUAL]]


def _frames(outcome: Outcome, folder: Path, holdout_of: Any) -> tuple[list[dict[str, Any]], list[Path]]:
    frames, sheets = [], []
    how = main_alignment(outcome.kind)
    folder.mkdir(parents=True, exist_ok=True)
    for item in outcome.comparisons:
        for why, name in _chosen(item, outcome.kind):
            frame = read_frame(item.files[name])
            ask: Asked = holdout_of(frame)
            before = depth_of(outcome.before, frame, ask.given, ask.held, how)
            after = depth_of(outcome.after, frame, ask.given, ask.held, how)
            if not len(ask.held):  # nothing was measured: the unit is that of the later one
                factor = np.float32(np.nanmedian(after[0]) / np.nanmedian(before[0]))
                before = before[0] * factor, before[1] * factor
            truth = None
            if ask.kind == TRUTH and frame.truth is not None:
                truth = np.where(frame.truth > 0, frame.truth, np.float32(np.nan)).astype(np.float32)
            example = Example(
                int(name),
                frame.stamp,
                frame.camera,
                frame.image,
                ask.given,
                ask.held if len(ask.held) and truth is None else None,
                truth,
                {"before": before, "after": after},
            )
            pictures = frame_pictures(example)
            if outcome.kind == "estimation":  # that is what scores, not what was given
                measured = pictures.shared[1]._replace(title=f"Measured, not shown to it: {len(ask.given)} points")
                pictures.shared[1:2] = [measured] if len(ask.given) else []
            grid, columns = side_by_side(pictures)
            title = f"{item.recording}, {item.part}: {why} (frame {name}, alignment {how})"
            frames.append({"title": title, "grid": [_panel(p) for p in grid], "columns": columns})
            if why != _USUAL:
                continue
            sheet = folder / f"{item.recording}.png"
            weights.replace(sheet, contact_sheet(grid, columns, title))
            sheets.append(sheet)
    return frames, sheets


def _panel(panel: Panel | None) -> Mapping[str, Any] | None:
    if panel is None:
        return None
    picture, bar = panel.picture, panel.bar
    if picture.shape[1] < _LEAST_WIDTH:
        size = (_LEAST_WIDTH, round(picture.shape[0] * _LEAST_WIDTH / picture.shape[1]))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    found: dict[str, Any] = {"title": panel.title, "tiny": False, "bar": None}
    found["uri"] = picture_uri(picture, bar is None)
    if bar is not None:
        stops = ", ".join(f"rgb({r},{g},{b})" for r, g, b in bar.colors(24))
        ticks = [number(value) for _, value in bar.ticks()]
        found["bar"] = {"css": f"linear-gradient(90deg, {stops})", "ticks": ticks, "unit": bar.unit}
    return found
