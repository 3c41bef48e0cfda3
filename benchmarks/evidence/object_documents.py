"""Tables of the decomposition benchmark, its marks, and the parts of the documents that show them."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.evidence import object_methods as methods
from benchmarks.evidence.object_rows import Cells, ObjectRow, averages, best_rows, read_rows, write_rows
from benchmarks.evidence.object_scenes import GENERATED, SHELF, kind_of
from benchmarks.evidence.tables import number, table

REPOSITORY = Path(__file__).resolve().parents[2]
FIGURES = REPOSITORY / "docs" / "figures" / "decomposition.csv"
IMAGES = REPOSITORY / "docs" / "images"
NOTHING = "Not measured yet."
SMALL = "table-5"  # the scene of the ablation
EIGHT = "table-8"  # the scene of most marks
PICTURES = {"table-8-usual.png": "decomposition-table.png", f"{SHELF}-usual.png": "decomposition-shelf.png"}


def quality(rows: Sequence[ObjectRow]) -> str:
    """Return PQ_scene in per cent: methods down, scenes across; the least of several draws stands behind the mean."""
    single = best_rows(rows)
    cells = averages(single)
    names = [m for m in methods.METHODS if any(k[0] == m for k in cells)]
    columns = _columns(cells)
    if not columns:
        return NOTHING
    body = []
    for name in names:
        line = [name]
        for scene, corruption in columns:
            row = cells.get((name, scene, corruption))
            drawn = [r.pq for k, r in single.items() if k[:2] == (name, scene) and kind_of(k[2]) == corruption]
            least = f" ({_percent(min(drawn))})" if len(drawn) > 1 else ""
            line.append(_percent(row.pq if row else np.nan) + least)
        body.append(line)
    return table(["PQ, %", *(_title(c) for c in columns)], body)


def short(rows: Sequence[ObjectRow]) -> str:
    """Return the table of the README: 8 things on a table with labels spoiled more and more, and the real shelf."""
    cells = averages(best_rows(rows))
    shown = [(c, f"PQ, {c} labels") for c in ("light", "usual", "strong") if (methods.OURS, EIGHT, c) in cells]
    if not shown:
        return NOTHING
    body = []
    for name in methods.METHODS:
        own = {c: cells.get((name, EIGHT, c)) for c, _ in shown}
        if not any(own.values()):
            continue
        shelf, usual = cells.get((name, SHELF, "usual")), own.get("usual")
        line = [_percent(row.pq if row else np.nan) for row in (*own.values(), shelf)]
        surface = [number(1000 * usual.chamfer, 1), number(usual.seconds, 1)] if usual else ["–", "–"]
        body.append([name, *line, *surface])
    return table(["method", *(title for _, title in shown), "PQ, real shelf", "Chamfer, mm", "s"], body)


def details(rows: Sequence[ObjectRow]) -> str:
    """Return all figures, one table for each scene."""
    cells, parts = averages(best_rows(rows)), []
    for scene, corruption in _columns(cells):
        head = ["method", "PQ", "SQ", "RQ", "mIoU", "switches", "found / false / missed", "Chamfer, mm", "F 1 cm",
                "F 2 cm", "F 5 cm", "complete", "s", "MB"]  # fmt: skip
        body = []
        for name in methods.METHODS:
            r = cells.get((name, scene, corruption))
            if r is None:
                continue
            shares = [_percent(v) for v in (r.pq, r.sq, r.rq, r.miou)]
            counts = [f"{r.switches:.3g}", _counts(r)]
            surface = [number(1000 * r.chamfer, 1), *(_percent(v) for v in (r.f1, r.f2, r.f5, r.completeness))]
            body.append([name, *shares, *counts, *surface, number(r.seconds, 1), number(r.memory / 1e6, 0)])
        parts.append(f"{_title((scene, corruption))}:\n\n{table(head, body)}")
    return "\n\n".join(parts) or NOTHING


def ablation(rows: Sequence[ObjectRow]) -> str:
    """Return what leaving out each clustering term does, on average over all draws."""
    cells = averages(best_rows(rows))
    found = [k for k in cells if k[0] in methods.ABLATION]
    if not found:
        return NOTHING
    scene, corruption = found[0][1:]
    body = []
    for name in methods.ABLATION:
        row = cells.get((name, scene, corruption))
        if row is not None:
            body.append([name, _percent(row.pq), _percent(row.miou), _counts(row), number(1000 * row.chamfer, 1)])
    return table([_title((scene, corruption)), "PQ, %", "mIoU, %", "found / false / missed", "Chamfer, mm"], body)


def marks(rows: Sequence[ObjectRow]) -> str:
    """Return every mark with what was measured, and whether it is met."""
    cells, body = best_rows(rows), []
    means = averages(cells)

    def add(name: str, measured: str, mark: str, met: bool | None) -> None:
        body.append([name, measured, mark, "not measured" if met is None else "yes" if met else "**no**"])

    def gains(peer: str) -> list[float]:
        both = [k for k in cells if k[0] == methods.OURS and (peer, *k[1:]) in cells and kind_of(k[2]) != "shuffled"]
        return [100 * (cells[k].pq - cells[(peer, *k[1:])].pq) for k in both]

    ahead = gains("voting")
    if ahead:
        text = f"{np.mean(ahead):+.0f} on average of {len(ahead)} draws, {min(ahead):+.0f} to {max(ahead):+.0f}"
        add("PQ over voxel voting, spoiled labels", text, "+15", float(np.mean(ahead)) >= 15)
    for peer in methods.LEARNED_PEERS:
        ahead = gains(peer)
        if ahead:
            add(
                f"PQ over {peer}", f"{np.mean(ahead):+.1f} in {len(ahead)} scenes", "above 0", float(np.mean(ahead)) > 0
            )
            pairs = [(cells[k].seconds, cells[(peer, *k[1:])].seconds) for k in cells
                     if k[0] == methods.OURS and (peer, *k[1:]) in cells]  # fmt: skip
            share = float(np.mean([own / other for own, other in pairs]))
            add(f"time over that of {peer}", f"{share:.2f}", "0.25", share <= 0.25)
    few, many = (means.get((methods.OURS, f"table-{n}", "usual")) for n in (5, 50))
    if few and many:
        lost = 100 * (few.pq - many.pq)
        add("PQ points lost from 5 to 50 objects", f"{lost:.1f}", "12", lost <= 12)
    pairs = [(cells[k].chamfer, cells[("split-sdf", *k[1:])].chamfer) for k in cells
             if k[0] == methods.OURS and ("split-sdf", *k[1:]) in cells and k[1] in GENERATED]  # fmt: skip
    if pairs:
        change = 100 * (np.mean([a for a, _ in pairs]) / np.mean([b for _, b in pairs]) - 1)
        add("Chamfer against one SDF split by label", f"{change:+.0f} %", "-25 %", bool(change <= -25))
    usual = means.get((methods.OURS, EIGHT, "usual"))
    if usual:
        text = f"PQ {usual.pq:.2f} in {usual.seconds:.1f} s"
        add("8 objects on one core", text, "0.7 in 300 s", usual.pq >= 0.7 and usual.seconds <= 300)
        add("first answer, 8 objects on one core", text, "usable in 30 s", usual.pq >= 0.5 and usual.seconds <= 30)
    whole = means.get((next(iter(methods.ABLATION)), SMALL, "usual"))
    parts = [(name, means.get((name, SMALL, "usual"))) for name in list(methods.ABLATION)[1:]]
    changes = [(name, 100 * (row.miou - whole.miou)) for name, row in parts if row and whole]
    if changes:
        text = ", ".join(f"{change:+.1f} {name}" for name, change in changes)
        add("mIoU without each clustering term", text, "all below 0", all(change < 0 for _, change in changes))
    add("on a data-centre GPU", "", "20 s, first answer in 2 s", None)
    return table(["mark", "measured", "asked", "met"], body)


def report(rows: Sequence[ObjectRow]) -> str:
    """Return all tables as markdown."""
    parts = [("Marks", marks), ("Quality", quality), ("Without each clustering term", ablation), ("Details", details)]
    return "\n\n".join(f"## {title}\n\n{make(rows)}" for title, make in parts) + "\n"


def publish(rows: Sequence[ObjectRow], out: Path, figures: Path = FIGURES, images: Path = IMAGES) -> None:
    """Keep the figures and pictures where the documents are made from."""
    write_rows(rows, figures)
    for name, target in PICTURES.items():
        if (out / name).is_file():
            images.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(out / name, images / target)


@functools.cache
def published() -> tuple[ObjectRow, ...]:
    """Return the rows that ``publish`` kept; none where there are none."""
    return tuple(read_rows(FIGURES))


PARTS = {
    "decomposition short": lambda: short(published()),
    "decomposition marks": lambda: marks(published()),
    "decomposition quality": lambda: quality(published()),
    "decomposition ablation": lambda: ablation(published()),
    "decomposition details": lambda: details(published()),
}


def _columns(cells: Cells) -> list[tuple[str, str]]:
    order = [*GENERATED, SHELF]
    known = {(k[1], k[2]) for k in cells if k[0] in methods.METHODS}
    return sorted(known, key=lambda c: (order.index(c[0]) if c[0] in order else len(order), c[1]))


def _title(column: tuple[str, str]) -> str:
    return column[0] if column[1] == "usual" else f"{column[0]}, {column[1]}"


def _counts(row: ObjectRow) -> str:
    return " / ".join(f"{v:.3g}" for v in (row.matched, row.false, row.missed))


def _percent(share: float) -> str:
    return f"{100 * share:.1f}" if np.isfinite(share) else "–"
