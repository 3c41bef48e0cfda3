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
