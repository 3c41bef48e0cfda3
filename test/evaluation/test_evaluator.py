from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest

from depth_perception.evaluation import tasks
from depth_perception.evaluation.evaluator import EvaluationError, EvaluationSettings, evaluate
from depth_perception.evaluation.holdout import Holdout
from depth_perception.evaluation.recording_topics import TopicChoice, TopicError
from depth_perception.evaluation.results import HELD_OUT, TRUTH
from depth_perception.evaluation.truth import TruthError
from depth_perception.frames import DepthPrediction
from depth_perception.pipelines.parameters import ParameterError
from depth_perception.recordings.reader import Recording, RecordingError

FAST = ("fast",)


class Recall:
    """A model that answers one depth everywhere and remembers what it was given."""

    name, version = "recall", "1"

    def __init__(self, depth=4.0):
        self.depth = depth
        self.seen: list[np.ndarray] = []

    def infer(self, image, sparse, camera):
        self.seen.append(sparse.copy())
        depth = np.full(sparse.shape, self.depth, np.float32)
        return DepthPrediction(depth, np.full(sparse.shape, 0.5, np.float32))


@pytest.fixture
def recall(monkeypatch):
    models: dict[str, Recall] = {}

    def load(name, values):
        return models.setdefault(name, Recall())

    monkeypatch.setattr(tasks, "load_model", load)
    return models


def test_truth_is_found_and_scored_in_full(recording):
    result = evaluate(EvaluationSettings(recording, models=FAST))
    assert result.frames == 6
    assert result.targets() == [TRUTH]
    assert result.primary == TRUTH
    figures = result.totals["fast", TRUTH].figures()
    assert figures["scored"] == 6 * 64 * 48
    assert figures["mae"] < 0.1
    assert figures["coverage"] == 1.0
    assert len(result.rows) == 6
    assert result.recording["name"] == recording.name


def test_figures_are_those_of_the_models_answer(recording, recall):
    result = evaluate(EvaluationSettings(recording, models=("a",)))
    with Recording(recording) as opened:
        messages = [item.message for item in opened.messages(["/camera/depth/ground_truth"])]
    truth = [np.frombuffer(message.data, np.float32) for message in messages]
    expected = np.abs(np.concatenate(truth).astype(np.float64) - 4.0).mean()
    assert result.totals["a", TRUTH].figures()["mae"] == pytest.approx(expected, rel=1e-9)


def test_without_truth_a_fifth_is_held_out(without_truth, recall):
    result = evaluate(EvaluationSettings(without_truth, models=("a",)))
    assert result.targets() == [HELD_OUT]
    assert result.protocol["holdout"] == "points:0.2"
    given = sum(int((sparse > 0).sum()) for sparse in recall["a"].seen)
    scored = result.totals["a", HELD_OUT].figures()["scored"]
    assert scored / (given + scored) == pytest.approx(0.2, abs=0.001)


def test_models_get_identical_splits_and_never_see_what_is_held_out(recording, recall):
    settings = EvaluationSettings(recording, models=("a", "b"), holdout=Holdout("points", share=0.5))
    result = evaluate(settings)
    whole = evaluate(replace(settings, models=("c",), holdout=Holdout("none")))
    assert len(whole.rows) == 6
    for a, b, full in zip(recall["a"].seen, recall["b"].seen, recall["c"].seen):
        np.testing.assert_array_equal(a, b)
        assert np.array_equal(a[a > 0], full[a > 0])
        assert (full > 0).sum() == pytest.approx(2 * (a > 0).sum(), abs=1)
    assert {row.target for row in result.rows} == {TRUTH, HELD_OUT}


@pytest.mark.parametrize("which", ["recording", "without_truth"])
def test_rings_are_held_out_known_or_estimated(which, request, recall):
    path = request.getfixturevalue(which)
    result = evaluate(EvaluationSettings(path, models=("a",), holdout=Holdout("rings", every=4)))
    given = sum(int((sparse > 0).sum()) for sparse in recall["a"].seen)
    scored = result.totals["a", HELD_OUT].figures()["scored"]
    assert scored / (given + scored) == pytest.approx(0.25, abs=0.06)
    # a held-out ring leaves rows of the image without points, which random points would not
    rows_hit = np.mean([(sparse > 0).any(axis=1).mean() for sparse in recall["a"].seen])
    assert rows_hit < 0.9


def test_frames_and_every(recording, recall):
    result = evaluate(EvaluationSettings(recording, models=("a",), every=2))
    assert result.frames == 3
    stamps = [row.stamp for row in result.rows]
    assert np.all(np.diff(stamps) == 200_000_000)
    assert evaluate(EvaluationSettings(recording, models=("a",), frames=2)).frames == 2


def test_examples_are_the_extremes_of_the_first_model(recording, recall):
    result = evaluate(EvaluationSettings(recording, models=("a",), examples=1))
    by_frame = {row.index: row.figures["rmse"] for row in result.rows}
    assert [example.index for example in result.best] == [min(by_frame, key=by_frame.get)]
    assert [example.index for example in result.worst] == [max(by_frame, key=by_frame.get)]


def test_one_frame_is_not_both_best_and_worst(recording, recall):
    result = evaluate(EvaluationSettings(recording, models=("a",), frames=3))
    assert len(result.best) == 2
    assert len(result.worst) == 1


