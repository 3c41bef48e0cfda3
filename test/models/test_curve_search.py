from __future__ import annotations

import math

import pytest

from depth_perception.models.curve_search import minimise, valleys


def test_minimum_of_a_known_function():
    search = minimise(lambda x: abs(x - 0.337), (-1.0, 0.0, 1.0, 2.0), 0.001)
    assert search.best == pytest.approx(0.337, abs=0.001)
    assert search.errors == pytest.approx((1.337, 0.337, 0.663, 1.663))
    assert search.has_minimum


@pytest.mark.parametrize(
    "function",
    [lambda x: x, lambda x: -x, lambda x: math.cos(3 * x), lambda x: math.inf],
    ids=["rises", "falls", "two", "nothing"],
)
def test_a_curve_without_one_minimum_says_so(function):
    assert not minimise(function, [x / 4 for x in range(-8, 9)], 0.01).has_minimum


def test_a_hollow_high_up_is_no_second_minimum():
    heights = {0: 3.0, 1: 0.0, 2: 2.0, 3: 4.0, 4: 3.0, 5: 5.0}
    assert minimise(lambda x: heights[round(x)], range(6), 1.0).has_minimum
    heights[4] = 1.0
    assert not minimise(lambda x: heights[round(x)], range(6), 1.0).has_minimum


def test_ripples_are_no_minima_and_unknown_ends_are_walls():
    assert valleys([5, 3, 3.1, 1, 1.2, 1.1, 4], 0.5) == [3]
    assert valleys([5, 1, 4, 2, 5], 0.5) == [1, 3]
    assert valleys([math.inf, 1, 2, math.nan], 0.1) == [1]
    assert valleys([1, 2, 3, 2.5, 0], 0.6) == [0, 4]
    assert valleys([2, 2, 2], 0.1) == [0]


def test_points_must_ascend():
    with pytest.raises(ValueError, match="ascending"):
        minimise(abs, (0.0, 2.0, 1.0), 0.1)
