from __future__ import annotations

import csv
import math

import pytest

from benchmarks import completion
from benchmarks.completion import Row


def row(method, variant="", recording="r", frame="f", pattern="64", mae=1.0, ms=2.0):
    return Row(recording, frame, pattern, method, variant or method, 100, mae, ms, 0.7, 0.95)


ROWS = [
    row("fast", mae=0.2, ms=5.0),
    row("fast", frame="g", mae=0.4, ms=7.0),
    row("linear", mae=0.4, ms=20.0),
    row("linear", frame="g", mae=0.8, ms=20.0),
    row("guided", "guided:small", mae=0.3, ms=9.0),
    row("guided", "guided:small", frame="g", mae=0.3, ms=9.0),
    row("guided", "guided:large", mae=0.1, ms=30.0),
    row("guided", "guided:large", frame="g", mae=0.9, ms=30.0),
]


def test_a_family_is_scored_by_its_best_options_over_all_frames():
    cells = completion.best_cells(ROWS)
    assert cells["guided", "r", "64"].variant == "guided:small"
    assert cells["guided", "r", "64"].mae == pytest.approx(0.3)
    assert cells["fast", "r", "64"].ms == 6.0


def test_ratios_are_to_the_best_of_the_others():
    cells = completion.best_cells(ROWS)
    ratios = completion.ratios_to_best(cells, "fast", ["linear", "guided"], ["r"], ["64"])
    assert ratios["r", "64"] == (pytest.approx(1.0), "guided")


def test_report_shows_every_method_and_time_ratios():
    text = completion.report(ROWS)
    assert "| fast | 0.3000 |" in text
    assert "| fast | 6.0 | 0.30 | – |" in text
    assert "within 1 / 2 standard deviations" in text


def test_unknown_pattern_is_refused_before_anything_runs(tmp_path, capsys):
    with pytest.raises(SystemExit):
        completion.main(["--patterns", "sixty-four", "--out", str(tmp_path / "out")])
    assert "sixty-four" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.real_data
def test_one_frame_of_a_real_recording(real_data, tmp_path, monkeypatch):
    monkeypatch.setenv("DEPTH_PERCEPTION_DATA", str(real_data))
    words = ["--recordings", "nyu", "--methods", "fast", "nearest", "--patterns", "500", "--frames", "1"]
    assert completion.main([*words, "--out", str(tmp_path)]) == 0
    with (tmp_path / "completion.csv").open() as file:
        rows = list(csv.DictReader(file))
    errors = {r["method"]: float(r["mae"]) for r in rows}
    assert errors["fast"] < errors["nearest"]
    assert all(math.isfinite(error) for error in errors.values())
    assert (tmp_path / "completion.png").stat().st_size > 1000
