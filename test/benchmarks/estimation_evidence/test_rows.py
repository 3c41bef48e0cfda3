from __future__ import annotations

import math

import pytest

from benchmarks.estimation_evidence.rows import Row, cells_of, key_of, read_cells, write_cells
from benchmarks.evidence.rows import Store


def test_rows_survive_a_cut(tmp_path, make_row):
    file = tmp_path / "results.csv"
    Store(file, Row, key_of).add([make_row(lsiv=0.25), make_row(frame="g")])
    file.write_text(file.read_text()[:-5])
    again = Store(file, Row, key_of)
    assert list(again.rows) == [("kitchen", "f", "m", "1")]
    assert again.rows["kitchen", "f", "m", "1"].lsiv == 0.25


def test_cells_are_medians_over_the_frames_that_have_a_figure(make_row):
    rows = [make_row(frame=str(n), lsiv=value) for n, value in enumerate((0.1, 0.3, 9.0, math.nan))]
    cell = cells_of(rows)["m", "kitchen"]
    assert cell["lsiv"] == pytest.approx(0.3)
    assert cell["frames"] == 4
    assert math.isnan(cell["boundary_f1"])


def test_cells_are_kept(tmp_path, make_row):
    cells = cells_of([make_row(lsiv=0.123456), make_row("other", rmse_scale=2.0)])
    write_cells(cells, tmp_path / "deep" / "cells.csv")
    again = read_cells(tmp_path / "deep" / "cells.csv")
    assert list(again) == list(cells)
    assert again["m", "kitchen"]["lsiv"] == pytest.approx(0.1235)
    assert again["m", "kitchen"]["frames"] == 1
    assert read_cells(tmp_path / "none.csv") == {}
