from __future__ import annotations

import pytest

from depth_perception.frames import CameraModel
from depth_perception.messages import types
from depth_perception.messages.calibrations import KEPT, Calibrations
from depth_perception.messages.camera_info import info_from_camera
from depth_perception.messages.problem import FrontError

TYPES = types.rosbags_types()


def info(stamp, focal=50.0, frame="camera"):
    return info_from_camera(TYPES, CameraModel.pinhole(focal, focal, 8, 6, 16, 12), stamp, frame)


def test_the_same_stamp_wins_over_a_newer_calibration():
    book = Calibrations()
    book.add(info(10, 50.0))
    book.add(info(20, 60.0))
    assert book.camera(10, "camera")[1].K[0, 0] == 50.0
    assert book.camera(15, "camera")[1].K[0, 0] == 60.0


def test_another_frame_is_used_with_a_remark_but_the_own_one_comes_first():
    book = Calibrations()
    book.add(info(1, 50.0, "left"))
    book.add(info(2, 60.0, "right"))
    _, camera, notes = book.camera(5, "left")
    assert (camera.K[0, 0], notes) == (50.0, ())
    _, camera, notes = book.camera(5, "rear")
    assert camera.K[0, 0] == 60.0
    assert "'right'" in notes[0]
    assert "'rear'" in notes[0]


def test_equal_numbers_give_one_object_and_memory_is_bounded():
    book = Calibrations()
    for stamp in range(1, 3 * KEPT):
        book.add(info(stamp))
    assert book.camera(1, "camera")[1] is book.camera(2 * KEPT, "camera")[1]
    assert len(book._infos) == KEPT


def test_no_or_uncalibrated_camera_is_an_error():
    book = Calibrations()
    with pytest.raises(FrontError, match="no camera_info"):
        book.camera(1, "camera")
    book.add(info(1, 0.0))
    with pytest.raises(FrontError) as caught:
        book.camera(1, "camera")
    assert caught.value.cause == "bad_camera_info"
