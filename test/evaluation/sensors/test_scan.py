import numpy as np

from depth_perception.evaluation.sensors import Points, make_scan
from depth_perception.evaluation.sensors.scan import reach


def points(*triples):
    return Points(*np.array(triples, float).T)


def test_the_nearest_of_a_pixel_wins_and_borders_round_to_pixels():
    scan = make_scan(points((0.4, -0.4, 3), (-0.4, 0.4, 2), (3.49, 1.49, 5)), np.full((2, 4), 2, np.float32))
    assert scan.sparse[0, 0] == 2
    assert scan.sparse[1, 3] == 5
    assert np.count_nonzero(scan.sparse) == 2


def test_what_leaves_the_image_or_is_no_depth_is_lost():
    outside = points((-0.6, 0, 1), (3.5, 0, 1), (0, -0.6, 1), (0, 1.5, 1), (np.nan, 0, 1), (0, 0, np.nan), (1, 1, -1))
    scan = make_scan(outside, np.ones((2, 4), np.float32))
    assert not scan.sparse.any()
    assert np.isnan(scan.inlier).all()


def test_labels_follow_the_tolerance():
    truth = np.array([[10, 10, 10, 10, 0, np.nan, 10]], np.float32)  # 3 % and 5 cm: off by up to 0.35 m
    scan = make_scan(points((0, 0, 10.34), (1, 0, 10.36), (2, 0, 9.66), (3, 0, 9.64), (4, 0, 3), (5, 0, 3)), truth)
    np.testing.assert_array_equal(scan.inlier, [[1, 0, 1, 0, 0, 0, np.nan]])
    assert scan.sparse.dtype == scan.inlier.dtype == np.float32


def test_half_a_pixel_on_a_grazing_floor_is_not_wrong():
    inverse = np.linspace(0.02, 0.2, 10)[:, None] * np.ones((1, 6))  # a plane: inverse depth is linear
    depth = (1 / inverse).astype(np.float32)
    seen = 1 / (inverse[4, 3] + 0.5 * 0.02)  # half a row below
    assert abs(seen - depth[4, 3]) > 0.03 * depth[4, 3] + 0.05
    assert make_scan(points((3, 4, seen)), depth).inlier[4, 3] == 1
    assert make_scan(points((3, 4, 1 / inverse[6, 3])), depth).inlier[4, 3] == 0
    depth[:, 3:] = 2.0  # an edge is no slope
    assert make_scan(points((2, 4, 4.0)), depth).inlier[4, 2] == 0
    assert make_scan(points((3, 4, 3.0)), depth).inlier[4, 3] == 0


def test_reach_is_raised_until_enough_is_near():
    depth = np.repeat(np.linspace(1, 100, 100, dtype=np.float32)[:, None], 40, 1)
    assert reach(depth, 10, 0.0) == 10
    assert abs((depth <= reach(depth, 10, 0.5)).mean() - 0.5) < 0.03
    assert reach(depth, 80, 0.5) == 80
    assert reach(np.zeros((8, 8), np.float32), 10, 0.5) == 10
