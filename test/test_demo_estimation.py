from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from depth_perception import demo, demo_estimation
from depth_perception.models import zoo
from depth_perception.pipelines.model_selection import ModelChoice

sys.path.append(str(Path(__file__).resolve().parent / "support"))

from tiny_estimator import write_tiny_estimator


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A package that ships estimation-small, never trained."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setattr(zoo, "FOLDER", folder)
    return write_tiny_estimator(folder / "estimation-small.safetensors")


@pytest.fixture(scope="module")
def recording(tmp_path_factory, repository):
    pytest.importorskip("rosbags")
    spec = importlib.util.spec_from_file_location("recordings_for_demo", repository / "test/evaluation/conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.write_recording(tmp_path_factory.mktemp("demo") / "box", frames=5)


def test_nothing_is_chosen_where_nothing_ships(tmp_path, monkeypatch):
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    assert demo_estimation.chosen() is None


def test_what_cannot_run_is_not_chosen(shipped):
    assert demo_estimation.chosen().name == "estimation-small"
    shipped.write_bytes(b"damaged")
    assert demo_estimation.chosen() is None


def test_a_recording_is_estimated_and_its_table_says_what_told_the_scale(shipped, recording, tmp_path):
    result = demo_estimation.run(recording, tmp_path / "out", demo_estimation.chosen("torch"), "points:0.2", "")
    assert (tmp_path / "out" / "report.html").is_file()
    assert result.frames == 3
    found = demo_estimation.rows("box", result)
    # sweeps lie apart from the images here and no fixed frame undoes the motion: held-out points score nothing
    assert [row[:3] for row in found] == [["box", "estimation-small", "ground truth"]]
    assert found[0][7:9] == ["67 %", "points 2"]
    text = demo_estimation.text(found, "points:0.2")
    assert "points:0.2 held out" in text
    assert len(text.splitlines()) == 4


@pytest.mark.parametrize("ships", [True, False])
def test_the_demo_ends_with_the_camera_alone(ships, tmp_path, monkeypatch, capsys):
    estimated = []
    monkeypatch.setattr(demo.demo_objects, "label_topic", lambda recording: "")
    monkeypatch.setattr(demo, "find_recordings", lambda folder: [tmp_path / "room"])
    monkeypatch.setattr(demo, "_seconds", lambda path: 3.0)
    monkeypatch.setattr(demo, "play", lambda given, output: given.out / "report.html")
    monkeypatch.setattr(demo, "result_rows", lambda name, folder: [[name, *11 * ["x"]]])
    monkeypatch.setattr(demo, "verdict", lambda name, folder: "")
    monkeypatch.setattr(demo, "live_row", lambda name, folder: None)
    monkeypatch.setattr(demo, "look_into", lambda path: (None, "odom"))
    monkeypatch.setattr(demo_estimation, "chosen", lambda *runner: "an estimator" if ships else None)
    monkeypatch.setattr(demo_estimation, "run", lambda *given: estimated.append(given))
    monkeypatch.setattr(demo_estimation, "rows", lambda name, result: [[name, *10 * ["y"]]])
    assert demo.run_demo(tmp_path, tmp_path / "out", ModelChoice("fast"), ["diffusion"]) == 0
    printed = capsys.readouterr().out
    if ships:
        given = (tmp_path / "room", tmp_path / "out" / "room" / "estimation", "an estimator", demo.HOLDOUT, "odom")
        assert estimated == [given]
    assert ("Depth from the camera alone" in printed) is ships
