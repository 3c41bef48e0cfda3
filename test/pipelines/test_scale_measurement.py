import math

import numpy as np
import pytest

from depth_perception.frames import DepthPrediction, SparseDepth
from depth_perception.pipelines.scale_measurement import ScaleMeasurement, scale_from_points

SHAPE = (48, 64)


def estimate(depth, relative=0.1):
    depth = np.asarray(depth, np.float32)
    return DepthPrediction(depth, (relative * depth).astype(np.float32))


def ramp():
    return np.linspace(1, 4, SHAPE[1], dtype=np.float32)[None].repeat(SHAPE[0], 0)


def measured(depth, count=200, seed=0):
    rng = np.random.default_rng(seed)
    sparse = np.zeros(SHAPE, np.float32)
    at = rng.choice(sparse.size, count, replace=False)
    sparse.flat[at] = np.asarray(depth, np.float32).flat[at]
    return SparseDepth.from_image(sparse)


def test_a_right_estimate_in_other_units_gives_the_factor():
    found = scale_from_points(estimate(ramp()), measured(2.5 * ramp()))
    assert found.scale == pytest.approx(2.5, rel=1e-5)
    assert (found.source, found.count) == ("points", 200)


def test_a_third_of_wrong_points_does_no_harm():
    truth = 2.5 * ramp()
    rng = np.random.default_rng(1)
    wrong = np.where(rng.random(SHAPE) < 0.33, rng.uniform(0.5, 40, SHAPE), truth)
    found = scale_from_points(estimate(ramp()), measured(wrong, 600))
    assert found.scale == pytest.approx(2.5, rel=0.05)


def test_the_deviation_covers_the_error():
    """Estimates wrong by a smooth field: the scale's error is mostly within two of its deviations."""
    rng = np.random.default_rng(2)
    within = []
    for seed in range(40):
        field = np.kron(rng.normal(0, 0.15, (6, 8)), np.ones((8, 8)))
        found = scale_from_points(estimate(ramp() * np.exp(field), 0.15), measured(3 * ramp(), 400, seed))
        within.append(abs(math.log(found.scale / 3)) < 2 * found.deviation)
    assert np.mean(within) > 0.85


def test_points_in_one_corner_tell_less_than_points_everywhere():
    everywhere = measured(2 * ramp(), 300)
    corner = np.zeros(SHAPE, np.float32)
    corner[:8, :8] = 2 * ramp()[:8, :8]
    few = scale_from_points(estimate(ramp()), SparseDepth.from_image(corner))
    many = scale_from_points(estimate(ramp()), everywhere)
    assert few.deviation > 3 * many.deviation
    assert few.deviation >= 0.1  # one cell: as good as the estimate's own word


def test_too_few_points_or_no_estimate_say_nothing():
    assert scale_from_points(estimate(ramp()), measured(ramp(), 4)) is None
    assert scale_from_points(estimate(np.full(SHAPE, np.nan)), measured(ramp())) is None
    assert scale_from_points(estimate(ramp()), SparseDepth.from_image(np.zeros(SHAPE, np.float32)), 0) is None


@pytest.mark.parametrize("values", [(0.0, 0.1), (-1.0, 0.1), (math.nan, 0.1), (1.0, 0.0), (1.0, math.inf)])
def test_what_is_no_scale_is_refused(values):
    with pytest.raises(ValueError, match="must be positive"):
        ScaleMeasurement(*values, "points", 1)