def test_progress_reaches_the_end(recording, recall):
    steps = []
    evaluate(EvaluationSettings(recording, models=("a",)), progress=lambda *step: steps.append(step))
    assert steps == [(n, 6) for n in range(1, 7)]


def test_stopping_keeps_what_is_done(recording, recall):
    result = evaluate(EvaluationSettings(recording, models=("a",)), should_stop=lambda: len(recall["a"].seen) >= 2)
    assert result.partial == "stopped"
    assert result.frames == 2


def test_ctrl_c_keeps_whole_frames_only(recording, monkeypatch):
    class Interrupted(Recall):
        def infer(self, image, sparse, camera):
            if len(self.seen) == 2:
                raise KeyboardInterrupt
            return super().infer(image, sparse, camera)

    models = {"a": Recall(), "b": Interrupted()}
    monkeypatch.setattr(tasks, "load_model", models.get)
    result = evaluate(EvaluationSettings(recording, models=("a", "b")))
    assert result.partial == "interrupted"
    assert result.frames == 2
    assert {model: total.frames for (model, _), total in result.totals.items()} == {"a": 2, "b": 2}


def test_depths_outside_the_published_range_are_not_scored(recording, recall):
    result = evaluate(EvaluationSettings(recording, models=("a",), parameters={"depth.max": 5.0}))
    figures = result.totals["a", TRUTH].figures()
    assert 0 < figures["scored"] < 6 * 64 * 48
    assert result.protocol["scored_range_m"] == [0.3, 5.0]


def test_truth_from_a_folder(without_truth, recall, tmp_path):
    for index in range(6):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((48, 64), 5000, np.uint16))
    settings = EvaluationSettings(without_truth, models=("a",), truth_folder=tmp_path)
    figures = evaluate(settings).totals["a", TRUTH].figures()
    assert figures["mae"] == pytest.approx(1.0, rel=1e-6)
    assert figures["scored"] == 6 * 64 * 48
    with pytest.raises(TruthError, match="no depth pictures"):
        evaluate(replace(settings, truth_folder=tmp_path.parent / "none"))


def test_truth_of_another_size_is_explained(without_truth, recall, tmp_path):
    for index in range(6):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((24, 32), 5000, np.uint16))
    with pytest.raises(EvaluationError, match="32x24"):
        evaluate(EvaluationSettings(without_truth, models=("a",), truth_folder=tmp_path, holdout=Holdout("none")))


def test_missing_transform_is_the_reason_given(tmp_path, make_recording, recall):
    path = make_recording(tmp_path / "bag", frames=2, tf=False)
    with pytest.raises(EvaluationError, match=r"nothing could be scored.*no_transform.*lidar"):
        evaluate(EvaluationSettings(path, models=("a",)))


def test_ambiguous_topics_name_the_option(tmp_path, make_recording, recall):
    path = make_recording(tmp_path / "bag", frames=2, extra_camera=True)
    with pytest.raises(TopicError, match=r"--image: /camera/image, /second/image"):
        evaluate(EvaluationSettings(path, models=("a",)))
    chosen = TopicChoice(image="/second/image")
    assert evaluate(EvaluationSettings(path, topics=chosen, models=("a",))).frames == 2


def test_mistakes_are_told_apart(recording, without_truth, tmp_path):
    with pytest.raises(RecordingError, match="no such file"):
        evaluate(EvaluationSettings(tmp_path / "nothing"))
    with pytest.raises(ValueError, match=r"unknown model 'best'.*fast"):
        evaluate(EvaluationSettings(recording, models=("best",)))
    with pytest.raises(ParameterError, match=r"depth\.max"):
        evaluate(EvaluationSettings(recording, parameters={"depth.max": -1.0}))
    with pytest.raises(EvaluationError, match="leaves nothing to score"):
        evaluate(EvaluationSettings(without_truth, holdout=Holdout("none")))


def test_peers_are_scored_beside_models(recording):
    result = evaluate(EvaluationSettings(recording, models=("fast", "peer:nearest"), frames=2))
    peer = result.totals["peer:nearest", TRUTH].figures()
    assert peer["coverage"] == 1.0
    assert math.isnan(peer["inside_68"])


@pytest.mark.parametrize("model", ["fast", "diffusion"])
def test_two_processes_write_the_same_bytes(recording, tmp_path, model):
    script = (
        "import sys\n"
        "from depth_perception.evaluation.evaluator import EvaluationSettings, evaluate\n"
        "from depth_perception.evaluation.holdout import Holdout\n"
        "from depth_perception.evaluation.report import write_report\n"
        "settings = EvaluationSettings(sys.argv[1], models=(sys.argv[3],), holdout=Holdout(), frames=2)\n"
        "write_report(evaluate(settings), sys.argv[2])\n"
    )
    outs = [tmp_path / "one", tmp_path / "other" / "place"]
    for seed, out in enumerate(outs):
        subprocess.run(
            [sys.executable, "-c", script, str(recording), str(out), model],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            check=True,
        )
    names = sorted(path.relative_to(outs[0]) for path in outs[0].rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(outs[1]) for path in outs[1].rglob("*") if path.is_file())
    assert {"report.html", "scores.json", "per_frame.csv", "timing.json"} <= {name.name for name in names}
    for name in names:
        if name.name != "timing.json":
            assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes(), name
