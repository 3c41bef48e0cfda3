from __future__ import annotations

import numpy as np
import pytest

from depth_perception.models.prefill import Prefill, fill

SHAPE = (60, 80)
ROWS, COLUMNS = np.mgrid[: SHAPE[0], : SHAPE[1]]
# inverse depth is linear in the image on any plane; this one leans from 2 to about 5 m
PLANE = (1 / (0.2 + 0.003 * COLUMNS + 0.001 * ROWS)).astype(np.float32)


def points(depth, share, seed=0):
    kept = np.random.default_rng(seed).random(depth.shape) < share
    return np.where(kept, depth, 0).astype(np.float32)


def check(filled: Prefill, shape=SHAPE):
    for name, values in filled._asdict().items():
        assert values.dtype == np.float32, name
        assert values.shape == shape, name
        assert np.isfinite(values).all(), name
    for name in ("depth", "near", "far", "closest", "even"):
        assert (getattr(filled, name) > 0).all(), name
    assert (filled.near <= filled.far * 1.0001).all()
    assert ((filled.belief >= 0) & (filled.belief <= 1.0001)).all()
    assert (filled.distance >= 0).all()
    assert (filled.relative_deviation >= 0).all()


@pytest.mark.parametrize("share", [0.01, 0.03, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("guided", [True, False])
def test_a_plane_is_a_plane_at_every_density(share, guided):
    image = np.full((*SHAPE, 3), 120, np.uint8) if guided else None
    filled = fill(image, points(PLANE, share))
    check(filled)
    inner = (slice(6, -6), slice(6, -6))
    error = np.abs(filled.depth - PLANE)[inner] / PLANE[inner]
    assert np.median(error) < 0.03
    assert np.median(np.abs(filled.even - PLANE)[inner] / PLANE[inner]) < 0.03


@pytest.mark.parametrize("share", [0.01, 0.3])
def test_closest_is_the_closest_point(share):
    sparse = points(PLANE, share)
    filled = fill(None, sparse)
    given = sparse > 0
    assert np.allclose(filled.closest[given], sparse[given])
    assert (filled.distance[given] == 0).all()
    y, x = np.nonzero(given)
    for row, column in ((3, 5), (30, 41), (55, 77)):
        away = np.hypot(y - row, x - column)
        near = away <= away.min() * 1.1 + 0.5  # distances are those of a chamfer mask
        assert np.abs(sparse[y[near], x[near]] - filled.closest[row, column]).min() < 1e-3
        assert filled.distance[row, column] == pytest.approx(away.min(), rel=0.1, abs=0.1)


@pytest.mark.parametrize("share", [0.02, 0.4])
def test_between_two_surfaces_both_are_offered(share):
    step = np.where(COLUMNS < 40, 2.0, 6.0).astype(np.float32)
    filled = fill(None, points(step, share))
    check(filled)
    edge = (slice(10, -10), slice(39, 41))
    assert np.median(filled.near[edge]) == pytest.approx(2, rel=0.15)
    assert np.median(filled.far[edge]) == pytest.approx(6, rel=0.15)
    assert np.median(filled.depth[20:40, 5:20]) == pytest.approx(2, rel=0.02)
    assert np.median(filled.depth[20:40, 60:75]) == pytest.approx(6, rel=0.02)


@pytest.mark.parametrize("share", [0.01, 0.3])
def test_points_that_nobody_agrees_with_are_not_believed(share):
    rng = np.random.default_rng(1)
    wall = (5 + 0.02 * rng.normal(size=(120, 160))).astype(np.float32)
    sparse = points(wall, share)
    rows, columns = np.nonzero(sparse)
    wrong = rng.permutation(len(rows)) < len(rows) // 20
    sparse[rows[wrong], columns[wrong]] = rng.uniform(1, 3, wrong.sum())
    filled = fill(None, sparse)
    belief = filled.belief[rows, columns]
    assert np.median(belief[wrong]) < 0.45
    assert np.median(belief[~wrong]) > 0.9
    assert (np.abs(filled.depth - 5) > 0.5).mean() < 0.02  # a twentieth of them would be all the outliers' cells


@pytest.mark.parametrize("share", [0.02, 0.4])
def test_twice_as_far_is_twice_as_far(share):
    sparse = points(PLANE, share)
    one, two = fill(None, sparse), fill(None, 2 * sparse)
    for name in ("depth", "near", "far", "closest", "even"):
        assert np.allclose(getattr(two, name), 2 * getattr(one, name), rtol=1e-3), name
    for name in ("distance", "belief", "relative_deviation"):
        assert np.allclose(getattr(two, name), getattr(one, name), atol=1e-3), name


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (33, 47)])
def test_one_point_fills_everything(shape):
    sparse = np.zeros(shape, np.float32)
    sparse[shape[0] // 2, shape[1] // 2] = 3
    filled = fill(np.zeros((*shape, 3), np.uint8), sparse)
    check(filled, shape)
    assert np.allclose(filled.depth, 3, rtol=1e-3)
