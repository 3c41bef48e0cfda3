from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from depth_perception.frames import CameraModel
from depth_perception.messages import compressed, image
from depth_perception.messages.calibrations import Calibrations
from depth_perception.messages.intake import Intake, camera_view, registered_depth
from depth_perception.messages.problem import FrontError

from .test_front import CAMERA, SECOND, TYPES, image_message, info_message

DISTORTED = CameraModel(64, 48, CAMERA.K, np.array([-0.2, 0.02, 0, 0, 0]), "plumb_bob")
DISTORTED = replace(DISTORTED, P=np.hstack([1.1 * CAMERA.K, np.zeros((3, 1))]))


def calibrations(camera=CAMERA):
    made = Calibrations()
    made.add(info_message(SECOND, camera))
    return made


def test_what_has_no_stamp_or_no_frame_is_refused_and_counted():
    problems = []
    intake = Intake(problems.append)
    assert intake.accepts("image", image_message(SECOND))
    assert not intake.accepts("image", image_message(0))
    assert not intake.accepts("labels", image_message(SECOND, frame=""))
    assert intake.received == {"image": 2, "labels": 1}
    assert intake.refused == {"no_stamp": 1, "no_frame": 1}
    assert [(problem.cause, problem.topic) for problem in problems] == [("no_stamp", "image"), ("no_frame", "labels")]


def test_an_image_is_rectified_unless_it_is_already_or_shall_not_be():
    made, message = calibrations(DISTORTED), image_message(SECOND)
    raw = image.decode_image(message)
    view = camera_view(message, SECOND, made)
    assert not view.camera.is_distorted
    assert view.raw.is_distorted
    assert not np.array_equal(view.image, raw)
    assert camera_view(message, SECOND, made).camera is view.camera  # maps are cached by it
    left = camera_view(message, SECOND, made, rectify=False)
    assert left.camera is left.raw
    np.testing.assert_array_equal(left.image, raw)
    already = camera_view(message, SECOND, made, is_rectified=True)
    assert already.camera.K[0, 0] == pytest.approx(1.1 * CAMERA.K[0, 0])
    assert not already.camera.is_distorted
    np.testing.assert_array_equal(already.image, raw)


@pytest.mark.parametrize(
    ("message", "cause", "words"),
    [
        (image_message(SECOND, shape=(24, 32)), "size_mismatch", "describes 64x48 pixels, the image has 32x24"),
        (
            compressed.encode_compressed_image(TYPES, np.zeros((4, 4, 3), np.uint8), SECOND, "camera"),
            "size_mismatch",
            "4x4",
        ),
    ],
)
def test_an_image_that_does_not_fit_is_told(message, cause, words):
    with pytest.raises(FrontError, match=words) as caught:
        camera_view(message, SECOND, calibrations())
    assert (caught.value.cause, caught.value.topic) == (cause, "camera_info")


def test_an_image_that_cannot_be_decoded_is_told():
    broken = compressed.encode_compressed_image(TYPES, np.zeros((48, 64, 3), np.uint8), SECOND, "camera")
    broken.data = broken.data[:40]
    with pytest.raises(FrontError) as caught:
        camera_view(broken, SECOND, calibrations())
    assert (caught.value.cause, caught.value.topic) == ("bad_image", "image")


def test_registered_depth_has_the_pixels_and_the_frame_of_the_camera():
    depth = np.full((48, 64), 2.0, np.float32)
    for message in (
        image.encode_depth(TYPES, depth, "32FC1", SECOND, "camera")[0],
        compressed.encode_compressed_depth(TYPES, depth, "16UC1", SECOND, "camera")[0],
    ):
        np.testing.assert_allclose(registered_depth(message, "depth", CAMERA, "camera"), depth, atol=0.002)
    elsewhere = image.encode_depth(TYPES, depth, "32FC1", SECOND, "depth_camera")[0]
    small = image.encode_depth(TYPES, depth[::2, ::2], "32FC1", SECOND, "camera")[0]
    for message, words in ((elsewhere, "frame 'depth_camera'"), (small, "has 32x24 pixels .* the image 64x48")):
        with pytest.raises(FrontError, match=words) as caught:
            registered_depth(message, "sparse_depth", CAMERA, "camera")
        assert (caught.value.cause, caught.value.topic) == ("not_registered", "sparse_depth")
    with pytest.raises(FrontError) as caught:
        registered_depth(image_message(SECOND), "depth", CAMERA, "camera")
    assert caught.value.cause == "bad_depth"
