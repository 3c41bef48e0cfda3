import dataclasses

import numpy as np
import pytest

from depth_perception.evaluation.sensors import CLEAN, Corruption, Frame, Sensor, Spinning, Uniform
from depth_perception.evaluation.sensors.scan import at_pixels

from .conftest import BOX, CAMERA, FOCAL, LEFT, RIGHT, WALL


@pytest.fixture
def points(frame, rng):
    return Uniform(20000).draw(frame, rng)


def changed(points, frame, rng, **what):
    return Corruption(**what).apply(points, frame, rng)


def test_clean_changes_nothing(points, frame, rng):
    out = CLEAN.apply(points, frame, rng)
    for one, two in zip(points[:3], out[:3]):
        np.testing.assert_array_equal(one, two)


def test_noise_touches_depth_alone(points, frame, rng):
    out = changed(points, frame, rng, noise=0.02)
    assert np.std(out.z / points.z - 1) == pytest.approx(0.02, rel=0.1)
    np.testing.assert_array_equal(out.u, points.u)
    np.testing.assert_array_equal(out.v, points.v)


def test_outliers_hit_their_share_in_log_depth(points, frame, rng):
    out = changed(points, frame, rng, outliers=0.1)
    hit = out.z != points.z
    assert hit.sum() == 500
    assert out.z[hit].min() >= BOX / 2
    assert out.z[hit].max() <= WALL * 2
    assert abs((np.log(out.z[hit]) < np.log(np.sqrt(BOX * WALL))).mean() - 0.5) < 0.08


def test_clusters_are_patches_with_one_factor(points, frame):
    out = changed(points, frame, np.random.default_rng(3), clusters=0.04)
    ratio = out.z / points.z
    hit = ~np.isclose(ratio, 1)
    assert 0.01 < hit.mean() <= 0.041
    assert len(np.unique(ratio[hit].round(6))) <= 10  # up to four patches; where they meet, factors multiply
    some = np.isclose(ratio, ratio[hit][0])
    assert np.ptp(points.u[some]) < 120


def test_mixed_pixels_only_at_edges_and_between(points, frame, rng):
    out = changed(points, frame, rng, mixed=1.0)
    hit = out.z != points.z
    assert hit.sum() > 20
    assert ((out.z[hit] > BOX) & (out.z[hit] < WALL)).all()
    edge = np.abs(frame.depth - np.roll(frame.depth, 1, 1)) + np.abs(frame.depth - np.roll(frame.depth, 1, 0)) > 0
    rows, columns = np.nonzero(edge)
    away = np.maximum(np.abs(points.u[hit][:, None] - columns), np.abs(points.v[hit][:, None] - rows)).min(axis=1)
    assert away.max() <= 3


def test_drop_loses_its_share_and_keeps_the_rest(points, frame, rng):
    out = changed(points, frame, rng, drop=0.4)
    assert len(out.z) / len(points.z) == pytest.approx(0.6, abs=0.03)
    before = set(zip(points.u, points.v, points.z))
    assert set(zip(out.u, out.v, out.z)) <= before


@pytest.mark.parametrize(("what", "value"), [("dark", 0), ("bright", 255)])
def test_dark_and_bright_surfaces_swallow_points(what, value, points, frame, rng):
    image = np.full_like(frame.image, 120)
    image[:, 160:] = value
    out = changed(points, dataclasses.replace(frame, image=image), rng, **{what: 1.0})
    np.testing.assert_array_equal(out.u, points.u[points.u < 160])


def test_every_fourth_ring_is_missing(frame, rng):
    points = Spinning(32).draw(frame, rng)
    out = changed(points, frame, rng, ring_period=4)
    missing = np.setdiff1d(np.arange(32), out.ring)
    assert len(missing) == 8
    assert set(np.diff(missing)) == {4}
    np.testing.assert_array_equal(out.u, points.u[np.isin(points.ring, out.ring)])


def test_missing_rings_mean_nothing_without_rings(points, frame, rng):
    assert len(changed(points, frame, rng, ring_period=2).z) == len(points.z)


def test_a_sector_is_missing(points, frame, rng):
    out = changed(points, frame, rng, sector=0.25)
    gap = np.diff(np.concatenate([[-1], np.unique(out.u), [320]])).max()
    assert gap == pytest.approx(80, abs=3)


def test_shift_moves_all_points_alike(points, frame, rng):
    out = changed(points, frame, rng, shift=(3.0, -2.0))
    np.testing.assert_array_equal(out.u, points.u + 3)
    np.testing.assert_array_equal(out.v, points.v - 2)
    np.testing.assert_array_equal(out.z, points.z)


def test_translation_moves_near_points_more(points, frame, rng):
    out = changed(points, frame, rng, translation=(0.1, 0.0))
    move = out.u - points.u
    np.testing.assert_allclose(move[points.z < 3], FOCAL * 0.1 / BOX)
    np.testing.assert_allclose(move[points.z > 3], FOCAL * 0.1 / WALL)
    np.testing.assert_array_equal(out.v, points.v)


def test_roll_turns_about_the_optical_axis(points, frame, rng):
    out = changed(points, frame, rng, roll=2.0)
    before = np.hypot(points.u - CAMERA.K[0, 2], points.v - CAMERA.K[1, 2])
    after = np.hypot(out.u - CAMERA.K[0, 2], out.v - CAMERA.K[1, 2])
    np.testing.assert_allclose(before, after)
    assert not np.allclose(out.u, points.u)


def test_sweep_skews_from_left_to_right(points, frame, rng):
    move = changed(points, frame, rng, sweep=2.0).u - points.u
    assert move[points.u < 20].max() < 0.2
    assert move[points.u > 300].min() > 1.8


def test_a_shift_makes_wrong_points_at_edges_only(frame, rng):
    scan = Sensor(Uniform(60000), Corruption(shift=(4.0, 0.0))).scan(frame, rng)
    columns = np.nonzero(scan.inlier == 0)[1]
    assert len(columns)
    assert set(columns) <= {*range(LEFT, LEFT + 4), *range(RIGHT, RIGHT + 4)}


def test_nothing_stays_nothing(frame, rng):
    empty = at_pixels(frame.depth, np.zeros(0, np.intp))
    everything = Corruption(0.1, 0.1, 0.1, 0.5, 0.1, 1, 1, 4, 0.1, (1, 1), 1, (0.1, 0), 1)
    assert not len(everything.apply(empty, frame, rng).z)
    none_known = Frame(frame.image, np.zeros_like(frame.depth), CAMERA)
    assert not Sensor(Uniform(100), everything).scan(none_known, rng).sparse.any()
