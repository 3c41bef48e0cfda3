"""The marks we set ourselves for depth from one camera, and where it stands, each with the command that measured it.

Studies and other benchmarks keep their figures beside the documents; a mark whose figures are not there says so.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.evidence.tables import table

DOCS = Path(__file__).resolve().parents[2] / "docs"
SEEDS = 3
SAME = 1.03  # a figure that has not risen by more than this factor has stayed
SHIFT, FOCAL = 3.0, 5.0  # per cent
GAIN = 20.0  # per cent less error after fine-tuning
ANOTHER = "another recording"  # the part of a comparison that was not learned from


class Mark(NamedTuple):
    """``met`` is None if it was not measured."""

    name: str
    value: str
    met: bool | None
    command: str


_STUDY = "python -m training.estimation_study --seeds 0 1 2 --out docs/gam-depth.md"
_GEOMETRY = "python -m training.geometry_study --seeds 0 1 2 --out docs/geometry-study.md"
_RECOVERY = "python -m benchmarks.recovery --docs"
_REAL = "python -m benchmarks.recovery_real --docs"
_LEARN = "depth_perception train estimation --bag RECORDING --also OTHER"


def marks(docs: Path = DOCS) -> list[Mark]:
    """Return all marks."""
    gam, geometry = _study(docs / "gam-depth.json"), _study(docs / "geometry-study.json")
    own, labels = "gradient-aware mask", "labels alone"
    return [
        *(
            _against(gam, own, other, figure, f"mask below {other}, {name}", _STUDY)
            for other in ("averaging", "key points")
            for figure, name in (("plane_residual", "plane residual"), ("abs_rel", "AbsRel (median)"))
        ),
        _against(gam, own, "without semantics", "boundary_f1", "semantics raise boundary F1", _STUDY, higher=True),
        _against(geometry, "all three terms", labels, "abs_rel_scale", "consistency, AbsRel (scale)", _GEOMETRY),
        _against(geometry, "all three terms", labels, "lsiv", "consistency, LSIV", _GEOMETRY),
        _against(
            geometry, "all three terms", labels, "abs_rel_affine", "consistency, AbsRel (scale and shift) stays",
            _GEOMETRY, limit=SAME,
        ),
        *_recovery(docs / "figures" / "recovery.csv"),
        _one_minimum(docs / "figures" / "recovery_real.csv"),
        _fine_tuning(docs / "figures" / "fine_tuning.json"),
    ]  # fmt: skip


def markdown(found: Sequence[Mark]) -> str:
    """Return the marks as a table."""
    words = {True: "yes", False: "**no**", None: "not measured"}
    return table(
        ["mark", "measured", "met", "by"], [[m.name, m.value, words[m.met], f"`{m.command}`"] for m in found]
    ).replace("| --- | ---: | ---: | ---: |", "| --- | --- | --- | --- |")


def _against(
    study: tuple[dict, str],
    own: str,
    other: str,
    figure: str,
    name: str,
    command: str,
    higher: bool = False,
    limit: float = 1.0,
) -> Mark:
    """Compare two variants of a study over the seeds that both have: the mean must be better, in most seeds.

    With a ``limit`` above 1 the mean must only not be more than this times the other's.
    """
    results, made_by = study
    command = made_by or command
    pairs = [
        (results[own][seed]["scores"].get(figure), results[other][seed]["scores"].get(figure))
        for seed in results.get(own, {})
        if seed in results.get(other, {})
    ]
    pairs = [pair for pair in pairs if None not in pair]
    if not pairs:
        return Mark(name, "–", None, command)
    a, b = np.array(pairs, float).T
    better: Callable = np.greater if higher else np.less
    wins = int(better(a, b).sum())
    value = f"{a.mean():.4f} against {b.mean():.4f}, {a.mean() / b.mean() - 1:+.1%}; better in {wins} of {len(a)} seeds"
    if limit > 1:
        return Mark(name, value, bool(a.mean() <= limit * b.mean()), command)
    return Mark(name, value, bool(better(a.mean(), b.mean())) and 2 * wins > len(a) and len(a) >= SEEDS, command)


def _study(path: Path) -> tuple[dict, str]:
    """Return a study's results by variant and seed, and the command that made them; empty without its file."""
    if not path.is_file():
        return {}, ""
    kept = json.loads(path.read_text())
    return kept["results"], kept["command"]


def _recovery(path: Path) -> list[Mark]:
    names = (
        f"shift found within {SHIFT:.0f} % of median depth, rendered",
        f"focal length within {FOCAL:.0f} %, rendered",
    )
    lines = _lines(path)
    if not lines:
        return [Mark(name, "–", None, _RECOVERY) for name in names]
    found = []
    for name, columns, mark in (
        (names[0], ("shift_error", "both_shift_error"), SHIFT),
        (names[1], ("focal_error", "both_focal_error"), FOCAL),
    ):
        worst = max(abs(float(line[column])) for line in lines for column in columns)
        found.append(Mark(name, f"worst of {len(lines)} worlds {worst:.2f} %", worst <= mark, _RECOVERY))
    return found


def _one_minimum(path: Path) -> Mark:
    lines = _lines(path)
    name = "search curve of the focal length has one minimum, real recordings"
    if not lines:
        return Mark(name, "–", None, _REAL)
    good = [line["recording"] for line in lines if line["one_minimum"] == "True"]
    return Mark(name, f"{len(good)} of {len(lines)} recordings", len(good) == len(lines), _REAL)


def _fine_tuning(path: Path) -> Mark:
    """Read what ``train estimation --bag`` wrote as scores.json: AbsRel on the later part and on another recording."""
    name = f"fine-tuning on one recording, AbsRel (median) on its later part at least {GAIN:.0f} % lower"
    if not path.is_file():
        return Mark(name, "–", None, _LEARN)
    gains, told = [], []
    for item in json.loads(path.read_text())["comparisons"]:
        found = [_abs_rel(item[which]) for which in ("before", "after")]
        if None in found:
            continue
        gain = 100 * (1 - found[1] / found[0])
        told.append(f"{item['recording']}, {item['part']}: {found[0]:.3f} to {found[1]:.3f} ({-gain:+.0f} %)")
        gains += [gain] if item["part"] != ANOTHER else []
    return Mark(name, "; ".join(told) or "–", min(gains) >= GAIN if gains else None, _LEARN)


def _abs_rel(scores: dict) -> float | None:
    return next((f["abs_rel"] for how, f in scores["figures"].items() if how.startswith("median")), None)


def _lines(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
