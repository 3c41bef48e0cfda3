from __future__ import annotations

import numpy as np
import pytest

from depth_perception.models import neighborhood, surfels
from depth_perception.models.blend import BlendSettings, blend
from depth_perception.models.candidates import ABOUT, HEARD, gather

SHAPE = (40, 56)
SETTINGS = BlendSettings(channels=1)
ROWS, COLUMNS = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32)


def points_of(depth, share=0.04, step=1, seed=0):
    rng = np.random.default_rng(seed)
    sparse = np.where(rng.random(depth.shape) < share, depth, 0).astype(np.float32)
    sparse[5, 6] = depth[5, 6]
    return sparse, neighborhood.build(sparse, step)


def where_points_are(heard, shape=SHAPE):
    """Rows and columns (9, h, w) of the cells whose points are heard."""
    return np.divmod(heard.cell.astype(int), shape[1])


@pytest.fixture(scope="module")
def plane():
    """Inverse depth, points, their planes and what is heard where everything is one plane."""
    inverse = 0.2 + 0.003 * COLUMNS + 0.002 * ROWS
    sparse, points = points_of(1 / inverse)
    planes = surfels.fit(points)
    return inverse, sparse, points, planes, gather(points, planes, None, SETTINGS)


@pytest.fixture(scope="module")
def edge():
    """Depth, points and what is heard where 2 m meet 6 m, with an image that shows it."""
    depth = np.where(COLUMNS < 30, 2.0, 6.0)
    _, points = points_of(depth)
    guide = np.where(COLUMNS < 30, 0.1, 0.7).astype(np.float32)[None]
    planes = surfels.fit(points)
    return depth, points, planes, gather(points, planes, guide, SETTINGS), gather(points, planes, None, SETTINGS)


def test_on_a_plane_all_say_the_same_and_are_right(plane):
    inverse, _, _, _, heard = plane
    assert heard.about.shape == (HEARD, ABOUT, *SHAPE)
    assert heard.about.dtype == heard.inverse.dtype == np.float32
    inside = slice(4, -4), slice(4, -4)
    assert np.allclose(heard.inverse[inside], inverse[inside], rtol=0.01)
    said = np.exp(-heard.about[:, 0]) * heard.inverse
    assert np.abs(said / inverse - 1)[:, 4:-4, 4:-4].mean() < 0.01
    assert (heard.about[:, 7, 4:-4, 4:-4] > 0.7).mean() > 0.9  # they agree
    assert (heard.about[:, 7] <= 1 + 1e-5).all()


def test_a_candidate_knows_its_point(plane):
    _, sparse, points, planes, heard = plane
    rows, columns = where_points_are(heard)
    assert (sparse[rows, columns] > 0).all()
    distance = np.hypot(rows - ROWS, columns - COLUMNS)
    assert np.allclose(heard.about[:, 2] * points.block, distance, atol=1e-4)
    assert np.allclose(heard.about[:, 3] * points.block, distance - distance.min(0), atol=1e-4)
    own = np.zeros(SHAPE, np.int64)
    own[points.rows, points.columns] = np.arange(len(points.rows))
    who = own[rows, columns]
    assert np.allclose(np.exp(heard.about[:, 4]), planes.belief[who], atol=1e-5)
    assert np.allclose(np.exp(heard.about[:, 6]), planes.residual[who] + 1e-3, rtol=1e-4)
    # from its own depth to here its plane was stretched by this much
    said = np.exp(-heard.about[:, 0]) * heard.inverse
    assert np.allclose(said, np.exp(heard.about[:, 8]) / sparse[rows, columns], rtol=1e-4)


def test_weights_are_shares_of_the_hand_made_blend(edge):
    _, _, _, heard, _ = edge
    share = np.exp(heard.about[:, 1]) - 1e-4
    assert np.allclose(share.sum(0), 1, atol=1e-4)
    said = np.exp(-heard.about[:, 0]) * heard.inverse
    assert np.allclose((share * said).sum(0), heard.inverse, rtol=1e-3)


def test_the_blend_is_the_surface_models(edge):
    _, points, planes, _, heard = edge
    usual = blend(points, planes, None, BlendSettings())
    assert np.allclose(heard.inverse, usual.inverse, rtol=1e-3)


