from __future__ import annotations

import array
from types import SimpleNamespace

import numpy as np
import pytest

from depth_perception.messages import types as module
from depth_perception.messages.types import (
    DEPTH_INFO,
    MessageError,
    byte_view,
    definition_places,
    header,
    require_fields,
    rosbags_types,
    stamp_of,
    type_name,
)

STAMPS = [0, 1, 999_999_999, 1_700_000_000_123_456_789, 2**31 * 10**9 - 1, -1]


def test_defaults_are_zero_and_empty(read_types):
    message = read_types.make("sensor_msgs/msg/CameraInfo")
    assert (message.width, message.distortion_model, message.roi.width, message.header.frame_id) == (0, "", 0, "")
    k = message.k if hasattr(message, "k") else message.K
    assert np.asarray(k).tolist() == [0.0] * 9
    assert len(message.d if hasattr(message, "d") else message.D) == 0
    assert len(read_types.make("sensor_msgs/msg/PointCloud2").fields) == 0


def test_arrays_are_stored_whatever_their_layout(types):
    source = np.arange(24, dtype=np.uint8).reshape(4, 6)[:, ::2]
    message = types.make("sensor_msgs/msg/Image", data=source)
    assert bytes(message.data) == source.tobytes()
    floats = types.make("sensor_msgs/msg/LaserScan", ranges=np.arange(6.0)[::2], intensities=[1, 2])
    assert list(floats.ranges) == [0.0, 2.0, 4.0]
    assert list(floats.intensities) == [1.0, 2.0]
    assert bytes(types.make("sensor_msgs/msg/Image", data=b"\x01\x02").data) == b"\x01\x02"
    assert len(types.make("sensor_msgs/msg/Image", data=np.zeros((0, 3), np.uint8)).data) == 0
    assert np.asarray(types.make("sensor_msgs/msg/CameraInfo", k=np.eye(3)).k).tolist() == np.eye(3).ravel().tolist()


def test_a_list_of_numbers_of_another_type_fits_if_its_values_do(types):
    assert bytes(types.make("sensor_msgs/msg/Image", data=[1, 255]).data) == b"\x01\xff"
    with pytest.raises(MessageError, match=r"sensor_msgs/msg/Image.data: these int64 values"):
        types.make("sensor_msgs/msg/Image", data=np.array([1, 256], np.int64))
    with pytest.raises(MessageError, match="float64 values cannot be stored as uint8"):
        types.make("sensor_msgs/msg/Image", data=np.array([0.5]))


def test_numpy_scalars_become_plain_numbers(types):
    message = types.make("sensor_msgs/msg/Image", height=np.int64(3), width=np.uint32(4))
    assert type(message.height) is int
    assert type(message.width) is int


def test_messages_of_both_families_can_be_sent(types):
    image = types.make(
        "sensor_msgs/msg/Image", header=header(types, 5, "camera"), height=1, width=2, step=2, data=np.uint8([7, 8])
    )
    if types.family == "rosbags":
        raw = types.typestore.serialize_cdr(image, "sensor_msgs/msg/Image")
        assert types.typestore.deserialize_cdr(raw, "sensor_msgs/msg/Image").data.tolist() == [7, 8]
    else:
        serialization = pytest.importorskip("rclpy.serialization")
        raw = serialization.serialize_message(image)
        assert serialization.deserialize_message(raw, type(image)) == image


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda t: t.make("sensor_msgs/msg/Image", colour=1),
            "sensor_msgs/msg/Image has no field colour; it has header",
        ),
        (lambda t: t.make("sensor_msgs/Image"), "'sensor_msgs/Image': expected package/msg/Name"),
        (lambda t: t.make("sensor_msgs/msg/Picture"), "message type sensor_msgs/msg/Picture"),
        (lambda t: t.make("no_such_msgs/msg/Thing"), "message type no_such_msgs/msg/Thing"),
        (lambda t: t.make("sensor_msgs/msg/CameraInfo", k=np.zeros(8)), r"CameraInfo.k: 8 values, expected 9"),
    ],
)
def test_errors_name_type_and_field(types, call, text):
    with pytest.raises(MessageError, match=text.replace("(", r"\(")):
        call(types)


