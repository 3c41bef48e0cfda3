from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import estimation
from benchmarks.estimation_evidence import documents
from depth_perception.evaluation import real_data

sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

from tiny_estimator import write_tiny_estimator


@pytest.fixture
def recordings(monkeypatch, small_frame):
    """Recordings of three frames each, all alike but for a factor."""

    def load(recording, count=None):
        frames = [replace(small_frame, recording=recording, name=str(k), truth=small_frame.truth * (1 + 0.1 * k))
                  for k in range(3)]  # fmt: skip
        return frames[: count or 3]

    monkeypatch.setattr(real_data, "load_frames", load)
    monkeypatch.setattr(estimation, "REPEATS", 1)
    estimation._some_of.cache_clear()
    yield load
    estimation._some_of.cache_clear()


def run(out, *words):
    given = ["--recordings", "kitchen", "nyu", "--worlds", "0", "--threads", "1", "--completer", "fast"]
    return estimation.main([*given, "--out", str(out), *words])


def test_one_command_makes_tables_rows_and_pictures(tmp_path, recordings, capsys):
    file = write_tiny_estimator(tmp_path / "mine.safetensors", recordings=["nyu"])
    assert run(tmp_path / "out", "--models", f"estimation-small@{file}", "--frames", "2") == 0
    text = (tmp_path / "out" / "estimation.md").read_text()
    assert "estimation-small@mine" in text
    assert "4 frames of 2 real recordings" in text
    rows = (tmp_path / "out" / "results.csv").read_text().splitlines()
    # two frames of kitchen for five methods; nyu was trained on
    assert len(rows) == 1 + 2 * 5 + 2 * 4
    picture = cv2.imread(str(tmp_path / "out" / "estimation.jpg"))
    assert picture.shape[1] == 1200
    assert text in capsys.readouterr().out


def test_a_run_goes_on_where_it_was(tmp_path, recordings, monkeypatch):
    assert run(tmp_path, "--models", "--frames", "1") == 0
    before = (tmp_path / "results.csv").read_text()
    measured = []
    score = estimation.scores.score
    monkeypatch.setattr(estimation.scores, "score", lambda *given: measured.append(1) or score(*given))
    assert run(tmp_path, "--models", "--frames", "1") == 0
    assert (tmp_path / "results.csv").read_text() == before
    assert not measured
    assert run(tmp_path, "--models", "--frames", "2") == 0
    assert len(measured) == 2 * 4


def test_a_method_that_fails_costs_only_its_own_figures(tmp_path, recordings, monkeypatch, capsys):
    def broken(frame, others):
        raise ValueError("no such thing")

    monkeypatch.setitem(estimation.methods.REFERENCES, "constant", broken)
    assert run(tmp_path, "--models", "--quick") == 0
    assert "constant failed on kitchen 0: no such thing" in capsys.readouterr().err
    assert "ground-plane" in (tmp_path / "results.csv").read_text()


def test_the_mean_of_a_recording_leaves_out_the_frame_itself(recordings):
    found = estimation.beside(recordings("kitchen")[0])
    assert [frame.name for frame in found] == ["1", "2"]


def test_docs_are_kept_on_demand(tmp_path, recordings, monkeypatch):
    kept = []
    monkeypatch.setattr(documents, "publish", lambda figures, picture: kept.append((figures, picture)))
    assert run(tmp_path, "--models", "--quick", "--docs") == 0
    assert kept[0][0].methods[0] == "constant"
    assert kept[0][1] is None, "there is no estimator to picture"


def test_worlds_are_scored_where_no_recording_is(tmp_path, monkeypatch, small_frame, capsys):
    def absent(recording, count=None):
        raise FileNotFoundError("no recordings here")

    monkeypatch.setattr(real_data, "load_frames", absent)
    monkeypatch.setattr(
        estimation.held_out, "load_frames", lambda count: [replace(small_frame, recording="worlds", name="9")]
    )
    monkeypatch.setattr(estimation, "REPEATS", 1)
    words = ["--models", "--out", str(tmp_path), "--worlds", "1", "--completer", "fast", "--threads", "1"]
    assert estimation.main(words) == 0
    assert "no recordings here" in capsys.readouterr().out
    assert "mean depth" not in (tmp_path / "results.csv").read_text(), "worlds have no mean"


def test_mistakes_are_told(tmp_path, recordings, capsys):
    with pytest.raises(SystemExit):
        run(tmp_path, "--models", "nonesuch")
    assert "nonesuch" in capsys.readouterr().err


@pytest.mark.real_data
def test_real_frames_have_what_the_figures_need():
    try:
        frames = real_data.load_frames("nyu", 1)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    found = estimation.scores.score(
        np.ones_like(frames[0].truth), frames[0], estimation.planes.planes(frames[0].truth), False
    )
    assert 0 < found["abs_rel_median"] < 1
    assert found["plane_residual"] < 0.01
