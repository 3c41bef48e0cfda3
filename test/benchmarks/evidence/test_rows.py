import math

import pytest

from benchmarks.evidence.rows import Store, best_cells, key_of, read_cells, write_cells


def test_a_store_gives_back_what_it_got(tmp_path, row):
    rows = [row("fast", mae=0.123456), row("fast", frame="g"), row("linear", "linear:1/z", within_1=math.nan)]
    Store(tmp_path / "deep" / "results.csv").add(rows)
    again = Store(tmp_path / "deep" / "results.csv")
    assert [key_of(r) for r in again.rows.values()] == [key_of(r) for r in rows]
    assert again.rows[key_of(rows[0])].mae == pytest.approx(0.123456)
    assert key_of(rows[2]) in again
    assert math.isnan(again.rows[key_of(rows[2])].within_1)


def test_rows_are_on_the_disk_as_soon_as_they_are_added(tmp_path, row):
    store = Store(tmp_path / "results.csv")
    store.add([row("fast")])
    store.add([row("fast", frame="g")])
    assert len(Store(tmp_path / "results.csv").rows) == 2


def test_a_line_cut_off_is_dropped_and_the_file_goes_on(tmp_path, row):
    path = tmp_path / "results.csv"
    Store(path).add([row("fast"), row("fast", frame="g")])
    path.write_text(path.read_text()[:-9])
    store = Store(path)
    assert [r.frame for r in store.rows.values()] == ["f"]
    store.add([row("fast", frame="h")])
    assert [r.frame for r in Store(path).rows.values()] == ["f", "h"]


def test_another_version_is_another_row(tmp_path, row):
    store = Store(tmp_path / "results.csv")
    store.add([row("fast")])
    assert key_of(row("fast", version="2")) not in store


def test_a_family_is_scored_by_its_best_options_over_all_frames(row):
    cells = best_cells(
        [
            row("fast", mae=0.2, ms=5.0),
            row("fast", frame="g", mae=0.4, ms=7.0),
            row("guided", "guided:small", mae=0.3),
            row("guided", "guided:small", frame="g", mae=0.3),
            row("guided", "guided:large", mae=0.1),
            row("guided", "guided:large", frame="g", mae=0.9),
        ]
    )
    assert cells["guided", "r", "64"].variant == "guided:small"
    assert cells["guided", "r", "64"].mae == pytest.approx(0.3)
    assert (cells["fast", "r", "64"].ms, cells["fast", "r", "64"].frames) == (6.0, 2)


def test_frames_without_a_figure_do_not_spoil_the_mean(row):
    cell = best_cells([row("fast", boundary_mae=math.nan), row("fast", frame="g", boundary_mae=0.5)])["fast", "r", "64"]
    assert cell.boundary_mae == 0.5


def test_cells_survive_a_file(tmp_path, row):
    cells = best_cells([row("fast", mae=0.25), row("linear", "linear:z", within_1=math.nan)])
    write_cells(cells, tmp_path / "cells.csv")
    again = read_cells(tmp_path / "cells.csv")
    assert again["fast", "r", "64"] == cells["fast", "r", "64"]
    assert math.isnan(again["linear", "r", "64"].within_1)
    assert read_cells(tmp_path / "none.csv") == {}
