from __future__ import annotations

import numpy as np
import pytest

from depth_perception.frames import SparseDepth
from depth_perception.visualization.colormap import colorize
from depth_perception.visualization.overlay import draw_points, overlay_points, point_colors


def sparse(rows, columns, depth, shape=(40, 50)):
    index = np.arange(len(rows), dtype=np.int32)
    return SparseDepth(shape, np.int32(rows), np.int32(columns), np.float32(depth), index)


def test_dots_have_their_radius_and_stay_inside():
    ground = np.zeros((10, 12, 3), np.uint8)
    out = draw_points(ground, np.array([5, 0]), np.array([6, 11]), np.array([[9, 9, 9], [7, 7, 7]], np.uint8), 1)
    assert np.sum(out == 9) == 3 * 9  # a disc of radius 1 with corners
    assert np.sum(out == 7) == 3 * 4  # a quarter of it in the corner
    assert not ground.any()


def test_radius_zero_is_one_pixel():
    out = draw_points(np.zeros((4, 4, 3), np.uint8), np.array([2]), np.array([1]), np.array([[1, 2, 3]], np.uint8), 0)
    assert out.any(axis=2).sum() == 1
    assert tuple(out[2, 1]) == (1, 2, 3)


def test_overlapping_dots_share_pixels_by_centre_and_near_ones_win_ties():
    image = np.full((40, 50, 3), 200, np.uint8)
    out = overlay_points(image, sparse([20, 20], [26, 24], [2.0, 30.0]), 1.0, 40.0, radius=2)
    near, far = point_colors(np.array([2.0, 30.0]), 1.0, 40.0)
    np.testing.assert_array_equal(out[20, 24], far)
    np.testing.assert_array_equal(out[20, 25], near)
    np.testing.assert_array_equal(out[20, 26], near)


def test_point_colors_match_the_dense_picture():
    depth = np.array([1.0, 3.0, 9.0], np.float32)
    np.testing.assert_array_equal(point_colors(depth, 1.0, 9.0), colorize(depth[None], 1.0, 9.0)[0])


def test_ground_is_grey_and_darker():
    image = np.zeros((40, 50, 3), np.uint8)
    image[..., 0] = 250
    out = overlay_points(image, sparse([0], [0], [5.0]))
    pixel = out[30, 30].astype(int)
    assert pixel[0] == pixel[1] == pixel[2] < 250


def test_no_points_leave_the_ground():
    out = overlay_points(np.full((40, 50, 3), 80, np.uint8), sparse([], [], []))
    assert np.unique(out).size == 1


def test_sizes_must_match():
    with pytest.raises(ValueError, match="height, width"):
        overlay_points(np.zeros((10, 10, 3), np.uint8), sparse([1], [1], [1.0]))
