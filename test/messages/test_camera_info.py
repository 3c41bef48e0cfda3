from __future__ import annotations

import numpy as np
import pytest

from depth_perception.frames import CameraModel
from depth_perception.geometry.camera import project
from depth_perception.messages.camera_info import camera_from_info, info_from_camera
from depth_perception.messages.types import MessageError, header, stamp_of

STAMP = 1_700_000_000_000_000_001
K = np.array([[500.0, 0.0, 320.0], [0.0, 510.0, 240.0], [0.0, 0.0, 1.0]])
P = np.array([[480.0, 0.0, 318.0, -50.0], [0.0, 480.0, 242.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
R = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
PLUMB_BOB = [-0.3, 0.1, 0.001, -0.002, 0.01]


def info(types, k=K, d=(), r=R, p=P, roi=None, model="plumb_bob", **fields):
    """A CameraInfo in ROS 1's or ROS 2's spelling."""
    calibration = {"k": np.asarray(k), "d": np.asarray(d, np.float64), "r": np.asarray(r), "p": np.asarray(p)}
    if hasattr(types.message_class("sensor_msgs/msg/CameraInfo"), "__annotations__"):
        annotations = types.message_class("sensor_msgs/msg/CameraInfo").__annotations__
        calibration = {
            n if n in annotations or "K" not in annotations else n.upper(): v for n, v in calibration.items()
        }
    fields = {"width": 640, "height": 480, **fields}
    region = types.make("sensor_msgs/msg/RegionOfInterest", **(roi or {}))
    return types.make(
        "sensor_msgs/msg/CameraInfo", header=header(types, STAMP, "camera"), distortion_model=model, roi=region,
        **calibration, **fields,
    )  # fmt: skip


def test_a_full_calibration(read_types):
    camera = camera_from_info(info(read_types, d=PLUMB_BOB))
    assert (camera.width, camera.height, camera.distortion_model) == (640, 480, "plumb_bob")
    for found, wanted in ((camera.K, K), (camera.D, PLUMB_BOB), (camera.R, R), (camera.P, P)):
        assert found.dtype == np.float64
        assert np.array_equal(found, wanted)


def test_the_camera_does_not_share_memory_with_the_message(types):
    message = info(types, d=PLUMB_BOB)
    camera = camera_from_info(message)
    np.asarray(message.k)[0] = 1.0
    np.frombuffer(message.d, np.float64)[0] = 1.0
    np.asarray(message.p)[0] = 1.0
    assert (camera.K[0, 0], camera.D[0], camera.P[0, 0]) == (500.0, -0.3, 480.0)


def test_zeros_mean_not_given(types):
    camera = camera_from_info(info(types, r=np.zeros((3, 3)), p=np.zeros((3, 4))))
    assert np.array_equal(camera.R, np.eye(3))
    assert camera.P is None
    assert camera.distortion_model == "none"
    assert camera.D.size == 0


@pytest.mark.parametrize(
    ("model", "d", "name", "kept"),
    [
        ("plumb_bob", [0.1, 0.2, 0.3, 0.4], "plumb_bob", [0.1, 0.2, 0.3, 0.4, 0.0]),
        ("plumb_bob", [0.0] * 5, "none", []),
        ("plumb_bob", [], "none", []),
        ("Plumb_Bob ", PLUMB_BOB, "plumb_bob", PLUMB_BOB),
        ("rational_polynomial", [0.1] * 8, "rational_polynomial", [0.1] * 8),
        ("rational_polynomial", [0.1] * 12, "rational_polynomial", [0.1] * 12),
        ("rational_polynomial", [0.1] * 8 + [0.0] * 6, "rational_polynomial", [0.1] * 8),
        ("rational_polynomial", [0.0] * 14, "none", []),
        ("equidistant", [0.1, 0.2, 0.3, 0.4], "equidistant", [0.1, 0.2, 0.3, 0.4]),
        ("equidistant", [0.0] * 4, "equidistant", [0.0] * 4),
        ("fisheye", [0.1, 0.2, 0.3, 0.4], "equidistant", [0.1, 0.2, 0.3, 0.4]),
        ("", [], "none", []),
        ("", [0.0] * 5, "none", []),
        ("none", [], "none", []),
    ],
)
def test_distortion_models(types, model, d, name, kept):
    camera = camera_from_info(info(types, model=model, d=d))
    assert camera.distortion_model == name
    assert camera.D.tolist() == kept


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"model": "kannala", "d": [0.1]},
            "distortion_model: 'kannala', expected one of plumb_bob, rational_polynomial",
        ),
        ({"model": "", "d": [0.1]}, r"distortion_model: '' with coefficients \[0.1\], expected one of plumb_bob"),
        ({"model": "none", "d": [0.1]}, "distortion_model: 'none' with coefficients"),
        ({"d": [0.1] * 3}, "d: 3 coefficients for distortion_model plumb_bob, expected 4 or 5"),
        ({"model": "rational_polynomial", "d": [0.1] * 5}, "d: 5 coefficients .* expected 8 or 12 or 14"),
        ({"model": "equidistant", "d": [0.1] * 5}, "d: 5 coefficients for distortion_model equidistant, expected 4"),
        ({"d": [np.nan] * 5}, r"d: \[nan, .* holds numbers that are not finite"),
        ({"k": np.zeros((3, 3))}, "k: focal lengths 0 and 0, expected positive ones; the camera is not calibrated"),
        ({"k": np.full((3, 3), np.nan)}, "k: .* not finite"),
        ({"p": np.full((3, 4), np.inf)}, "p: .* not finite"),
        ({"width": 0}, "width x height: 0 x 480, expected the size of the camera's full image"),
        ({"roi": {"x_offset": 600, "width": 41, "height": 480}}, r"roi: 41 x 480 pixels at \(600, 0\) reach beyond"),
        ({"binning_y": 481}, "binning: 1 x 481 leaves nothing of 640 x 480 pixels"),
    ],
)
def test_what_is_not_understood_is_refused(types, change, text):
    with pytest.raises(MessageError, match=text):
        camera_from_info(info(types, **change))


