from __future__ import annotations

import csv
import math

import pytest

from benchmarks import completion
from benchmarks.evidence import held_out, latency, marks
from depth_perception.evaluation import patterns, real_data

WORDS = ["--methods", "completion-small", "fast", "nearest", "ip_basic:none", "--patterns", "500", "64", "500+noisy"]


@pytest.fixture
def small(monkeypatch, small_frame, learned):
    """A recording and held-out worlds of two small frames each, times on one of them."""
    monkeypatch.setattr(real_data, "data_folder", lambda: None)
    monkeypatch.setattr(real_data, "load_frames", lambda recording, count: [small_frame] * min(count, 1))
    monkeypatch.setattr(
        held_out, "load_frames", lambda count: [small_frame.__class__("worlds", "9", *_rest(small_frame))][:count]
    )
    monkeypatch.setattr(latency, "REPEATS", 1)


def _rest(frame):
    return frame.image, frame.truth, frame.camera


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("small")
def test_a_learned_model_appears_in_every_table_as_the_default(tmp_path):
    words = [*WORDS, "--recordings", "kitchen", "worlds", "--frames", "1", "--worlds", "1", "--out", str(tmp_path)]
    assert completion.main(words) == 0
    text = (tmp_path / "completion.md").read_text()
    assert "| `completion-small` | value | mark |" in text
    assert text.count("| completion-small |") >= 6
    assert "1 frames of 1 real recordings, 1 of held-out worlds" in text
    assert (tmp_path / "completion.png").stat().st_size > 1000
    rows = rows_of(tmp_path / "results.csv")
    assert {r["method"] for r in rows} == {"completion-small", "fast", "nearest", "ip_basic"}
    assert {r["recording"] for r in rows} == {"kitchen", "worlds"}
    assert len(rows) == 4 * 3 * 2


@pytest.mark.usefixtures("small")
def test_an_interrupted_run_goes_on_where_it_was(tmp_path, monkeypatch):
    words = [*WORDS, "--recordings", "kitchen", "--worlds", "0", "--out", str(tmp_path)]
    measured, measure = [], completion.scoring.measure

    def stop_at_the_third(frame, seed, pattern, entries, known):
        if len(measured) == 2:
            raise KeyboardInterrupt
        measured.append(pattern)
        return measure(frame, seed, pattern, entries, known)

    monkeypatch.setattr(completion.scoring, "measure", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        completion.main(words)
    before = rows_of(tmp_path / "results.csv")
    assert len(before) == 8
    monkeypatch.setattr(completion.scoring, "measure", measure)
    assert completion.main(words) == 0
    after = rows_of(tmp_path / "results.csv")
    assert after[:8] == before
    assert len(after) == 12


@pytest.mark.usefixtures("small")
def test_quick_measures_the_marks_and_no_worlds(tmp_path):
    words = ["--quick", "--methods", "fast", "nearest", "--recordings", "kitchen", "worlds", "--out", str(tmp_path)]
    assert completion.main(words) == 0
    rows = rows_of(tmp_path / "results.csv")
    assert {r["recording"] for r in rows} == {"kitchen"}
    assert {r["pattern"] for r in rows} <= set(marks.PATTERNS)


@pytest.mark.usefixtures("learned")
def test_without_recordings_held_out_worlds_are_enough(monkeypatch, capsys):
    def missing():
        raise FileNotFoundError("no recordings at /nowhere")

    monkeypatch.setattr(real_data, "data_folder", missing)
    assert completion._present(["kitchen", "worlds"], 24) == ["worlds"]
    assert "no recordings at /nowhere" in capsys.readouterr().out
    with pytest.raises(FileNotFoundError):
        completion._present(["kitchen", "worlds"], 0)


def test_default_patterns_are_understood_and_hold_the_marks():
    for name in completion.FULL + completion.DEFAULT:
        patterns.parse(name)
    assert set(marks.PATTERNS) <= set(completion.DEFAULT)
    assert set(patterns.CLEAN_PATTERNS) < set(completion.WORLD_PATTERNS) < set(completion.DEFAULT)


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
    rows = rows_of(tmp_path / "results.csv")
    errors = {r["method"]: float(r["mae"]) for r in rows}
    assert errors["fast"] < errors["nearest"]
    assert all(math.isfinite(error) for error in errors.values())
