from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.estimation_evidence import scores
from depth_perception.geometry.camera import rays
from training.tasks.shape_scores import shape_scores

NO_PLANE = np.zeros((48, 64), np.int32)


def test_a_factor_is_forgiven_by_every_alignment_but_none(small_frame):
    found = scores.score(3 * small_frame.truth, small_frame, NO_PLANE, True)
    assert found["abs_rel_none"] == pytest.approx(2)
    assert found["delta1_none"] == 0
    for name in ("median", "scale", "affine"):
        assert found[f"abs_rel_{name}"] == pytest.approx(0, abs=1e-5)
        assert found[f"rmse_{name}"] == pytest.approx(0, abs=1e-4)
        assert found[f"delta1_{name}"] == 1
    assert found["lsiv"] == pytest.approx(0, abs=1e-6)
    assert found["boundary_f1"] == pytest.approx(1)


def test_a_shift_is_forgiven_by_the_last_alignment_alone(small_frame):
    found = scores.score(small_frame.truth + 1, small_frame, NO_PLANE, True)
    assert found["abs_rel_affine"] == pytest.approx(0, abs=1e-4)
    assert found["abs_rel_scale"] > 0.02
    assert found["lsiv"] > 0.02


def test_who_claims_no_metres_is_not_scored_in_metres(small_frame):
    found = scores.score(small_frame.truth, small_frame, NO_PLANE, False)
    assert np.isnan([found[f"{error}_none"] for error in ("abs_rel", "rmse", "delta1")]).all()
    assert found["abs_rel_median"] == 0


def test_lsiv_is_that_of_training(small_frame):
    rng = np.random.default_rng(0)
    depth = small_frame.truth * rng.uniform(0.7, 1.4, small_frame.truth.shape).astype(np.float32)
    K = torch.from_numpy(small_frame.camera.K).float()[None]
    images = (torch.from_numpy(x)[None, None] for x in (depth, small_frame.truth))
    expected = float(shape_scores(*images, K)["lsiv"])
    measured = small_frame.truth > 0
    found = scores.shape_error(depth[measured], small_frame.truth[measured], rays(small_frame.camera)[measured])
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_bent_wall_shows(small_frame):
    plane = np.zeros((48, 64), np.int32)
    plane[:14] = 1
    flat = scores.score(small_frame.truth, small_frame, plane, False)
    bent = small_frame.truth * (1 + 0.1 * np.cos(np.arange(64) / 10)).astype(np.float32)
    assert flat["plane_residual"] == pytest.approx(0, abs=1e-6)
    assert scores.score(bent, small_frame, plane, False)["plane_residual"] > 0.02


def test_what_was_given_is_not_scored(small_frame):
    given = np.zeros((48, 64), bool)
    given[:30] = True
    wrong = np.where(given, small_frame.truth, 2 * small_frame.truth)
    assert scores.score(wrong, small_frame, NO_PLANE, True, given)["abs_rel_none"] == pytest.approx(1)


def test_silence_does_not_pay(small_frame):
    depth = small_frame.truth.copy()
    depth[15:35, 20:45] = np.nan
    found = scores.score(depth, small_frame, NO_PLANE, True)
    assert found["abs_rel_none"] == pytest.approx(20 * 25 / (48 * 64))  # 4 m said of what is at 2 m


def test_without_a_camera_there_is_no_shape(small_frame):
    found = scores.score(small_frame.truth, replace(small_frame, camera=None), NO_PLANE, False)
    assert np.isnan(found["lsiv"])
    assert np.isnan(found["plane_residual"])


def test_a_lidar_has_no_edges(small_frame):
    truth = small_frame.truth.copy()
    truth[:, np.arange(64) % 5 > 0] = 0
    found = scores.score(small_frame.truth, replace(small_frame, truth=truth), NO_PLANE, False)
    assert np.isnan(found["boundary_f1"])
    assert found["abs_rel_median"] == 0


def test_fitting_to_some_pixels_aligns_all(monkeypatch):
    rng = np.random.default_rng(0)
    truth = rng.uniform(1, 5, 5000)
    own = (truth - 0.5) / 3 * rng.normal(1, 0.01, 5000)
    whole = scores.alignments(own, truth)
    monkeypatch.setattr(scores, "FITTED", 700)
    for some, every in zip(scores.alignments(own, truth), whole):
        assert len(some) == 5000
        np.testing.assert_allclose(some, every, rtol=0.01)
    np.testing.assert_allclose(whole[3], truth, rtol=0.1)
