import math

from benchmarks.evidence import tables
from benchmarks.evidence.rows import best_cells
from benchmarks.evidence.tables import Figures


def figures(row):
    rows = [
        row("linear", "linear:1/z", recording="kitchen", pattern="500", mae=0.4, within_1=math.nan),
        row("linear", "linear:1/z", recording="kitchen", pattern="500+outliers", mae=0.8, within_1=math.nan),
        row("linear", "linear:1/z", recording="nyu", pattern="500", mae=0.2, within_1=math.nan),
        row("fast", recording="kitchen", pattern="500", mae=0.2),
        row("fast", recording="kitchen", pattern="500+outliers", mae=0.22),
        row("fast", recording="nyu", pattern="500", mae=0.3),
        row("fast", recording="worlds", pattern="500", mae=9.0),
        row("fast", recording="nyu", pattern="64", mae=0.1),
        row("fast", recording="nyu", pattern="64-40", mae=0.15),
    ]
    return Figures(best_cells(rows), {"fast": {"500": 7.5}})


def line(table, start):
    return next(text for text in table.splitlines() if text.startswith(f"| {start} |"))


def test_order_is_ours_first_lines_before_points_and_worlds_apart(row):
    f = figures(row)
    assert f.methods == ["fast", "linear"]
    assert (f.ours, f.peers, f.default) == (["fast"], ["linear"], "fast")
    assert f.clean == ["64", "500"]
    assert f.spoiled == ["500+outliers", "64-40"]
    assert (f.recordings, f.worlds) == (["kitchen", "nyu"], ["worlds"])


def test_errors_are_medians_over_recordings_with_the_least_in_bold(row):
    f = figures(row)
    text = tables.errors(f, f.clean, f.recordings)
    assert line(text, "fast") == "| fast | **0.1000** | **0.2500** |"
    assert line(text, "linear") == "| linear | – | 0.3000 |"
    assert "9.0" in tables.errors(f, ["500"], f.worlds)


def test_summary_shows_times_and_leaves_out_what_is_not_claimed(row):
    text = tables.summary(figures(row), "500", ["kitchen"])
    assert line(text, "fast").endswith("| 70.0 % | 95.0 % | 7.5 |")
    assert line(text, "linear").split("|")[8].strip() == "–"


def test_ratios_count_cells_won(row):
    f = figures(row)
    assert line(tables.best_peer_ratios(f, ["500"], f.recordings), "fast") == "| fast | 1.00 | 1 of 2 |"
    assert line(tables.against_peers(f, "fast", ["500"], f.recordings), "kitchen") == "| kitchen | 0.50 linear |"


def test_rises_are_over_the_own_clean_error_one_column_per_kind(row):
    text = tables.rises(figures(row), ["kitchen", "nyu"])
    assert text.startswith("| method | `+outliers` | `-40` |")
    assert line(text, "fast") == "| fast | 1.10 | 1.50 |"
    assert line(text, "linear") == "| linear | 2.00 | – |"


def test_spoiled_patterns_stand_beside_their_base(row):
    first, second = tables.spoiled(figures(row), ["kitchen", "nyu"]).split("\n\n")
    assert first.startswith("| method | 500 | 500+outliers |")
    assert second.startswith("| method | 64 | 64-40 |")
    assert line(first, "fast") == "| fast | **0.2500** | **0.2200** |"
    assert [tables.base(p) for p in ("500+shift8", "64-40", "8", "64-40+noise")] == ["500", "64", "8", "64"]


def test_coverage_has_both_intervals(row):
    f = figures(row)
    assert line(tables.coverage(f, "fast", ["500"], ["kitchen"]), "kitchen") == "| kitchen | 70 / 95 |"
    assert line(tables.coverage(f, "linear", ["500"], ["kitchen"]), "kitchen") == "| kitchen | – |"


def test_marks_say_yes_no_or_nothing(row):
    text = tables.marks(figures(row))
    assert "| `500`, error / best peer | 1.000 | 0.600 | 0.500 | **no** |" in text
    assert "| `8`, error / best peer | – | 0.720 | 0.650 | – | not measured |" in text
    assert "| ms, 640x480 pixels, `500` | 7.500 | 60.000 | 60.000 | yes |" in text


def test_nothing_measured_is_said():
    empty = Figures({})
    assert tables.marks(empty) == tables.errors(empty, [], []) == "Not measured yet."


def test_learned_models_come_first_and_other_weights_of_them_right_behind(row):
    names = ["linear", "fast", "jarrn@seed2", "jarrn", "completion-small"]
    f = Figures(best_cells([row(name) for name in names]))
    assert f.methods == ["completion-small", "jarrn@seed2", "jarrn", "fast", "linear"]
    assert f.default == "completion-small"


def test_speed_has_a_line_per_backend():
    text = tables.speed(Figures({}, {"jarrn": {"500": 30.0, "64": 31.0}, "jarrn, torch": {"500": 50.04}}))
    assert line(text, "jarrn") == "| jarrn | 30.0 | 31.0 |"
    assert line(text, "jarrn, torch") == "| jarrn, torch | 50.0 | – |"
