import json

import numpy as np
import pytest

from depth_perception.models.calibration import Calibration

# doubled where points are few, unchanged where they are many; halved for large raw deviations there
TABLE = Calibration(
    (np.log(0.001), np.log(0.1)), (np.log(0.01), np.log(0.1)), ((np.log(2), np.log(2)), (0.0, np.log(0.5)))
)


def apply(relative, density, depth=5.0):
    """Calibrated over raw deviation."""
    depth = np.full((2, 3), depth, np.float32)
    return TABLE.apply(relative * depth, depth, density) / (relative * depth)


@pytest.mark.parametrize(
    ("relative", "density", "factor"),
    [
        (0.01, 0.001, 2),
        (0.1, 0.001, 2),
        (0.01, 0.1, 1),
        (0.1, 0.1, 0.5),
        (0.01, 0.01, np.sqrt(2)),  # half-way between the knots in the logarithm
        (np.sqrt(0.001), 0.1, np.sqrt(0.5)),
        (0.0001, 1e-7, 2),  # outside the knots it stays
        (3.0, 1.0, 0.5),
        (0.1, 0.0, 2),
    ],
)
def test_factors_between_and_beyond_the_knots(relative, density, factor):
    np.testing.assert_allclose(apply(relative, density), factor, rtol=1e-3)


def test_only_the_relative_size_counts():
    np.testing.assert_allclose(apply(0.03, 0.02, depth=0.4), apply(0.03, 0.02, depth=70.0), rtol=1e-5)


def test_unknown_stays_unknown_and_types_stay():
    depth = np.array([[1.0, np.nan, 2.0]], np.float32)
    deviation = np.array([[0.1, np.nan, 0.0]], np.float32)
    result = TABLE.apply(deviation, depth, 0.01)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(result), [[False, True, False]])
    assert result[0, 2] == 0


def test_a_table_of_one_density_serves_all():
    table = Calibration((-3.0,), (-2.0, 0.0), ((0.5, 0.5),))
    ones = np.ones((1, 2), np.float32)
    for density in (1e-6, 0.04, 1.0):
        np.testing.assert_allclose(table.apply(ones, ones, density), np.exp(0.5), rtol=1e-6)


def test_json_brings_it_back():
    assert Calibration.from_dict(json.loads(json.dumps(TABLE.to_dict()))) == TABLE
    with pytest.raises(KeyError, match="log_factor"):
        Calibration.from_dict({"log_density": [0], "log_raw": [0], "wide": 2})
