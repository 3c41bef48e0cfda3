from __future__ import annotations

import numpy as np

from depth_perception.models import neighborhood
from depth_perception.models.triangles import MOST, interpolate

ROWS, COLUMNS = np.mgrid[:30, :40]


def points_at(where, depth, step=1):
    return neighborhood.build(np.where(where, depth, 0).astype(np.float32), step)


def test_planes_are_exact_between_points_and_unknown_beyond_them():
    inverse = 0.2 + 0.01 * COLUMNS + 0.005 * ROWS
    where = np.isin(ROWS, (5, 13, 25)) & np.isin(COLUMNS, (4, 20, 35))
    found, metres = interpolate(points_at(where, 1 / inverse))
    inside = (ROWS >= 5) & (ROWS <= 25) & (COLUMNS >= 4) & (COLUMNS <= 35)
    assert found.dtype == np.float32
    assert np.array_equal(np.isfinite(found), inside)
    assert np.allclose(found[inside], inverse[inside], rtol=1e-5)
    assert np.array_equal(np.isfinite(metres), inside)
    assert (metres[inside] < inverse[inside] + 1e-6).all()  # a chord lies behind a hyperbola


def test_in_metres_depth_itself_is_linear():
    depth = 2 + 0.05 * COLUMNS + 0.1 * ROWS
    where = np.isin(ROWS, (5, 13, 25)) & np.isin(COLUMNS, (4, 20, 35))
    _, found = interpolate(points_at(where, depth))
    inside = np.isfinite(found)
    assert inside.any()
    assert np.allclose(1 / found[inside], depth[inside], rtol=1e-5)


def test_on_a_coarse_grid_points_keep_their_place_in_a_cell():
    inverse = 0.2 + 0.01 * COLUMNS
    where = np.isin(ROWS, (1, 28)) & np.isin(COLUMNS, (1, 17, 38))
    found, _ = interpolate(points_at(where, 1 / inverse, step=3))
    assert found.shape == (10, 14)
    middle = 0.2 + 0.01 * (np.arange(14) * 3 + 1)
    assert np.allclose(found[4, 1:12], middle[1:12], rtol=1e-5)


def test_points_without_a_say_span_nothing():
    where = np.isin(ROWS, (5, 15, 25)) & np.isin(COLUMNS, (4, 20, 35))
    depth = np.where((ROWS == 15) & (COLUMNS == 20), 9.0, 2.0)
    points = points_at(where, depth)
    for found in interpolate(points, points.inverse > 0.2):
        assert np.allclose(found[np.isfinite(found)], 0.5)
        assert np.isfinite(found[15, 20])


def test_too_few_points_and_points_on_a_line_span_no_triangle():
    for where in (np.isin(ROWS, 3) & np.isin(COLUMNS, (4, 9)), (ROWS == 3) & (COLUMNS % 5 == 0)):
        found = interpolate(points_at(where, np.full(ROWS.shape, 2.0)))
        assert found.shape == (2, *ROWS.shape)
        assert np.isnan(found).all()


def test_of_very_many_points_nothing_is_asked():
    rows, columns = np.mgrid[:90, :100]
    points = points_at((rows % 2 == 0) & (columns % 2 == 0), np.full(rows.shape, 2.0))
    assert len(points.inverse) > MOST
    assert np.isnan(interpolate(points)).all()
    assert np.isfinite(interpolate(points, np.arange(len(points.inverse)) < MOST)).any()
