from __future__ import annotations

import numpy as np
import pytest

from depth_perception.visualization.colormap import (
    UNKNOWN_COLOR,
    apply_table,
    colorize,
    colorize_error,
    colorize_std,
    depth_position,
    depth_range,
    lookup_table,
)


@pytest.mark.parametrize("name", ["turbo", "inferno", "viridis"])
def test_unknown_differs_from_every_color_of_the_map(name):
    table = lookup_table(name).astype(int)
    assert table.shape == (256, 3)
    assert tuple(table[0]) == UNKNOWN_COLOR
    assert np.abs(table[1:] - table[0]).max(axis=1).min() > 15


def test_unknown_map_is_refused():
    with pytest.raises(ValueError, match="turbo, inferno, viridis"):
        lookup_table("jet")


def test_near_is_warm_and_far_is_cold():
    near, middle, far = colorize(np.array([[1.0, 8.0, 64.0]], np.float32), 1.0, 64.0)[0].astype(int)
    assert near[0] > near[2] + 60  # red
    assert far[2] > far[0]  # blue
    assert middle[1] > max(middle[0], middle[2])  # green lies between


def test_invalid_depths_get_the_unknown_color():
    depth = np.array([[np.nan, np.inf, -np.inf, 0.0, -2.0, 3.0]], np.float32)
    picture = colorize(depth, 1.0, 10.0)
    assert all(tuple(pixel) == UNKNOWN_COLOR for pixel in picture[0, :5])
    assert tuple(picture[0, 5]) != UNKNOWN_COLOR


def test_equal_ratios_get_equal_steps():
    position = depth_position(np.array([[1.0, 2.0, 4.0, 8.0, 16.0]], np.float32), 1.0, 16.0)
    np.testing.assert_allclose(position, [[0.0, 0.25, 0.5, 0.75, 1.0]], atol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0), (2.0, 2.0), (3.0, 2.0)])
def test_bad_range_is_refused(low, high):
    with pytest.raises(ValueError, match="0 < minimum < maximum"):
        depth_position(np.ones((1, 1)), low, high)


def test_depths_outside_the_range_take_its_end_colors():
    picture = colorize(np.array([[0.1, 1.0, 10.0, 99.0]], np.float32), 1.0, 10.0)[0]
    np.testing.assert_array_equal(picture[0], picture[1])
    np.testing.assert_array_equal(picture[2], picture[3])
    assert tuple(picture[3]) != UNKNOWN_COLOR


def test_automatic_range_ignores_a_few_outliers():
    depth = np.full((100, 100), 5.0, np.float32)
    depth[:50] = 2.0
    depth[0, :5] = 500.0
    assert depth_range(depth) == pytest.approx((2.0, 5.0))


def test_flat_wall_and_nothing_known():
    low, high = depth_range(np.full((4, 4), 3.0, np.float32))
    assert low < 3.0 < high
    assert depth_range(np.full((4, 4), np.nan, np.float32)) is None
    assert np.all(colorize(np.full((4, 4), np.nan, np.float32)) == UNKNOWN_COLOR)


@pytest.mark.parametrize(("low", "high"), [(50.0, None), (None, 0.5), (1.0, None), (None, 9.0)])
def test_one_fixed_end_always_gives_a_picture(low, high):
    picture = colorize(np.linspace(1, 10, 64, dtype=np.float32).reshape(8, 8), low, high)
    assert picture.shape == (8, 8, 3)
    assert picture.dtype == np.uint8


def test_input_is_left_alone_and_double_precision_is_taken():
    depth = np.linspace(1, 10, 64).reshape(8, 8)
    copy = depth.copy()
    np.testing.assert_array_equal(colorize(depth, 1, 10), colorize(depth.astype(np.float32), 1, 10))
    np.testing.assert_array_equal(depth, copy)


def test_error_is_symmetric_and_brighter_when_larger():
    picture = colorize_error(np.array([[0.0, 0.5, -0.5, 1.0, np.nan]]), 1.0)[0].astype(int)
    np.testing.assert_array_equal(picture[1], picture[2])
    assert picture[0].sum() < picture[1].sum() < picture[3].sum()
    assert tuple(picture[4]) == UNKNOWN_COLOR


def test_deviation_without_any_known_value():
    assert np.all(colorize_std(np.full((3, 3), np.nan, np.float32)) == UNKNOWN_COLOR)
    known = colorize_std(np.zeros((3, 3), np.float32))
    assert not np.any(np.all(known == UNKNOWN_COLOR, axis=2))


def test_table_ends_are_used():
    table = lookup_table("viridis")
    picture = apply_table(np.array([[0.0, 1.0]], np.float32), table)
    np.testing.assert_array_equal(picture[0], table[[1, 255]])