def test_another_message_is_refused(types):
    with pytest.raises(MessageError, match="got a sensor_msgs/msg/Image, expected a sensor_msgs/msg/CameraInfo"):
        camera_from_info(types.make("sensor_msgs/msg/Image"))


@pytest.mark.parametrize(
    ("roi", "binning", "size"),
    [
        ({}, (0, 0), (640, 480)),
        ({}, (1, 1), (640, 480)),
        ({"width": 640, "height": 480}, (0, 1), (640, 480)),
        ({}, (2, 4), (320, 120)),
        ({"x_offset": 100, "y_offset": 50, "width": 200, "height": 101}, (1, 1), (200, 101)),
        ({"x_offset": 100, "y_offset": 50, "width": 201, "height": 101}, (2, 2), (100, 50)),
        ({"x_offset": 10, "y_offset": 0, "width": 0, "height": 0}, (2, 2), (320, 240)),
    ],
)
@pytest.mark.parametrize("d", [(), PLUMB_BOB])
def test_binning_and_region_show_the_same_scene(types, roi, binning, size, d):
    """A point seen at a pixel of the full image is seen at the block of pixels that holds it."""
    full = camera_from_info(info(types, d=d))
    shown = camera_from_info(info(types, d=d, roi=roi, binning_x=binning[0], binning_y=binning[1]))
    assert (shown.width, shown.height) == size
    points = np.random.default_rng(3).uniform([-0.3, -0.2, 1.0], [0.3, 0.2, 2.0], (50, 3))
    pixels, z = project(full, points)
    bins = np.maximum(binning, 1)
    whole = roi.get("width", 0) == 0
    corner = np.array([0, 0] if whole else [roi.get("x_offset", 0), roi.get("y_offset", 0)])
    # the edge of the full image's pixel 0 is at -0.5, and edges are what binning keeps
    wanted = (pixels + 0.5 - corner) / bins - 0.5
    found, found_z = project(shown, points)
    assert np.allclose(found, wanted, atol=1e-9)
    assert np.array_equal(found_z, z)


def test_p_follows_binning_and_region(types):
    shown = camera_from_info(
        info(types, roi={"x_offset": 20, "y_offset": 40, "width": 400, "height": 300}, binning_x=2)
    )
    assert shown.P[0, 0] == pytest.approx(240.0)
    assert shown.P[0, 2] == pytest.approx((318.0 + 0.5 - 20) / 2 - 0.5)
    assert shown.P[0, 3] == pytest.approx(-25.0)
    assert shown.P[1, 2] == pytest.approx(202.0)


@pytest.mark.parametrize(
    ("model", "d"),
    [("none", []), ("plumb_bob", PLUMB_BOB), ("rational_polynomial", [0.1] * 8), ("equidistant", [0.1, 0.2, 0.3, 0.4])],
)
def test_cameras_survive_writing_and_reading(types, model, d):
    camera = CameraModel(640, 480, K, np.array(d, np.float64), model, R, P)
    message = info_from_camera(types, camera, STAMP, "camera_optical_frame")
    assert stamp_of(message.header) == STAMP
    assert message.header.frame_id == "camera_optical_frame"
    found = camera_from_info(message)
    assert (found.width, found.height, found.distortion_model) == (640, 480, model)
    for name in ("K", "D", "R", "P"):
        assert np.array_equal(getattr(found, name), getattr(camera, name)), name


def test_an_undistorted_camera_is_written_as_ros_tools_expect(types):
    message = info_from_camera(types, CameraModel.pinhole(500, 510, 320, 240, 640, 480), STAMP, "camera")
    assert message.distortion_model == "plumb_bob"
    assert list(message.d) == [0.0] * 5
    assert np.array_equal(np.reshape(message.p, (3, 4)), np.hstack([K, np.zeros((3, 1))]))
    assert (message.binning_x, message.roi.width, message.roi.do_rectify) == (0, 0, False)


def test_an_unknown_model_is_not_written(types):
    with pytest.raises(MessageError, match="distortion_model: 'strange'"):
        info_from_camera(types, CameraModel(4, 3, K, np.zeros(0), "strange"), STAMP, "camera")
