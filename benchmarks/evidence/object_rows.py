"""What is measured of a method on a scene: one line each, in a file that survives an interrupted run."""

from __future__ import annotations

import csv
import gc
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, get_type_hints

import numpy as np

from benchmarks.evidence.object_scenes import LabelledScene, kind_of
from benchmarks.evidence.rows import Store
from depth_perception.evaluation.decomposition.decomposed import Decomposed, Method, PeakMemory
from depth_perception.evaluation.decomposition.panoptic import ScenePanoptic
from depth_perception.evaluation.decomposition.surface_scores import mean_score, object_scores
from depth_perception.frames import PosedDepth

_MATCH = 0.1  # least overlap for a segment's surface to be held against a thing
_SPECK = 3e-4  # of all pixels: smaller segments are no claim, for any method


class ObjectRow(NamedTuple):
    """``pq`` ... ``miou`` shares; ``chamfer``, ``accuracy`` metres; ``memory`` bytes; NaN where no surface is known.

    ``seconds`` are those of the processor, in one thread: other work on the machine hardly changes them. ``wall`` are
    those of the clock.
    """

    scene: str
    corruption: str
    method: str
    variant: str
    version: str
    pq: float
    sq: float
    rq: float
    miou: float
    switches: int
    matched: int
    false: int
    missed: int
    chamfer: float
    accuracy: float
    completeness: float
    f1: float
    f2: float
    f5: float
    seconds: float
    wall: float
    memory: float


def key_of(row: ObjectRow) -> tuple[str, str, str, str, str]:
    """Return what tells a row from all others."""
    return row[:5]


def store(path: Path) -> Store[ObjectRow]:
    """Return the rows kept in ``path``, and where new ones go."""
    return Store(path, ObjectRow, key_of)


def measure(
    scene: LabelledScene, frames: list[PosedDepth], method: Method, names: tuple[str, str, str, str]
) -> tuple[ObjectRow, Decomposed]:
    """Run a method on spoiled ``frames`` of a scene and score it; ``names``: corruption, method, variant, version."""
    gc.collect()
    _give_back()
    started, processor = time.perf_counter(), time.process_time()
    with PeakMemory() as memory:
        found = method.decompose(frames)
    seconds, wall = time.process_time() - processor, time.perf_counter() - started
    panoptic = ScenePanoptic(least=int(_SPECK * sum(f.depth.size for f in frames)))
    for labels, true in zip(found.labels, scene.frames, strict=True):
        panoptic.update(labels, np.where(np.isfinite(true.depth), true.labels, -1))
    score = panoptic.compute()
    surface = (np.nan,) * 6
    if scene.surfaces:
        mean = mean_score(list(object_scores(found.meshes, scene.surfaces, panoptic.matches(_MATCH)).values()))
        surface = (mean.chamfer, mean.accuracy, mean.completeness, *mean.f_score)
    row = ObjectRow(
        scene.name, *names, score.pq, score.sq, score.rq, score.miou, score.switches, score.matched, score.false,
        score.missed, *surface, seconds, wall, float(memory.peak),
    )  # fmt: skip
    return row, found


def _give_back() -> None:
    """Return freed memory to the system, so that what is measured next has to take it again."""
    import ctypes

    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):  # another C library: memory is then underestimated
        return


Cells = dict[tuple[str, str, str], ObjectRow]  # method, scene, corruption


def best_rows(rows: Iterable[ObjectRow]) -> Cells:
    """Return the row of each method's best variant by panoptic quality, cell by cell."""
    best: Cells = {}
    for row in rows:
        key = row.method, row.scene, row.corruption
        if key not in best or row.pq > best[key].pq:
            best[key] = row
    return best


def averages(cells: Cells) -> Cells:
    """Return the mean over all draws of a corruption; counts may be broken numbers then."""
    groups: dict[tuple[str, str, str], list[ObjectRow]] = {}
    for (method, scene, corruption), row in cells.items():
        groups.setdefault((method, scene, kind_of(corruption)), []).append(row)
    out = {}
    for key, rows in groups.items():
        means = {n: float(np.mean([getattr(r, n) for r in rows])) for n in ObjectRow._fields[5:]}
        out[key] = rows[0]._replace(corruption=key[2], **means)  # type: ignore[arg-type]
    return out


def write_rows(rows: Iterable[ObjectRow], path: Path) -> None:
    """Write rows as CSV, four figures each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(ObjectRow._fields)
        writer.writerows([f"{v:.4g}" if isinstance(v, float) else v for v in row] for row in rows)


def read_rows(path: Path) -> list[ObjectRow]:
    """Read what ``write_rows`` wrote; nothing where there is no file."""
    if not path.is_file():
        return []
    kinds = get_type_hints(ObjectRow)
    with open(path, newline="") as file:
        return [ObjectRow(**{n: kinds[n](v) for n, v in line.items()}) for line in csv.DictReader(file)]