@pytest.mark.parametrize("stamp", STAMPS)
def test_stamps_survive(read_types, stamp):
    made = header(read_types, stamp, "base")
    assert stamp_of(made) == stamp
    assert made.frame_id == "base"
    assert 0 <= made.stamp.nanosec < 10**9


def test_stamps_of_genpy_and_nonsense():
    assert stamp_of(SimpleNamespace(stamp=SimpleNamespace(secs=3, nsecs=7))) == 3_000_000_007
    with pytest.raises(MessageError, match=r"header.stamp: .* has neither sec and nanosec nor secs and nsecs"):
        stamp_of(SimpleNamespace(stamp=1.5))


def test_a_stamp_beyond_the_year_2038_is_refused(types):
    with pytest.raises(MessageError, match=r"header.stamp: 2147483648000000000 ns"):
        header(types, 2**31 * 10**9, "base")


def test_type_names_and_missing_fields(read_types):
    image = read_types.make("sensor_msgs/msg/Image")
    assert type_name(image) == "sensor_msgs/msg/Image"
    require_fields(image, "sensor_msgs/msg/Image", "data", "step")
    with pytest.raises(MessageError, match="got a sensor_msgs/msg/Image, expected a sensor_msgs/msg/PointCloud2"):
        require_fields(image, "sensor_msgs/msg/PointCloud2", "data", "point_step")


@pytest.mark.parametrize(
    "data",
    [
        array.array("B", [1, 2, 3]),
        np.array([1, 2, 3], np.uint8),
        b"\x01\x02\x03",
        memoryview(b"\x01\x02\x03"),
        [1, 2, 3],
    ],
)
def test_byte_view_reads_every_container(data):
    assert byte_view(data).tolist() == [1, 2, 3]
    assert byte_view(type(data)("B") if isinstance(data, array.array) else data[:0]).size == 0


def test_byte_view_shares_memory():
    data = array.array("B", bytes(8))
    view = byte_view(data)
    data[3] = 9
    assert view[3] == 9
    numbers = np.zeros(8, np.uint8)
    assert np.shares_memory(byte_view(numbers), numbers)


def test_byte_view_refuses_text():
    with pytest.raises(MessageError, match="data: str holds no bytes"):
        byte_view("abc")


def test_depth_info_is_found_in_the_checkout(repository):
    assert repository / "msg" / "DepthInfo.msg" in definition_places()


def test_depth_info_is_found_in_an_install_space(tmp_path, monkeypatch):
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path}/a:{tmp_path}/b")
    assert tmp_path / "b" / "share" / "depth_perception" / "msg" / "DepthInfo.msg" in definition_places()
    site = tmp_path / "lib" / "python3.12" / "site-packages" / "depth_perception"
    monkeypatch.setattr(module.depth_perception, "__path__", [str(site)])
    assert tmp_path / "share" / "depth_perception" / "msg" / "DepthInfo.msg" in definition_places()


def test_without_its_definition_only_depth_info_fails(tmp_path, monkeypatch):
    pytest.importorskip("rosbags")
    monkeypatch.setattr(module, "definition_places", lambda file: [tmp_path / file])
    rosbags_types.cache_clear()
    try:
        types = rosbags_types()
        assert types.make("sensor_msgs/msg/Image").height == 0
        with pytest.raises(MessageError, match=f"message type {DEPTH_INFO}: its definition was found at none of"):
            types.make(DEPTH_INFO)
    finally:
        rosbags_types.cache_clear()


def test_without_rosbags_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(module, "optional", lambda name: None)
    rosbags_types.cache_clear()
    with pytest.raises(MessageError, match="pip install rosbags"):
        rosbags_types()
