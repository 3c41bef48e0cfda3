from __future__ import annotations

from benchmarks.estimation_evidence import tables
from benchmarks.estimation_evidence.rows import ALIGNMENTS, cells_of
from benchmarks.estimation_evidence.tables import Figures


def figures(make_row) -> Figures:
    rows = [
        make_row("estimation-small", abs_rel_median=0.20, delta1_median=0.7, plane_residual=0.02, lsiv=0.3),
        make_row("estimation-small", "nyu", abs_rel_median=0.40, delta1_median=0.5),
        make_row("constant", abs_rel_median=0.25, delta1_median=0.6, plane_residual=0.0, lsiv=0.4),
        make_row("fast, 50 points", abs_rel_median=0.05, abs_rel_none=0.06, delta1_median=0.9),
        make_row("constant", "worlds", abs_rel_median=0.9),
    ]
    return Figures(cells_of(rows), {"estimation-small": 21.4}, "how")


def test_every_column_says_its_alignment(make_row):
    head = tables.errors(figures(make_row), ["kitchen"]).splitlines()[0]
    assert "AbsRel (median)" in head
    assert "AbsRel (scale and shift)" in head
    assert "RMSE [m] (median)" in head
    every = tables.alignments(figures(make_row), ["kitchen"])
    assert all(f"({tables.TITLES[name]})" in every for name in ALIGNMENTS)


def test_medians_are_over_recordings_and_the_best_is_bold(make_row):
    lines = tables.errors(figures(make_row), ["kitchen", "nyu"], ["abs_rel_median", "delta1_median"]).splitlines()
    assert lines[2] == "| estimation-small | 0.300 | **60.0 %** | 21 |"
    assert "**0.250**" in lines[3]
    assert "**" not in lines[4], "who was given points is no rival"


def test_a_flat_answer_wins_nothing_by_having_flat_walls(make_row):
    assert "**" not in tables.errors(figures(make_row), ["kitchen"], ["plane_residual"], False)


def test_each_recording_has_a_column(make_row):
    found = tables.by_recording(figures(make_row))
    assert "| method | kitchen | nyu | worlds |" in found
    assert "| constant | 0.250 | – | 0.900 |" in found


def test_nothing_measured_is_said():
    empty = Figures({})
    for text in (tables.errors(empty, []), tables.alignments(empty, []), tables.by_recording(empty)):
        assert text == tables.NOTHING
