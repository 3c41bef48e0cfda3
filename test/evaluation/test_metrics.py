from __future__ import annotations

import math

import numpy as np
import pytest

from depth_perception.evaluation.metrics import CALIBRATION_LEVELS, METRICS, RANGE_EDGES, DepthSums, depth_sums


def test_the_interval_that_a_model_claims_is_the_one_it_is_held_to():
    truth, error = np.full(4, 10.0), np.array([0.5, 1.5, 2.5, 3.5])
    deviation = np.ones(4)
    assert depth_sums(truth + error, truth, deviation).compute()["inside_95"] == 0.5
    assert depth_sums(truth + error, truth, deviation, wide=3.0).compute()["inside_95"] == 0.75
    assert depth_sums(truth + error, truth, deviation, wide=3.0).compute()["inside_68"] == 0.25


def reference(predicted, truth, deviation):
    """The same figures by plain loops over Python floats."""
    pairs = [
        (float(p), float(t), float(s))
        for p, t, s in zip(predicted.ravel(), truth.ravel(), deviation.ravel())
        if math.isfinite(t) and t > 0
    ]
    answered = [(p, t, s) for p, t, s in pairs if math.isfinite(p) and p > 0]
    sure = [(p, t, s) for p, t, s in answered if math.isfinite(s) and s > 0]
    n = len(answered)

    def mean(function, values=answered):
        return sum(function(p, t, s) for p, t, s in values) / len(values)

    def below(power):
        return mean(lambda p, t, s: float(max(p / t, t / p) < 1.25**power))

    return {
        "mae": mean(lambda p, t, s: abs(p - t)),
        "rmse": math.sqrt(mean(lambda p, t, s: (p - t) ** 2)),
        "imae": mean(lambda p, t, s: abs(1 / (p / 1000) - 1 / (t / 1000))),
        "irmse": math.sqrt(mean(lambda p, t, s: (1 / (p / 1000) - 1 / (t / 1000)) ** 2)),
        "abs_rel": mean(lambda p, t, s: abs(p - t) / t),
        "sq_rel": mean(lambda p, t, s: (p - t) ** 2 / t),
        "log10": mean(lambda p, t, s: abs(math.log10(p) - math.log10(t))),
        "bias": mean(lambda p, t, s: p - t),
        "delta1": below(1),
        "delta2": below(2),
        "delta3": below(3),
        "coverage": n / len(pairs),
        "deviation": mean(lambda p, t, s: s, sure),
        "inside_68": mean(lambda p, t, s: float(abs(p - t) <= s), sure),
        "inside_95": mean(lambda p, t, s: float(abs(p - t) <= 1.959963984540054 * s), sure),
        "z_rms": math.sqrt(mean(lambda p, t, s: ((p - t) / s) ** 2, sure)),
    }


@pytest.fixture
def sample():
    rng = np.random.default_rng(1)
    truth = rng.uniform(0.5, 90.0, (30, 40)).astype(np.float32)
    predicted = (truth * rng.lognormal(0.0, 0.2, truth.shape)).astype(np.float32)
    deviation = (0.15 * truth).astype(np.float32)
    truth[0] = np.nan
    truth[1] = 0.0
    truth[2, :5] = np.inf
    predicted[3] = np.nan
    predicted[4, :3] = -1.0
    deviation[5] = np.nan
    deviation[6, :4] = 0.0
    return predicted, truth, deviation


def test_figures_match_plain_loops(sample):
    found = depth_sums(*sample).compute()
    expected = reference(*sample)
    assert set(found) == set(METRICS)
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-12), key


def test_merged_parts_equal_the_whole(sample):
    predicted, truth, deviation = sample
    whole = depth_sums(predicted, truth, deviation)
    parts = DepthSums.zero()
    for rows in (slice(0, 7), slice(7, 8), slice(8, 30)):
        parts = parts + depth_sums(predicted[rows], truth[rows], deviation[rows])
    np.testing.assert_allclose(parts.table, whole.table, rtol=1e-13)
    counts = [0, 1, 10, 11, 12]  # numbers of points merge without any rounding
    np.testing.assert_array_equal(parts.table[:, counts], whole.table[:, counts])
    assert parts.scored == whole.scored


def test_bins_hold_their_own_points_only(sample):
    predicted, truth, deviation = sample
    rows = depth_sums(predicted, truth, deviation).by_range()
    assert sum(row["scored"] for row in rows) == np.sum(np.isfinite(truth) & (truth > 0))
    for row in rows:
        with np.errstate(invalid="ignore"):
            inside = (truth >= row["lower"]) & (truth < row["upper"])
        expected = reference(predicted[inside], truth[inside], deviation[inside])
        assert row["mae"] == pytest.approx(expected["mae"], rel=1e-12)
        assert row["coverage"] == pytest.approx(expected["coverage"], rel=1e-12)


def test_a_depth_on_a_border_belongs_to_the_upper_bin():
    (row,) = depth_sums([5.0], [5.0]).by_range()
    assert (row["lower"], row["upper"]) == (5.0, 10.0)
    assert RANGE_EDGES[-1] == math.inf
    assert depth_sums([500.0], [500.0]).by_range()[0]["upper"] == math.inf


def test_calibration_of_true_gaussian_errors_lies_on_the_diagonal():
    rng = np.random.default_rng(2)
    deviation = rng.uniform(0.1, 2.0, 40_000)
    truth = np.full_like(deviation, 50.0)
    curve = depth_sums(truth + deviation * rng.standard_normal(truth.shape), truth, deviation).calibration()
    assert [nominal for nominal, _ in curve] == list(CALIBRATION_LEVELS)
    for nominal, observed in curve:
        assert observed == pytest.approx(nominal, abs=0.012)


def test_without_deviations_only_their_figures_are_missing():
    sums = depth_sums([2.0, 3.0], [2.0, 4.0])
    figures = sums.compute()
    assert figures["mae"] == 0.5
    assert all(math.isnan(figures[key]) for key in ("deviation", "inside_68", "inside_95", "z_rms"))
    assert sums.calibration() == []


def test_nothing_scored_gives_nan_and_no_bins():
    sums = depth_sums(np.full((2, 2), 1.0), np.full((2, 2), np.nan))
    assert sums.scored == 0
    assert all(math.isnan(value) for value in sums.compute().values())
    assert sums.by_range() == []


def test_perfect_answer():
    figures = depth_sums([1.0, 7.0], [1.0, 7.0], [0.1, 0.1]).compute()
    assert figures["mae"] == figures["rmse"] == figures["irmse"] == figures["log10"] == 0.0
    assert figures["delta1"] == figures["coverage"] == figures["inside_68"] == 1.0


def test_different_sizes_are_refused():
    with pytest.raises(ValueError, match="2 predictions, 3 true depths"):
        depth_sums([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="1 deviations"):
        depth_sums([1.0, 2.0], [1.0, 2.0], [1.0])


def test_update_leaves_its_arguments_alone(sample):
    copies = [array.copy() for array in sample]
    depth_sums(*sample)
    for array, copy in zip(sample, copies):
        np.testing.assert_array_equal(array, copy)
