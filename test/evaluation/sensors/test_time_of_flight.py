import numpy as np
import pytest

from depth_perception.evaluation.sensors import Sensor, TimeOfFlight

from .conftest import BOX, WALL


@pytest.mark.parametrize(("columns", "rows"), [(8, 8), (32, 24), (160, 120)])
def test_one_point_per_zone(columns, rows, frame, rng):
    sparse = Sensor(TimeOfFlight(columns, rows, flying=0)).scan(frame, rng).sparse
    assert np.count_nonzero(sparse) == columns * rows
    assert np.count_nonzero(sparse.any(axis=1)) == rows


def test_span_leaves_a_border(frame, rng):
    sparse = Sensor(TimeOfFlight(8, 8, span=0.5)).scan(frame, rng).sparse
    inside = sparse[60:180, 80:240]
    assert np.count_nonzero(sparse) == np.count_nonzero(inside) == 64


def test_range_limit(frame, rng):
    sparse = Sensor(TimeOfFlight(32, 24, limit=4, flying=0)).scan(frame, rng).sparse
    assert set(np.unique(sparse)) == {0, BOX}
    raised = Sensor(TimeOfFlight(32, 24, limit=4, least_share=0.9, flying=0)).scan(frame, rng).sparse
    assert np.count_nonzero(raised == np.float32(WALL)) > 400


def test_flying_pixels_lie_between_and_only_at_edges(frame, rng):
    scan = Sensor(TimeOfFlight(80, 60, flying=1.0)).scan(frame, rng)
    between = (scan.sparse > BOX * 1.01) & (scan.sparse < WALL * 0.99)
    assert between.sum() > 30
    assert (scan.inlier[between] == 0).mean() > 0.95
    edge = np.abs(np.diff(frame.depth, axis=0, prepend=WALL)) + np.abs(np.diff(frame.depth, axis=1, prepend=WALL))
    rows, columns = np.nonzero(between)
    edge_rows, edge_columns = np.nonzero(edge)
    away = np.abs(rows[:, None] - edge_rows) + np.abs(columns[:, None] - edge_columns)
    assert away.min(axis=1).max() <= 6  # zones are 4 pixels wide
    solid = Sensor(TimeOfFlight(80, 60, flying=0.0)).scan(frame, rng).sparse
    assert set(np.unique(solid[solid > 0])) == {BOX, WALL}


def test_noise_is_relative(frame, rng):
    sparse = Sensor(TimeOfFlight(160, 120, flying=0, noise=0.02)).scan(frame, rng).sparse
    wall = sparse[:70][sparse[:70] > 0]
    assert np.std(wall) / WALL == pytest.approx(0.02, rel=0.1)
