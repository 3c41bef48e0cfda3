from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_perception.evaluation import tasks
from depth_perception.evaluation.depth_pictures import DepthPictures
from depth_perception.evaluation.evaluator import EvaluationSettings, evaluate
from depth_perception.evaluation.holdout import Holdout
from depth_perception.evaluation.recording_topics import TopicError
from depth_perception.evaluation.report import write_report
from depth_perception.evaluation.results import HELD_OUT, TRUTH
from depth_perception.evaluation.summary import summary_table
from depth_perception.evaluation.tasks import COMPLETION, ESTIMATION
from depth_perception.frames import DepthPrediction, ScaleKind

UNIT = 4.0  # metres


class Bright:
    """Sees that what is bright is the box, and knows all else; a unit of its depth is UNIT metres."""

    name, version = "bright", "3"

    def __init__(self, scale=ScaleKind.UP_TO_SCALE):
        self.scale = scale

    def infer(self, image, camera=None):
        height, width = image.shape[:2]
        slope = (np.arange(width) - (width - 1) / 2) / 60
        depth = np.where(image.mean(-1) > 125, 3.0, 6.0 / (1 + 0.3 * slope)).astype(np.float32) / np.float32(UNIT)
        return DepthPrediction(depth, 0.02 * depth, np.full((height, width), np.nan, np.float32))


@pytest.fixture
def bright(monkeypatch):
    models = {}

    def load(name, values):
        scale = ScaleKind.RELATIVE if name == "relative" else ScaleKind.UP_TO_SCALE
        return models.setdefault(name, Bright(scale))

    monkeypatch.setattr(tasks, "load_estimator", load)
    return models


def settings(recording, **more) -> EvaluationSettings:
    return EvaluationSettings(recording, task=ESTIMATION, models=more.pop("models", ("bright",)), **more)


def test_points_tell_the_scale_and_truth_scores_it(recording, bright):
    result = evaluate(settings(recording))
    assert (result.frames, result.task, result.targets()) == (6, "estimation", [TRUTH])
    samples = result.scales["bright"]
    # the first image comes before any scan
    assert [s.kind for s in samples] == ["up_to_scale"] + 5 * ["metric"]
    assert {s.source for s in samples[1:]} == {"points"}
    assert samples[-1].factor == pytest.approx(UNIT, rel=0.03)
    assert samples[-1].right == pytest.approx(UNIT, rel=0.01)
    assert max(s.aligned for s in samples) < 0.01
    figures = result.totals["bright", TRUTH].figures()
    assert figures["abs_rel"] < 0.05
    assert figures["coverage"] == pytest.approx(5 / 6), "depth without metres is no answer"


def test_held_out_points_never_tell_the_scale(without_truth, bright, monkeypatch):
    seen = {}
    learn = tasks.EstimationPipeline.learn

    def spy(pipeline, given, raw):
        seen[given.frame.stamp] = set(given.sparse.source.tolist())
        learn(pipeline, given, raw)

    monkeypatch.setattr(tasks.EstimationPipeline, "learn", spy)
    monkeypatch.setattr(tasks.EstimationTask, "oldest", 1.0)
    evaluate(settings(without_truth, holdout=Holdout("none")))
    whole = dict(seen)
    seen.clear()
    result = evaluate(settings(without_truth, holdout=Holdout("points", 0.5)))
    assert result.targets() == [HELD_OUT]
    scored = {row.stamp: row.scored for row in result.rows}
    for stamp, points in seen.items():
        assert points <= whole[stamp]
        assert len(points) + scored.get(stamp, 0) == len(whole[stamp])
    assert sum(scored.values()) > 100


def test_old_points_tell_the_scale_and_score_nothing(without_truth, bright):
    # each scan is published after its image, so an image gets the one before, 95 ms older
    result = evaluate(settings(without_truth))
    assert {s.source for s in result.scales["bright"][1:]} == {"points"}
    assert result.targets() == []
    assert any("scores nothing without transform.fixed_frame" in note for note in result.notes)


