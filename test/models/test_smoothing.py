from __future__ import annotations

import numpy as np
import pytest

from depth_perception.models import neighborhood
from depth_perception.models.smoothing import spread

ROWS, COLUMNS = np.mgrid[:30, :40]


def points_at(where):
    return neighborhood.build(where.astype(np.float32), 1)


def told(where, values, guide=None, reach=5.0, weight=None):
    """Spread the maps ``values`` (k, h, w) from the cells ``where``."""
    points = points_at(where)
    given = np.stack([v[points.rows, points.columns] for v in values]).astype(np.float32)
    weight = np.ones(len(points.rows), np.float32) if weight is None else weight[points.rows, points.columns]
    return spread(points, given, weight.astype(np.float32), guide, reach)


def scattered(share, seed=0):
    return np.random.default_rng(seed).random(ROWS.shape) < share


def test_what_all_say_is_said_everywhere():
    found = told(scattered(0.02), [np.full(ROWS.shape, 0.4), np.full(ROWS.shape, -3.0)])
    assert found.shape == (2, *ROWS.shape)
    assert found.dtype == np.float32
    assert np.allclose(found[0], 0.4, rtol=1e-5)
    assert np.allclose(found[1], -3.0, rtol=1e-5)


def test_one_point_is_heard_in_the_farthest_corner():
    where = (ROWS == 0) & (COLUMNS == 0)
    assert np.allclose(told(where, [np.full(ROWS.shape, 0.7)], reach=0.5), 0.7)


@pytest.mark.parametrize("turned", [False, True])
def test_a_change_of_colour_stops_it_and_without_an_image_nothing_does(turned):
    side = (ROWS >= 13) if turned else (COLUMNS >= 17)
    where = scattered(0.02)
    values = [np.where(side, 1.0, 0.5)]
    guide = np.where(side, 0.8, 0.3).astype(np.float32)[None]
    assert np.abs(told(where, values, guide) - values).max() < 0.01
    assert np.abs(told(where, values) - values).max() > 0.1


def test_it_goes_round_a_corner_where_a_straight_look_is_barred():
    """An L of one colour: its far end hears the near end, not the other colour's points that lie closer."""
    shape_l = (COLUMNS < 6) | (ROWS >= 24)
    where = ((ROWS == 2) & (COLUMNS == 2)) | ((ROWS == 20) & (COLUMNS == 38))
    found = told(where, [np.where(shape_l, 1.0, 0.5)], np.where(shape_l, 0.9, 0.1).astype(np.float32)[None], 20.0)[0]
    assert found[27, 38] > 0.9
    assert found[10, 30] < 0.6


def test_weights_count_and_a_point_without_any_does_not():
    where = scattered(0.05)
    wrong = where & scattered(0.3, seed=1)
    values = [np.where(wrong, 9.0, 0.5)]
    assert np.allclose(told(where, values, weight=np.where(wrong, 0.0, 1.0)), 0.5)
    assert told(where, values, weight=np.where(wrong, 1e-3, 1.0)).mean() < 0.52


def test_a_longer_reach_averages_over_more():
    values = [0.5 + 0.1 * np.random.default_rng(2).standard_normal(ROWS.shape)]
    near, far = (told(scattered(0.3), values, reach=reach).std() for reach in (1.0, 8.0))
    assert far < 0.5 * near


def test_a_grid_of_one_row_and_of_one_column():
    for shape in ((1, 40), (30, 1)):
        where = np.zeros(shape, bool)
        where.flat[::7] = True
        assert np.allclose(told(where, [np.full(shape, 2.0)]), 2.0)
