from __future__ import annotations

from benchmarks.estimation_evidence import documents
from benchmarks.estimation_evidence.rows import cells_of
from benchmarks.estimation_evidence.tables import NOTHING, Figures


def test_what_is_published_is_what_is_shown(tmp_path, make_row):
    rows = [make_row("estimation-small", abs_rel_median=0.2), make_row("constant", "worlds", lsiv=0.4)]
    figures = Figures(cells_of(rows), {"estimation-small": 20.0}, "Made so.")
    documents.publish(figures, b"picture", tmp_path / "figures", tmp_path / "images" / "e.jpg")
    again = documents.published(tmp_path / "figures")
    assert documents.report(again) == documents.report(figures)
    assert "Made so." in documents.report(again)
    assert (tmp_path / "images" / "e.jpg").read_bytes() == b"picture"


def test_without_figures_the_parts_say_so(tmp_path):
    figures = documents.published(tmp_path)
    assert figures.how == NOTHING
    assert NOTHING in documents.report(figures)


def test_every_part_can_be_made():
    assert all(isinstance(make(), str) and make() for make in documents.PARTS.values())
