import dataclasses

import cv2
import numpy as np
import pytest

from depth_perception.evaluation.sensors import Corners, Nothing, Sensor, Uniform


def count(scan):
    return np.count_nonzero(scan.sparse)


def test_nothing_measures_nothing(frame, rng):
    scan = Sensor(Nothing()).scan(frame, rng)
    assert count(scan) == 0
    assert np.isnan(scan.inlier).all()


@pytest.mark.parametrize("asked", [50, 500, 5000, 30000])
def test_as_many_as_asked(asked, frame, rng):
    assert count(Sensor(Uniform(asked)).scan(frame, rng)) == round(asked / 4)  # the image has a quarter of the area
    assert count(Sensor(Uniform(asked, exact=True)).scan(frame, rng)) == asked


def test_uniform_is_uniform_over_what_is_known(frame, rng):
    depth = frame.depth.copy()
    depth[:, :100] = 0
    sparse = Sensor(Uniform(20000)).scan(dataclasses.replace(frame, depth=depth), rng).sparse
    assert not sparse[:, :100].any()
    halves = np.count_nonzero(sparse[:120]), np.count_nonzero(sparse[120:])
    assert abs(halves[0] - halves[1]) < 300
    assert count(Sensor(Uniform(1e7)).scan(dataclasses.replace(frame, depth=depth), rng)) == np.count_nonzero(depth)


@pytest.mark.parametrize("detector", ["good", "fast"])
def test_corners_lie_on_corners(detector, frame, rng):
    scan = Sensor(Corners(200, detector)).scan(frame, rng)
    gray = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
    strength = cv2.cornerMinEigenVal(gray, 5)
    strength = cv2.dilate(strength, np.ones((5, 5), np.uint8))
    assert 20 <= count(scan) <= 50
    assert (strength[scan.sparse > 0] > 0.05 * strength.max()).all()


def test_corners_ask_for_depth(frame, rng):
    depth = frame.depth.copy()
    depth[:, :160] = np.nan
    sparse = Sensor(Corners(200)).scan(dataclasses.replace(frame, depth=depth), rng).sparse
    assert sparse.any()
    assert not sparse[:, :160].any()


@pytest.mark.parametrize("detector", ["good", "fast"])
def test_a_blank_image_has_no_corners(detector, frame, rng):
    blank = dataclasses.replace(frame, image=np.full_like(frame.image, 90))
    assert count(Sensor(Corners(200, detector)).scan(blank, rng)) == 0


def test_triangulation_noise_grows_with_depth(frame, rng):
    depth = np.where(np.arange(320) < 160, np.float32(2), np.float32(4)) * np.ones((240, 1), np.float32)
    image = np.random.default_rng(0).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    noisy = Sensor(Corners(1500, noise=0.01, exact=True))
    sparse = noisy.scan(dataclasses.replace(frame, image=image, depth=depth), rng).sparse
    near, far = sparse[:, :160], sparse[:, 160:]
    one, two = (np.std(half[half > 0]) / np.median(half[half > 0]) for half in (near, far))
    assert 0.003 < one < 0.02
    assert two > 1.5 * one
