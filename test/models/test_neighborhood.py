import numpy as np

from depth_perception.models.neighborhood import block_size, build


def test_points_keep_their_place_inside_the_cell():
    sparse = np.zeros((8, 12), np.float32)
    sparse[0, 0], sparse[5, 11] = 2.0, 4.0
    points = build(sparse, 4)
    assert points.shape == (2, 3)
    assert points.rows.tolist() == [0, 1]
    assert points.columns.tolist() == [0, 2]
    np.testing.assert_allclose(points.y, [-0.375, 0.875])  # the middle of cell i is pixel 4 i + 1.5
    np.testing.assert_allclose(points.x, [-0.375, 2.375])
    np.testing.assert_allclose(points.inverse, [0.5, 0.25])
    assert points.pixels.tolist() == [0, 5 * 12 + 11]


def test_one_point_is_everybodys_neighbor():
    sparse = np.zeros((9, 7), np.float32)
    sparse[3, 3] = 1
    points = build(sparse, 1)
    assert points.near.shape == (1, 9, 7)
    assert not points.near.any()


def test_between_two_scan_lines_both_are_heard():
    sparse = np.zeros((60, 80), np.float32)
    sparse[20], sparse[40] = 1.0, 2.0
    points = build(sparse, 1)
    lines = points.rows[points.near[:, 30, 40]]
    assert set(lines.tolist()) == {20, 40}  # the nearest nine alone would be of one line at row 29
    lines = points.rows[points.near[:, 27, 40]]
    assert set(lines.tolist()) == {20, 40}


def test_the_nearest_point_is_among_the_neighbors():
    rng = np.random.default_rng(0)
    sparse = np.zeros((50, 70), np.float32)
    sparse.flat[rng.choice(sparse.size, 60, replace=False)] = rng.uniform(1, 5, 60)
    points = build(sparse, 1)
    grid = np.mgrid[:50, :70]
    distance = np.hypot(grid[0][..., None] - points.rows, grid[1][..., None] - points.columns)
    best = distance.min(-1)
    heard = np.take_along_axis(distance, np.moveaxis(points.near, 0, -1), -1).min(-1)
    assert np.quantile(heard - best, 0.99) < 0.6  # the 5 x 5 distance transform is exact to a few per cent


def test_blocks_are_as_large_as_the_gaps():
    lines = np.repeat(np.arange(0, 200, 20), 300), np.tile(np.arange(300), 10)
    assert 10 <= block_size(*lines, (200, 300)) <= 20
    scattered = np.divmod(np.random.default_rng(0).choice(60_000, 150, replace=False), 300)
    assert 14 <= block_size(*scattered, (200, 300)) <= 26  # the spacing is 20
    assert block_size(np.array([3]), np.array([4]), (200, 300)) == 2