def test_without_any_target_it_still_estimates(without_truth, bright, tmp_path):
    result = evaluate(settings(without_truth, parameters={"input.source": "none"}, examples=1))
    assert (result.frames, result.targets()) == (6, [])
    assert {s.kind for s in result.scales["bright"]} == {"up_to_scale"}
    written = write_report(result, tmp_path)
    assert "No frame was scored: the recording holds neither" in written["report"][0].read_text()
    assert "nothing was scored" in summary_table(result)


def test_relative_depth_stays_so(recording, bright):
    result = evaluate(settings(recording, models=("relative",)))
    assert {s.kind for s in result.scales["relative"]} == {"relative"}
    assert result.totals["relative", TRUTH].figures()["coverage"] == 0


def test_parameters_are_those_of_the_estimation_node(recording, bright):
    result = evaluate(settings(recording, parameters={"scale.min_points": 0, "scale.camera_height": 0.7}))
    assert result.parameters["scale.camera_height"] == 0.7
    assert {s.source for s in result.scales["bright"]} <= {"", "floor"}
    assert "scale.camera_height" not in COMPLETION.parameters


def test_the_report_shows_the_scale(recording, bright, tmp_path):
    result = evaluate(settings(recording, models=("bright", "other"), examples=0))
    written = write_report(result, tmp_path)
    page = written["report"][0].read_text()
    assert "<h1>Depth from the camera alone on" in page
    assert 'id="scale"' in page
    assert "factor [m per unit]" in page
    assert "scale.min_points" in page
    with (tmp_path / "scale.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 12
    assert float(lines[5]["factor"]) == pytest.approx(UNIT, rel=0.03)
    scale = json.loads((tmp_path / "scores.json").read_text())["models"]["other"]["scale"]
    assert scale["metric"] == pytest.approx(5 / 6)
    assert scale["sources"] == {"points": 5}
    text = summary_table(result)
    assert "bright: 83 % of 6 frames in metres, told last by points in 5; scale off by" in text
    assert json.loads((tmp_path / "timing.json").read_text())["bright"]["stages"]["estimate"]["median_ms"] > 0


def test_every_frame_becomes_pictures(recording, bright, tmp_path):
    writer = DepthPictures(tmp_path)
    evaluate(settings(recording), on_estimate=writer)
    assert writer.written == 6
    assert sorted(path.name for path in (tmp_path / "preview").iterdir()) == [f"{n:06d}.jpg" for n in range(6)]
    # the first has no metres
    assert sorted(path.name for path in (tmp_path / "depth").iterdir()) == [f"{n:06d}.png" for n in range(1, 6)]
    depth = cv2.imread(str(tmp_path / "depth" / "000005.png"), cv2.IMREAD_UNCHANGED)
    assert (depth.dtype, depth.shape) == (np.uint16, (48, 64))
    assert depth.min() == pytest.approx(3000, rel=0.05)


def test_several_models_have_folders_of_their_own(recording, bright, tmp_path):
    evaluate(
        settings(recording, models=("a", "b@x/y.safetensors"), frames=2), on_estimate=DepthPictures(tmp_path, True)
    )
    assert sorted(path.name for path in (tmp_path / "preview").iterdir()) == ["a", "b_x_y.safetensors"]


def test_completion_keeps_its_own_files(recording, tmp_path):
    result = evaluate(EvaluationSettings(Path(recording), models=("fast",), frames=2, examples=0))
    write_report(result, tmp_path)
    assert not (tmp_path / "scale.csv").exists()
    assert "Depth completion on" in (tmp_path / "report.html").read_text()


def test_several_cameras_are_still_a_question(tmp_path, make_recording, bright):
    path = make_recording(tmp_path / "bag", frames=2, extra_camera=True)
    with pytest.raises(TopicError, match="--image"):
        evaluate(settings(path))
