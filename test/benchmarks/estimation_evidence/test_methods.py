from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.estimation_evidence import methods
from depth_perception.models import zoo

sys.path.append(str(Path(__file__).resolve().parents[2] / "support"))

from tiny_estimator import write_tiny_estimator


def test_the_ground_plane_is_a_floor_below_and_a_wall_ahead(small_frame):
    depth = methods.ground_plane(small_frame).depth
    assert depth.shape == small_frame.truth.shape
    assert np.all(depth[:24] == methods.AHEAD)
    # a floor one height below: z (v - cy) / f is 1
    rows = np.arange(40, 48)
    np.testing.assert_allclose(depth[40:48, 0] * (rows - 23.5) / 50, 1, rtol=1e-5)
    assert methods.ground_plane(replace(small_frame, camera=None)).depth.min() > 0


def test_the_mean_of_other_frames_knows_nothing_of_this_one(small_frame):
    twice = replace(small_frame, truth=2 * small_frame.truth)
    half = replace(small_frame, truth=small_frame.truth / 2)
    found = methods.mean_depth(small_frame, [twice, half]).depth
    # the geometric mean of twice and half is the same
    assert found[2, 2] == pytest.approx(4, rel=0.05)
    assert found[25, 32] == pytest.approx(2, rel=0.05)
    assert np.all(methods.mean_depth(small_frame, [twice]).depth > 3)
    assert np.ptp(methods.mean_depth(small_frame, []).depth) == 0


def test_pixels_that_no_other_frame_knew_are_filled(small_frame):
    truth = small_frame.truth.copy()
    truth[:, 50:] = 0
    found = methods.mean_depth(small_frame, [replace(small_frame, truth=truth)]).depth
    assert np.isfinite(found).all()
    assert found[5, 60] == pytest.approx(4, rel=0.05)


def test_completion_tells_which_pixels_it_was_given(small_frame):
    method = methods.completion("fast", 20)
    answer = method.predict(small_frame, [])
    assert answer.given.sum() == 20
    assert method.is_metric
    assert not method.is_ours
    again = methods.completion("fast", 20).predict(small_frame, [])
    assert np.array_equal(again.given, answer.given)


def test_an_estimator_with_weights_of_its_own(tmp_path, small_frame):
    file = write_tiny_estimator(tmp_path / "mine.safetensors", recordings=["sevenscenes_kitchen"])
    other = write_tiny_estimator(tmp_path / "other.safetensors", seed=1)
    method = methods.estimator(f"estimation-small@{file}")
    assert (method.name, method.is_ours, method.is_metric) == ("estimation-small@mine", True, False)
    assert method.has_seen("kitchen")
    assert not method.has_seen("nyu")
    assert method.predict(small_frame, []).depth.shape == small_frame.truth.shape
    assert method.version != methods.estimator(f"estimation-small@{other}").version


def test_metric_weights_claim_metres(tmp_path):
    file = write_tiny_estimator(tmp_path / "mine.safetensors", scale="metric")
    assert methods.estimator(f"estimation-small@{file}").is_metric


def test_references_stand_beside_what_is_asked_for():
    found = [method.name for method in methods.load([], "fast")]
    assert found == ["constant", "ground-plane", "mean depth", "fast, 50 points"]
    with pytest.raises(ValueError, match="nonesuch"):
        methods.load(["nonesuch"])
    assert zoo.DEFAULT_WITHOUT_WEIGHTS in methods.load([])[-1].name
