import dataclasses

import numpy as np
import pytest

from benchmarks.evidence import scoring
from benchmarks.evidence.methods import Entry, load
from benchmarks.evidence.rows import key_of
from depth_perception.evaluation.boundaries import BoundaryBand
from depth_perception.evaluation.peers import nearest


def test_figures_of_a_known_answer():
    truth = np.full((20, 20), 4, np.float32)
    truth[:, 10:] = 2
    answer = truth + 1
    held_out = np.ones(truth.shape, bool)
    deviation = np.full(truth.shape, 0.6, np.float32)
    found = scoring.score(answer, truth, held_out, BoundaryBand(truth), deviation, wide=2.0)
    assert found["mae"] == found["rmse"] == found["boundary_mae"] == 1
    assert found["abs_rel"] == pytest.approx(0.375)
    assert found["delta1"] == 0  # 5 / 4 is not below 1.25
    assert (found["within_1"], found["within_95"]) == (0, 1)
    assert np.isnan(scoring.score(answer, truth, held_out, BoundaryBand(truth))["within_1"])


def test_only_held_out_pixels_count(small_frame):
    def right_but_where_given(image, sparse, camera):
        return np.where(sparse > 0, 50, small_frame.truth)

    row = scoring.measure(small_frame, 0, "500", [Entry("a", "a", "1", right_but_where_given)], set())[0]
    assert (row.mae, row.points, row.delta1) == (0, 500, 1)


def test_where_nothing_is_answered_the_nearest_point_is_scored(small_frame):
    entries = [
        Entry("silent", "silent", "1", lambda i, s, c: np.full(s.shape, np.nan)),
        Entry("nearest", "nearest", "1", lambda i, s, c: nearest(s)),
    ]
    silent, near = scoring.measure(small_frame, 0, "150", entries, set())
    assert silent.mae == near.mae > 0


def test_known_rows_are_not_measured_again(small_frame):
    calls = []

    def infer(image, sparse, camera):
        calls.append(1)
        return nearest(sparse)

    entries = [Entry("a", "a", "1", infer)]
    rows = scoring.measure(small_frame, 0, "150", entries, set())
    calls.clear()
    assert scoring.measure(small_frame, 0, "150", entries, {key_of(rows[0])}) == []
    assert not calls
    assert len(scoring.measure(small_frame, 1, "150", entries, {key_of(rows[0])})) == 1


def test_a_method_that_fails_costs_the_others_nothing(small_frame, capsys):
    def broken(image, sparse, camera):
        raise RuntimeError("no such weights")

    rows = scoring.measure(small_frame, 0, "150", [Entry("b", "b", "1", broken), *load(["nearest"])], set())
    assert [r.method for r in rows] == ["nearest"]
    assert "b failed on kitchen one 150: no such weights" in capsys.readouterr().err


def test_a_pattern_that_does_not_fit_gives_no_rows(small_frame):
    thin = dataclasses.replace(small_frame, truth=np.where(np.indices((48, 64))[0] == 3, small_frame.truth, 0))
    assert scoring.measure(thin, 0, "5%", load(["nearest"]), set()) == []
