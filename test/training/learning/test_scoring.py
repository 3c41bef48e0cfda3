from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from depth_perception.evaluation.holdout import Holdout
from depth_perception.frames import CameraModel, DepthPrediction, SparseDepth
from training.learning import scoring
from training.learning.frame_files import FrameFolder, Recorded, frame_arrays
from training.learning.scoring import (
    MEDIAN,
    NONE,
    Scores,
    aligned,
    alignments,
    asked,
    change,
    default_holdout,
    kept_scores,
    score,
)

CAMERA = CameraModel.pinhole(50.0, 50.0, 31.5, 23.5, 64, 48)


def frame(rings=12, truth=False, count=300):
    rng = np.random.default_rng(0)
    at = rng.choice(64 * 48, count, replace=False)
    depth = np.zeros((48, 64), np.float32)
    depth.flat[at] = rng.uniform(2, 6, count)
    ring = np.full(depth.shape, -1, np.int16)
    ring.flat[at] = np.arange(count) % max(rings, 1)
    image = np.zeros((48, 64, 3), np.uint8)
    whole = np.full(depth.shape, 4, np.float32) if truth else None
    return Recorded("000000", 5, image, CAMERA, depth, None, ring if rings else None, whole)


def test_completion_is_asked_for_whole_rings_where_they_are_known():
    assert default_holdout(frame()) == Holdout("rings", every=4)
    assert default_holdout(frame(rings=0)).kind == "points"
    given, held, kind = asked(frame(), Holdout("rings", every=4))
    assert not set(given.ring) & set(held.ring)
    assert len(given) + len(held) == 300
    assert kind == "held-out points"


def test_truth_goes_first_and_nothing_is_held_out_then():
    given, held, kind = asked(frame(truth=True), Holdout("points"))
    assert (len(given), len(held), kind) == (300, 48 * 64, "ground truth")


def test_depth_from_the_image_is_asked_for_all_points():
    _, held, kind = asked(frame(), None)
    assert (len(held), kind) == (300, "measured points")


def test_alignment_scales_to_the_median_or_not_at_all():
    truth, depth = np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, np.nan])
    assert aligned(depth, truth, NONE) is depth
    assert np.nanmedian(aligned(depth, truth, MEDIAN)) == pytest.approx(1.5)


def test_only_what_is_metric_is_scored_in_metres():
    video, metric = (SimpleNamespace(family="monocular", training={"scale": s}) for s in ("up_to_scale", "metric"))
    assert alignments(video) == (MEDIAN,)
    assert NONE in alignments(metric)
    assert alignments(SimpleNamespace(family="refiner", training={})) == (NONE,)


def test_figures_are_those_of_all_values_and_of_each_frame(tmp_path, monkeypatch):
    (tmp_path / "x").mkdir()
    frames, files = FrameFolder(tmp_path / "x"), []
    for index, depth in enumerate((2.0, 4.0)):
        image = np.zeros((48, 64, 3), np.uint8)
        sparse = SparseDepth.from_image(np.full((48, 64), depth, np.float32))
        path = frames.path(f"{index:06d}")
        np.savez(path, **frame_arrays(image, CAMERA, None, index, sparse, None))
        files.append(path)
    constant = np.full((48, 64), 3, np.float32)
    answer = DepthPrediction(constant, constant / 10)
    monkeypatch.setattr(scoring, "predictor", lambda found: lambda frame, given: answer)
    found = SimpleNamespace(family="monocular", training={"scale": "metric"}, version="8")
    scores = score(found, files, None)
    assert scores.scored == 2 * 48 * 64
    assert scores.figures[NONE]["mae"] == pytest.approx(1)
    assert scores.figures[NONE]["abs_rel"] == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert scores.figures[MEDIAN]["mae"] == pytest.approx(0, abs=1e-6)
    assert [row[NONE]["mae"] for row in scores.frames] == [pytest.approx(1), pytest.approx(1)]


def test_scores_are_kept_until_they_are_of_something_else(tmp_path):
    made = []

    def make():
        made.append(1)
        return Scores(version=str(len(made)))

    file = tmp_path / "scores" / "a.json"
    assert kept_scores(file, "x", make).version == "1"
    assert kept_scores(file, "x", make).version == "1"
    assert kept_scores(file, "y", make).version == "2"


def test_a_change_is_the_share_by_which_an_error_fell():
    assert change(2.0, 1.5) == pytest.approx(0.25)
    assert change(1.0, 1.5) == pytest.approx(-0.5)
    assert np.isnan(change(0.0, 1.0))
