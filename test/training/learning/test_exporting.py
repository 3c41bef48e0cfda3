from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from depth_perception.models import weights
from depth_perception.models.refiner import RefinerConfig
from training.learning import exporting
from training.learning.exporting import card, version_of
from training.learning.fitting import Plan
from training.learning.report import Comparison, claim, markdown, warnings
from training.learning.scoring import MEDIAN, NONE, Scores

PLAN = Plan(Path("frames"), Path("work"), 0.2, 1)


def test_the_version_names_every_recording_once():
    assert version_of("2", ["kitchen"]) == "2+kitchen"
    assert version_of("2+kitchen", ["office", "hall", "office"]) == "2+kitchen+office+hall"


@pytest.mark.parametrize(("errors", "dense"), [({1.4: 0.5, 0.0: 0.4}, 0.0), ({1.4: 0.5, 0.0: 0.6}, 1.4)])
def test_where_points_are_dense_the_better_one_answers(monkeypatch, errors, dense):
    monkeypatch.setattr(exporting, "frames_of", lambda *_: [])
    monkeypatch.setattr(exporting, "mean_error", lambda found, files: errors[found.config.dense])
    found = weights.Weights("refiner", "x", "1", RefinerConfig(dense=1.4), {})
    assert exporting._asked_when(found, PLAN).dense == dense


def test_the_card_says_where_weights_are_from_and_how_to_use_them(estimator_file):
    found = weights.read(estimator_file)
    found.training.update({"recordings": ["kitchen"], "scale": "metric", "steps": 7, "seconds": 60})
    text = card(
        found, 1_500_000, "| figures |", "depth_perception train estimation --bag kitchen", [("taught by", "x")]
    )
    for words in ("learned from kitchen", "estimation.launch.py", "| figures |", "--bag kitchen", "| scale | metric |"):
        assert words in text
    assert "synthetic" not in text


def scores(abs_rel, how=MEDIAN):
    return Scores("measured points", "1", 10, {how: {"abs_rel": abs_rel, "mae": 2 * abs_rel, "rmse": 1, "delta1": 0.5}})


def test_what_is_said_has_both_figures_and_the_alignment():
    better = Comparison("kitchen", "later part", scores(0.2), scores(0.15))
    worse = Comparison("office", "another recording", scores(0.2), scores(0.3))
    outcome = SimpleNamespace(kind="estimation", comparisons=[better, worse], photometric=None)
    text = claim(outcome)
    assert "kitchen, later part, alignment median of each image: 0.2000 before, 0.1500 after (25.0% less)" in text
    assert "(50.0% more)" in text
    (warning,) = warnings("estimation", outcome.comparisons)
    assert warning.startswith("On office, another recording, these weights are worse")
    assert markdown(outcome).count("\n") == 5


def test_completion_is_compared_in_metres():
    outcome = SimpleNamespace(
        kind="completion",
        comparisons=[Comparison("a", "later part", scores(0.2, NONE), scores(0.1, NONE))],
        photometric=None,
    )
    assert "MAE on a, later part, alignment none: 0.4000 before, 0.2000 after (50.0% less)" in claim(outcome)
