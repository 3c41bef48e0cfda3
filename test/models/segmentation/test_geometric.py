from __future__ import annotations

import numpy as np
import pytest

from depth_perception.frames import CameraModel
from depth_perception.models.segmentation.geometric import (
    GeometricSegmenter,
    GeometricSettings,
    drop_small,
    shrink_depth,
    thick_pieces,
    with_thin_pieces,
    working_step,
)


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


def three_things(table):
    table.box((-0.4, -0.1, 0.0), (-0.15, 0.1, 0.2))
    table.box((0.1, 0.1, 0.0), (0.3, 0.35, 0.12), (40, 160, 60))
    table.ball((0.15, -0.25, 0.09), 0.09)
    return table


@pytest.mark.parametrize("noise", [0.0, 0.002])
def test_things_on_a_table_are_told_apart_and_the_table_is_background(table, noise):
    three_things(table)
    labels = GeometricSegmenter().segment(table.image, table.depth_image(noise), table.camera)
    assert labels.dtype == np.int32
    assert labels.max() == 3
    best = [max(overlap(labels == k, table.labels == true) for k in (1, 2, 3)) for true in (1, 2, 3)]
    assert min(best) > 0.75, best
    assert np.mean(labels[table.labels == 0] == 0) > 0.97


def test_touching_boxes_fall_apart_in_the_hollow_between_them(table):
    table.box((-0.25, 0.0, 0.0), (0.0, 0.2, 0.1)).box((0.0, -0.15, 0.0), (0.25, 0.1, 0.22))
    labels = GeometricSegmenter().segment(table.image, table.depth_image(), table.camera)
    assert labels.max() == 2


def test_a_box_stays_in_one_piece_although_its_faces_bend(table):
    table.box((-0.3, -0.2, 0.0), (0.1, 0.2, 0.3))
    labels = GeometricSegmenter().segment(table.image, table.depth_image(0.001), table.camera)
    assert labels.max() == 1
    assert overlap(labels == 1, table.labels == 1) > 0.85


def test_pixels_without_depth_are_unknown(table):
    three_things(table)
    depth = table.depth_image()
    depth[20:30, 40:60], depth[50:60, 40:60] = np.nan, 0.0
    labels = GeometricSegmenter().segment(table.image, depth, table.camera)
    assert (labels[20:30, 40:60] == -1).all()
    assert (labels[50:60, 40:60] == -1).all()
    empty = GeometricSegmenter().segment(table.image, np.full_like(depth, np.nan), table.camera)
    assert (empty == -1).all()


def test_what_is_too_wide_is_background_and_what_is_too_small_unknown(table):
    table.box((-0.3, -0.2, 0.0), (0.1, 0.2, 0.3))
    depth = table.depth_image()
    wide = GeometricSegmenter(GeometricSettings(largest=0.2)).segment(table.image, depth, table.camera)
    small = GeometricSegmenter(GeometricSettings(least=0.5)).segment(table.image, depth, table.camera)
    assert wide.max() == 0
    assert small.max() == 0
    middle = table.labels == 1
    assert np.mean(wide[middle] == 0) > 0.9
    assert np.mean(small[middle] == -1) > 0.9


def test_the_same_image_gives_the_same_labels_larger_objects_first(table):
    three_things(table)
    depth = table.depth_image(0.002)
    first = GeometricSegmenter().segment(table.image, depth, table.camera)
    assert np.array_equal(first, GeometricSegmenter().segment(table.image, depth, table.camera))
    sizes = [(first == k).sum() for k in range(1, first.max() + 1)]
    assert sizes == sorted(sizes, reverse=True)


def test_sizes_that_differ_are_named(table):
    with pytest.raises(ValueError, match=r"\(120, 160\).*\(60, 160\)"):
        GeometricSegmenter().segment(table.image, np.ones((60, 160), np.float32), table.camera)


def test_a_large_image_is_cut_at_a_smaller_size():
    assert working_step((240, 320), 80_000) == 1
    assert working_step((480, 640), 80_000) == 2
    depth = np.full((480, 640), np.nan, np.float32)
    depth[::2, ::2] = 1.0  # a camera that measures every fourth pixel
    camera = CameraModel.pinhole(600, 600, 319.5, 239.5, 640, 480)
    labels = GeometricSegmenter().segment(np.zeros((480, 640, 3), np.uint8), depth, camera)
    assert labels.shape == (480, 640)
    assert (labels[::2, ::2] >= 0).mean() > 0.95
    assert (labels[1::2] == -1).all()


def test_shrinking_depth_keeps_the_near_surface():
    depth = np.array([[1.0, 1.02, np.nan, np.nan], [3.0, 0.0, np.nan, np.nan]], np.float32)
    np.testing.assert_allclose(shrink_depth(depth, 2), [[1.01, np.nan]], rtol=1e-6)


def test_small_pieces_are_dropped_and_the_others_numbered_anew():
    pieces = np.array([[1, 2, 2], [0, 3, 3]], np.int32)
    assert drop_small(pieces, 4, 2).tolist() == [[0, 1, 1], [0, 2, 2]]


def test_a_sliver_is_no_piece_unless_nothing_larger_takes_it():
    mask = np.zeros((12, 20), bool)
    mask[1:9, 1:8] = mask[1:9, 10:12] = True
    pieces = thick_pieces(mask, 4)
    assert pieces.max() == 1
    assert (pieces[:, 9:] == 0).all()
    both = with_thin_pieces(pieces, mask, 4)
    assert (both[1:9, 10:12] == 2).all()
    assert with_thin_pieces(pieces, mask, 100).max() == 1
    mask[1:9, 8:10] = True  # now it is the side of the larger piece
    assert with_thin_pieces(pieces, mask, 4).max() == 1
