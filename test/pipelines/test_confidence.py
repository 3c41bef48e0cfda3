from __future__ import annotations

import math

import numpy as np
import pytest

from depth_perception.pipelines.confidence import confidence


@pytest.mark.parametrize(("depth", "deviation"), [(1.0, 0.1), (10.0, 0.3), (5.0, 2.0), (2.0, 0.05)])
def test_is_the_normal_probability_of_a_ten_percent_error(depth, deviation):
    expected = math.erf(0.1 * depth / (deviation * math.sqrt(2)))
    got = confidence(np.full((1, 1), depth, np.float32), np.full((1, 1), deviation, np.float32))
    assert got.dtype == np.float32
    assert got[0, 0] == pytest.approx(expected, abs=1e-5)


def test_unknown_depth_has_no_confidence_and_certainty_has_all():
    depth = np.array([[np.nan, 3.0, 3.0, 3.0]], np.float32)
    deviation = np.array([[0.1, np.nan, 0.0, np.inf]], np.float32)
    assert confidence(depth, deviation).tolist() == [[0.0, 0.0, 1.0, 0.0]]


def test_heavier_tails_make_large_errors_more_likely_but_not_small_ones():
    depth = np.full((1, 3), 10.0, np.float32)
    deviation = np.array([[1.0, 0.4, 0.1]], np.float32)  # an error of 10 % is 1, 2.5 and 10 deviations
    normal, heavy = confidence(depth, deviation)[0], confidence(depth, deviation, wide=2.5)[0]
    assert heavy[0] == pytest.approx(normal[0])
    assert heavy[1] == pytest.approx(0.95, abs=1e-4)  # what `wide` means
    assert normal[1] > 0.98
    assert 0.95 < heavy[2] <= 1.0
