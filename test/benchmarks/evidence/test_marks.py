import math

import pytest

from benchmarks.evidence import marks
from benchmarks.evidence.rows import best_cells


def cells_of(row, *errors):
    """(method, recording, pattern, error, and optionally smear rate)"""
    return best_cells([
        row(m, recording=r, pattern=p, mae=e, smear_rate=s[0] if s else 0.1) for m, r, p, e, *s in errors
    ])  # fmt: skip


def test_ratios_are_to_the_best_peer(row):
    cells = cells_of(row, ("fast", "r", "64", 0.3), ("linear", "r", "64", 0.6), ("guided", "r", "64", 0.4))
    assert marks.ratios(cells, "fast", ["linear", "guided"], ["r"], ["64", "8"]) == {
        ("r", "64"): (pytest.approx(0.75), "guided")
    }


def test_marks_are_medians_over_recordings_and_name_the_worst(row):
    errors = [("m", r, "500", e) for r, e in (("a", 0.5), ("b", 0.55), ("c", 0.9))]
    cells = cells_of(row, *errors, *(("linear", r, "500", 1.0) for r in "abc"))
    by_name = {m.name: m for m in marks.marks(cells, "m", ["linear"], ["a", "b", "c"], ["500"])}
    mark = by_name["`500`, error / best peer"]
    assert mark.value == pytest.approx(0.55)
    assert mark.met
    assert "worst c: 0.90" in mark.note
    assert by_name["worst of all cells, error / best peer"].value == pytest.approx(0.9)
    missing = by_name["`8`, error / best peer"]
    assert math.isnan(missing.value)
    assert not missing.met


def test_outliers_are_compared_with_the_same_model(row):
    cells = cells_of(row, ("m", "a", "500", 0.5), ("m", "a", "500+outliers", 0.6), ("linear", "a", "500", 1.0))
    mark = marks.marks(cells, "m", ["linear"], ["a"], ["500"])[-2]
    assert mark.value == pytest.approx(1.2)
    assert not mark.met


def test_the_cost_of_a_shift_is_in_metres_against_the_least_of_the_peers(row):
    cells = cells_of(
        row,
        *(("m", "a", "64", 0.1), ("m", "a", "64+shift", 0.25)),
        *(("linear", "a", "64", 0.3), ("linear", "a", "64+shift", 0.5)),
        *(("guided", "a", "64", 0.4), ("guided", "a", "64+shift", 0.9)),
    )
    mark = marks.marks(cells, "m", ["linear", "guided"], ["a"], ["64"])[-1]
    assert (mark.value, mark.mark, mark.note) == (pytest.approx(0.15), pytest.approx(0.2), "linear")
    assert mark.met


def test_smear_is_compared_over_cells_of_both_and_not_with_what_cannot_smear(row):
    cells = cells_of(
        row,
        *(("clude", "a", "64", 1, 0.02), ("clude", "b", "64", 1, 0.04)),
        *(("linear", "a", "64", 1, 0.05), ("linear", "b", "64", 1, 0.03), ("nearest", "a", "64", 1, 0.0)),
        ("fast", "a", "8", 1, 0.001),
    )
    mark = marks.smear(cells, "clude", ["a", "b"], ["64", "8"])
    assert (mark.value, mark.mark, mark.note) == (pytest.approx(0.03), pytest.approx(0.04), "linear")
    assert math.isnan(marks.smear({}, "clude", ["a"], ["64"]).value)


def test_the_fastest_backend_counts_for_time():
    times = {
        "net": {"500": 70.0, "64": 9.0},
        "net, torch": {"500": 80.0},
        "net, compiled": {"500": 50.0},
        "nets": {"500": 1},
    }
    mark = marks.latency("net", times)
    assert mark.value == 50.0
    assert mark.met
    assert mark.note == "by backend compiled; 70.0 unless asked for"
    assert marks.latency("net", {"net": {"500": 70.0}})[1:] == (70.0, 60.0, 60.0, "")
    assert not marks.latency("net", {"other": {"500": 1.0}}).met
