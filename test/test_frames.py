from __future__ import annotations

import numpy as np
import pytest

from depth_perception.frames import CameraModel, DepthEstimate, ScaleKind, SparseDepth


def test_sparse_depth_round_trips_through_its_image():
    image = np.zeros((4, 5), np.float32)
    image[1, 2], image[3, 4] = 2.5, 7.0
    sparse = SparseDepth.from_image(image)
    assert len(sparse) == 2
    assert sparse.source.tolist() == [7, 19]
    np.testing.assert_array_equal(sparse.image(), image)


def test_sparse_depth_ignores_what_is_no_measurement():
    image = np.array([[np.nan, np.inf, -1.0, 0.0, 3.0]], np.float32)
    assert SparseDepth.from_image(image).depth.tolist() == [3.0]


def test_select_keeps_rings_with_their_points():
    sparse = SparseDepth(
        (2, 2),
        np.array([0, 1], np.int32),
        np.array([1, 0], np.int32),
        np.array([1.0, 2.0], np.float32),
        np.array([5, 6], np.int32),
        ring=np.array([3, 4], np.int32),
    )
    second = sparse.select(np.array([False, True]))
    assert second.ring is not None
    assert second.ring.tolist() == [4]
    assert second.source.tolist() == [6]


def test_camera_knows_whether_it_is_distorted():
    camera = CameraModel.pinhole(100, 100, 10, 10, 20, 20)
    assert not camera.is_distorted
    K = camera.K
    assert not CameraModel(20, 20, K, np.zeros(5), "plumb_bob").is_distorted
    assert CameraModel(20, 20, K, np.array([0.1, 0, 0, 0, 0]), "plumb_bob").is_distorted
    assert CameraModel(20, 20, K, np.zeros(4), "equidistant").is_distorted


@pytest.mark.parametrize(("unknown", "coverage"), [(0, 1.0), (1, 0.75), (4, 0.0)])
def test_coverage_counts_known_pixels(unknown, coverage):
    depth = np.full(4, 2.0, np.float32)
    depth[:unknown] = np.nan
    depth = depth.reshape(2, 2)
    camera = CameraModel.pinhole(1, 1, 0, 0, 2, 2)
    estimate = DepthEstimate(1, "c", camera, depth, depth, ScaleKind.METRIC, "m", "1", (0.1, 10.0), 0.0)
    assert estimate.coverage == coverage