def test_at_an_edge_both_sides_are_offered_and_told_apart(edge):
    depth, _, _, heard, _ = edge
    said = np.exp(heard.about[:, 0]) / heard.inverse
    rows, columns = where_points_are(heard)
    assert np.allclose(said, depth[rows, columns], rtol=0.02)
    share = np.exp(heard.about[:, 1]) - 1e-4
    near_side = np.where(said < 4, share, 0).sum(0)
    alike = np.where(said < 4, near_side, 1 - near_side)
    assert np.allclose(heard.about[:, 7, :, 26:34], alike[:, :, 26:34], atol=0.15)
    both = ((said < 4).any(0) & (said > 4).any(0))[:, 26:34]
    assert both.mean() > 0.9
    assert np.abs(heard.inverse * depth - 1).mean() < 0.05


def test_colour_is_counted_on_the_way_to_the_point(edge):
    depth, _, _, heard, blind = edge
    rows, columns = where_points_are(heard)
    crossed = depth[rows, columns] != depth
    change = heard.about[:, 5]
    assert np.allclose(change, np.where(crossed, 0.6, 0), atol=1e-5)
    assert not blind.about[:, 5].any()
    weight, unguided = (np.where(crossed, np.exp(h.about[:, 1]), 0).sum() for h in (heard, blind))
    assert weight < 0.5 * unguided


@pytest.mark.parametrize("places", [[(3, 4)], [(3, 4), (30, 50)], [(3, 4), (20, 20), (30, 50)]])
def test_few_points_are_heard_several_times(places):
    sparse = np.zeros(SHAPE, np.float32)
    for place in places:
        sparse[place] = 4
    points = neighborhood.build(sparse, 1)
    heard = gather(points, surfels.fit(points), None, SETTINGS)
    assert heard.cell.shape == (HEARD, *SHAPE)
    assert set(np.unique(heard.cell.astype(int))) == {row * SHAPE[1] + column for row, column in places}
    assert np.allclose(heard.inverse, 0.25, rtol=1e-5)
    assert np.isfinite(heard.about).all()
    assert np.allclose(heard.about[:, [0, 8]], 0, atol=1e-5)
    assert np.allclose(heard.about[:, 7], 1, atol=1e-5)


def test_twice_as_far_sounds_the_same():
    depth = 2 + 0.05 * COLUMNS
    one, two = (
        gather(points, surfels.fit(points), None, SETTINGS) for points in (points_of(s * depth)[1] for s in (1, 2))
    )
    assert np.allclose(one.inverse, 2 * two.inverse, rtol=1e-5)
    assert np.allclose(one.about, two.about, atol=1e-3)
    assert np.array_equal(one.cell, two.cell)


def test_bands_leave_no_trace(plane):
    _, _, points, planes, heard = plane
    one = gather(points, planes, None, SETTINGS._replace(bands=1))
    assert one.moved is heard.moved is None
    for a, b in zip(one[:3], heard[:3]):
        assert np.allclose(a, b, atol=1e-5)


def test_a_shape_is_moved_through_each_point(plane):
    _, sparse, points, planes, heard = plane
    shape = (0.3 * np.sin(0.2 * COLUMNS) + 0.01 * ROWS).astype(np.float32)
    for factor in (1.0, 50.0):  # of any scale
        told = gather(points, planes, None, SETTINGS, shape + np.float32(np.log(factor)))
        rows, columns = where_points_are(told)
        expected = np.log(sparse[rows, columns]) + shape - shape[rows, columns]
        assert told.moved.shape == (HEARD, 2, *SHAPE)
        assert np.allclose(told.moved[:, 0] - np.log(told.inverse), expected, atol=1e-4)
        assert np.allclose(told.moved[:, 1], shape - shape[rows, columns], atol=1e-5)
        assert np.array_equal(told.about, heard.about)


def test_on_a_coarse_grid_cells_and_places_are_those_of_the_grid():
    depth = 2 + 0.05 * COLUMNS
    sparse, points = points_of(depth, 0.02, step=2)
    heard = gather(points, surfels.fit(points), None, SETTINGS)
    height, width = 20, 28
    assert heard.cell.shape == (HEARD, height, width)
    rows, columns = where_points_are(heard, (height, width))
    taken = sparse.reshape(height, 2, width, 2).any((1, 3))
    assert taken[rows, columns].all()
    # a point lies within its cell, at most half a cell from the middle each way
    y, x = np.mgrid[:height, :width]
    off = heard.about[:, 2] * points.block - np.hypot(rows - y, columns - x)
    assert np.abs(off).max() < 0.36
