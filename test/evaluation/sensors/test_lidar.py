import dataclasses

import numpy as np
import pytest

from depth_perception.evaluation.sensors import Frame, Sensor, SolidState, Spinning
from depth_perception.evaluation.sensors.lidar import rotation_matrix

from .conftest import BOX, CAMERA, FOCAL, HEIGHT, LEFT, RIGHT, WALL, WIDTH

WALL_ONLY = Frame(np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.full((HEIGHT, WIDTH), 5, np.float32), CAMERA)


def rows_in_the_middle(sparse):
    return np.flatnonzero((sparse[:, WIDTH // 2 - 3 : WIDTH // 2 + 3] > 0).any(axis=1))


@pytest.mark.parametrize("rings", [4, 8, 16, 32, 64])
def test_every_ring_is_visible(rings, rng):
    scan = Sensor(Spinning(rings)).scan(WALL_ONLY, rng)
    assert len(rows_in_the_middle(scan.sparse)) == rings


def test_128_rings_fill_almost_every_second_row(rng):
    scan = Sensor(Spinning(128)).scan(WALL_ONLY, rng)
    assert 120 <= len(rows_in_the_middle(scan.sparse)) <= 128


def test_a_makers_field_is_kept(rng):
    scan = Sensor(Spinning(16, (-15, 15))).scan(WALL_ONLY, rng)
    rows = rows_in_the_middle(scan.sparse)
    assert len(rows) == 16
    elevation = np.degrees(np.arctan2(119.5 - rows, FOCAL))
    np.testing.assert_allclose([elevation.min(), elevation.max()], [-15, 15], atol=0.25)


def test_rings_per_rows_keep_their_spacing_in_a_small_image(rng):
    assert len(rows_in_the_middle(Sensor(Spinning(64, per_rows=True)).scan(WALL_ONLY, rng).sparse)) == 32


def test_azimuth_step_spaces_the_shots(rng):
    row = Sensor(Spinning(1, azimuth_step=None, azimuth_pixels=4)).scan(WALL_ONLY, rng).sparse
    columns = np.flatnonzero((row > 0).any(axis=0))
    middle = columns[np.abs(columns - 160) < 40]
    assert 3.5 < np.diff(middle).mean() < 4.6


def test_mounting_turns_the_lines(rng):
    sparse = Sensor(Spinning(5, mounting=(5, 0, 0))).scan(WALL_ONLY, rng).sparse
    ring = Spinning(5, mounting=(5, 0, 0)).draw(WALL_ONLY, rng)
    middle = ring.ring == 2
    slope = np.polyfit(ring.u[middle], ring.v[middle], 1)[0]
    assert abs(np.degrees(np.arctan(slope))) == pytest.approx(5, abs=0.3)
    assert sparse.any()


def test_without_a_second_view_everything_is_exactly_true(frame, rng):
    scan = Sensor(Spinning(32)).scan(frame, rng)
    given = scan.sparse > 0
    np.testing.assert_array_equal(scan.sparse[given], frame.depth[given])
    assert (scan.inlier[given] == 1).all()


def test_parallax_shows_wall_within_the_box_and_calls_it_wrong(shifted_frame, rng):
    scan = Sensor(Spinning(64, azimuth_step=0.1)).scan(shifted_frame, rng)
    given = scan.sparse > 0
    true = shifted_frame.depth
    wrong = scan.inlier == 0
    # box and wall move by 25 and 8 pixels: the LiDAR sees wall that the box hides from the camera, right of it
    assert wrong.any()
    assert scan.sparse[wrong] == pytest.approx(WALL)
    assert (true[wrong] == BOX).all()
    columns = np.nonzero(wrong)[1]
    assert columns.min() >= LEFT
    assert columns.max() < RIGHT
    assert columns.min() >= RIGHT - 20
    np.testing.assert_allclose(scan.sparse[scan.inlier == 1], true[scan.inlier == 1])
    assert np.isnan(scan.inlier[~given]).all()


def test_what_the_lidar_cannot_see_has_no_points(shifted_frame, rng):
    sparse = Sensor(Spinning(64, azimuth_step=0.1)).scan(shifted_frame, rng).sparse
    shadow = sparse[90:170, LEFT - 14 : LEFT - 2]  # left of the box, hidden from a LiDAR on the right
    assert not shadow.any()


def test_range_is_limited(frame, rng):
    sparse = Sensor(Spinning(32, reach=(0.1, 4.0))).scan(frame, rng).sparse
    assert set(np.unique(sparse)) == {0, BOX}
    assert not Sensor(Spinning(32, reach=(2.5, 4.0))).scan(frame, rng).sparse.any()


def test_sky_gives_nothing(frame, rng):
    depth = frame.depth.copy()
    depth[:100] = np.nan
    sparse = Sensor(Spinning(32)).scan(dataclasses.replace(frame, depth=depth), rng).sparse
    assert not sparse[:100].any()
    assert np.isfinite(sparse).all()


@pytest.mark.parametrize("path", ["rosette", "lissajous", "rows"])
def test_solid_state_covers_its_field_and_no_more(path, rng):
    sparse = Sensor(SolidState(20000, path, span=0.5)).scan(WALL_ONLY, rng).sparse
    rows, columns = np.nonzero(sparse)
    assert 0.45 * WIDTH < np.ptp(columns) <= 0.5 * WIDTH + 1
    assert 0.4 * HEIGHT < np.ptp(rows) <= 0.5 * HEIGHT + 1
    assert len(rows) > 1500


def test_scanned_rows_are_few_and_dense(rng):
    sparse = Sensor(SolidState(20000, "rows")).scan(WALL_ONLY, rng).sparse
    rows = np.unique(np.nonzero(sparse)[0])
    assert len(rows) < 45
    assert np.diff(rows).min() > 3


def test_rotations_are_rotations():
    R = rotation_matrix((3, -7, 20))
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(rotation_matrix((0, 0, 90)) @ [0, 0, 1], [1, 0, 0], atol=1e-12)  # yaw right
