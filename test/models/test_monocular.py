from __future__ import annotations

import numpy as np
import pytest

from depth_perception.frames import CameraModel
from depth_perception.models.monocular import MonocularConfig, MonocularMethod, network_camera, network_size
from depth_perception.models.resize import resize_guided

CONFIG = MonocularConfig((4,) * 5, (1,) * 4, (4,) * 5, 96, 128)


def picture(height=72, width=96, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_inputs_have_the_size_the_network_was_trained_at():
    method = MonocularMethod(CONFIG)
    for shape in ((480, 640), (96, 128), (48, 64)):
        (features,) = method.prepare(picture(*shape)).inputs
        assert features.shape == (1, 3, 96, 128)
        assert features.dtype == np.float32
        assert 0 <= features.min() < features.max() <= 1
    image = picture(96, 128)
    (features,) = method.prepare(image).inputs
    np.testing.assert_allclose(features[0, 1], image[..., 1] / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((480, 640), (96, 128)), ((720, 1280), (96, 160)), ((640, 480), (128, 96)), ((20, 400), (64, 480))],
)
def test_other_proportions_keep_the_number_of_pixels(shape, size):
    assert network_size(shape, (96, 128)) == size


def test_the_camera_follows_the_image():
    camera = CameraModel.pinhole(500, 505, 319.5, 239.5, 640, 480)
    small = network_camera(camera, CONFIG)
    assert small.shape == (96, 128)
    assert small.K[0, 0] == pytest.approx(100)
    assert small.K[1, 1] == pytest.approx(101)
    # the middle of an image stays its middle: centres at integers
    assert small.K[0, 2] == pytest.approx(63.5)
    assert small.K[1, 2] == pytest.approx(47.5)


def test_the_answer_comes_back_in_the_size_of_the_image_and_in_the_unit_asked_for():
    method = MonocularMethod(CONFIG)
    prepared = method.prepare(picture(48, 60))
    height, width = prepared.inputs[0].shape[2:]
    depth = np.full((1, 1, height, width), 2.5, np.float32)
    found = method.finish((depth, 0.1 * depth, np.ones_like(depth)), prepared)
    assert found.depth.shape == found.standard_deviation.shape == found.inlier.shape == (48, 60)
    np.testing.assert_allclose(found.depth, 2.5, rtol=1e-5)
    np.testing.assert_allclose(found.standard_deviation, 0.25, rtol=1e-4)
    assert np.isnan(found.inlier).all()


def test_without_an_image_nothing_is_known():
    method = MonocularMethod(CONFIG)
    prepared = method.prepare(None, np.ones((5, 7), np.float32))
    assert prepared.inputs == ()
    assert np.isnan(method.finish((), prepared).depth).all()
    assert method.finish((), prepared).depth.shape == (5, 7)


def test_edges_of_depth_follow_those_of_the_image():
    """A box before a wall whose edge lies within a cell: guided pixels are on the right side, bilinear ones between."""
    image = np.full((60, 80, 3), 200, np.uint8)
    image[:, :43] = 30  # the edge of the picture
    small = np.full((24, 32, 3), 200, np.uint8)
    small[:, :17] = 30  # 43 / 80 * 32 = 17.2
    coarse = np.where(np.arange(32) < 17, np.float32(1), np.float32(0.25))[None].repeat(24, 0)
    found = resize_guided(np.ascontiguousarray(coarse), image, small)
    assert found.shape == (60, 80)
    truth = np.where(np.arange(80) < 43, 1, 0.25)
    wrong = np.abs(found / truth - 1) > 0.1
    assert wrong.mean() < 0.02
    import cv2

    plain = np.abs(cv2.resize(np.ascontiguousarray(coarse), (80, 60)) / truth - 1) > 0.1
    assert wrong.sum() < 0.5 * plain.sum()


def test_a_smaller_or_flat_image_is_plainly_resized():
    coarse = np.linspace(1, 1.2, 24 * 32, dtype=np.float32).reshape(24, 32)
    found = resize_guided(coarse, picture(48, 64), picture(24, 32))
    assert np.all(np.diff(found, axis=0) >= -1e-6)  # no trace of the picture's noise
    assert resize_guided(coarse, picture(12, 16), picture(24, 32)).shape == (12, 16)
