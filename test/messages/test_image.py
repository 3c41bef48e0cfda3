from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from depth_perception.messages import image as module
from depth_perception.messages.encodings import PACKED
from depth_perception.messages.image import (
    decode_depth,
    decode_image,
    depth_from_millimetres,
    depth_to_millimetres,
    encode_depth,
    encode_image,
    without_invalid,
)
from depth_perception.messages.types import MessageError, byte_view, stamp_of

STAMP = 1_700_000_000_000_000_123
RNG = np.random.default_rng(7)


def random_array(encoding, height=4, width=6):
    known = PACKED[encoding]
    shape = (height, width) if known.channels == 1 else (height, width, known.channels)
    if known.dtype == "f4":
        return RNG.uniform(0.5, 90, shape).astype(np.float32)
    return RNG.integers(0, np.iinfo(known.dtype).max + 1, shape).astype(known.dtype)


@pytest.mark.parametrize("encoding", sorted(PACKED))
def test_written_images_hold_the_bytes_of_the_array(types, encoding):
    array = random_array(encoding)
    message = encode_image(types, array, encoding, STAMP, "camera_optical_frame")
    assert (message.height, message.width, message.encoding) == (4, 6, encoding)
    assert message.step == array[0].nbytes
    assert bytes(message.data) == array.tobytes()
    assert stamp_of(message.header) == STAMP
    assert message.header.frame_id == "camera_optical_frame"


def test_rgb_survives_in_every_family(read_types):
    array = random_array("rgb8")
    found = decode_image(encode_image(read_types, array, "rgb8", STAMP, "camera"))
    assert np.array_equal(found, array)
    assert np.array_equal(decode_image(encode_image(read_types, array, "bgr8", STAMP, "camera")), array[..., ::-1])


def test_rgb8_and_metres_are_read_without_a_copy(types):
    rgb = encode_image(types, random_array("rgb8"), "rgb8", STAMP, "camera")
    assert np.shares_memory(decode_image(rgb), byte_view(rgb.data))
    depth, _ = encode_depth(types, random_array("32FC1"), "32FC1", STAMP, "camera")
    assert np.shares_memory(decode_depth(depth), byte_view(depth.data))
    holes = random_array("32FC1")
    holes[1, 2] = np.nan
    depth, _ = encode_depth(types, holes, "32FC1", STAMP, "camera")
    assert np.shares_memory(decode_depth(depth), byte_view(depth.data))


def test_a_rosbags_message_shares_memory_with_the_array():
    types = pytest.importorskip("depth_perception.messages.types").rosbags_types()
    array = random_array("rgb8")
    assert np.shares_memory(encode_image(types, array, "rgb8", STAMP, "camera").data, array)


def test_padded_rgb8_becomes_contiguous(types):
    array = random_array("rgb8")
    padded = np.pad(array.reshape(4, -1), ((0, 0), (0, 5)))
    message = types.make(
        "sensor_msgs/msg/Image", height=4, width=6, encoding="rgb8", step=padded.shape[1], data=padded.reshape(-1)
    )
    found = decode_image(message)
    assert found.flags.c_contiguous
    assert np.array_equal(found, array)


def test_arrays_of_any_memory_order_are_written(types):
    array = random_array("rgb8")
    for source in (array[::-1, ::2], np.asfortranarray(array), array.transpose(1, 0, 2)):
        assert np.array_equal(decode_image(encode_image(types, source, "rgb8", STAMP, "c")), source)
    swapped = random_array("32FC1").astype(">f4")
    assert np.array_equal(decode_depth(encode_image(types, swapped, "32FC1", STAMP, "c")), swapped)


@pytest.mark.parametrize(
    ("array", "encoding", "text"),
    [
        (np.zeros((2, 2, 3), np.uint8), "rgb9", "encoding: 'rgb9' cannot be written, expected one of rgb8, bgr8"),
        (np.zeros((2, 2, 3), np.uint8), "nv21", "encoding: 'nv21' cannot be written"),
        (np.zeros((2, 2), np.uint8), "rgb8", r"rgb8 needs a uint8 array \(height, width, 3\) with pixels, got uint8"),
        (np.zeros((2, 2, 3)), "rgb8", "got float64"),
        (np.zeros((0, 2), np.uint8), "mono8", r"got uint8 \(0, 2\)"),
        (np.zeros(4, np.uint8), "mono8", r"got uint8 \(4,\)"),
    ],
)
def test_arrays_that_do_not_fit_their_encoding_are_refused(types, array, encoding, text):
    with pytest.raises(MessageError, match=text):
        encode_image(types, array, encoding, STAMP, "camera")


def test_depth_is_no_colour_image_and_the_other_way(types):
    depth = encode_image(types, random_array("16UC1"), "16UC1", STAMP, "camera")
    with pytest.raises(MessageError, match="encoding: 16UC1 is depth, expected a colour image: rgb8"):
        decode_image(depth)
    colour = encode_image(types, random_array("rgb8"), "rgb8", STAMP, "camera")
    with pytest.raises(MessageError, match="encoding: 'rgb8' is not depth, expected 32FC1"):
        decode_depth(colour)
    with pytest.raises(MessageError, match="encoding: 'mono8' is not depth"):
        encode_depth(types, random_array("32FC1"), "mono8", STAMP, "camera")


def test_mono16_depth_only_on_request(types):
    message = encode_image(types, np.uint16([[0, 1500]]), "mono16", STAMP, "camera")
    with pytest.raises(MessageError, match=r"input\.accept_mono16_depth"):
        decode_depth(message)
    assert np.array_equal(decode_depth(message, accept_mono16=True), np.float32([[np.nan, 1.5]]), equal_nan=True)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_depth_of_both_byte_orders(types, order, encoding):
    metres = np.float32([[1.0, 2.5, np.nan], [0.25, 60.0, np.nan]])
    stored = metres if encoding == "32FC1" else np.nan_to_num(metres * 1000)
    raw = stored.astype(order + PACKED[encoding].dtype)
    layout = {"height": 2, "width": 3, "encoding": encoding, "step": raw[0].nbytes}
    message = types.make("sensor_msgs/msg/Image", **layout, is_bigendian=int(order == ">"), data=raw.tobytes())
    found = decode_depth(message)
    assert found.dtype == np.float32
    assert found.dtype.isnative
    assert np.array_equal(found, metres, equal_nan=True)


def test_unknown_metres_become_nan():
    values = np.float32([[1.0, 0.0, -0.0, -3.0, np.inf, -np.inf, np.nan]])
    wanted = np.float32([[1.0] + [np.nan] * 6])
    assert np.array_equal(without_invalid(values), wanted, equal_nan=True)
    assert values[0, 1] == 0.0  # the message is left alone


@pytest.mark.parametrize("bad", [0.0, -1.0, np.inf, -np.inf])
def test_one_unknown_value_is_enough(bad):
    values = np.float32([[1.0, np.nan, 2.0, bad]])
    assert np.isnan(without_invalid(values)[0]).tolist() == [False, True, False, True]


def test_all_unknown_depth_is_all_nan():
    assert np.isnan(without_invalid(np.full((2, 2), np.nan, np.float32))).all()
    assert np.isnan(depth_from_millimetres(np.zeros((2, 2), np.uint16))).all()


def test_depth_at_an_odd_address_is_copied():
    raw = np.zeros(17, np.uint8)
    depth = raw[1:].view("<f4").reshape(2, 2)
    depth[...] = 1.0
    assert not depth.flags.aligned
    found = without_invalid(depth)
    assert found.flags.aligned
    assert (found == 1.0).all()


def test_every_millimetre_survives():
    every = np.arange(65535, dtype=np.uint16).reshape(5, -1)
    metres = depth_from_millimetres(every)
    assert np.array_equal(metres, (every / 1000.0).astype(np.float32) + np.where(every == 0, np.nan, 0), equal_nan=True)
    back, too_far = depth_to_millimetres(metres)
    assert np.array_equal(back, every)
    assert too_far == 0


@settings(max_examples=200, deadline=None)
@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
        elements=st.one_of(
            st.floats(-5, 80, width=32),
            st.sampled_from(np.float32([0.0, np.nan, np.inf, -np.inf, 65.534, 65.535, 65.536, 1e30]).tolist()),
        ),
    )
)
def test_millimetres_one_by_one(depth):
    found, too_far = depth_to_millimetres(depth)
    far = 0
    for value, millimetres in zip(depth.ravel().tolist(), found.ravel().tolist()):
        scaled = float(np.rint(np.float32(value) * np.float32(1000))) if np.isfinite(value) else value
        if np.isfinite(value) and scaled > 65534:
            far += 1
        wanted = scaled if np.isfinite(value) and 0 < scaled <= 65534 else 0
        assert millimetres == wanted
    assert too_far == far


def test_rounding_not_truncation():
    assert depth_to_millimetres(np.float32([[1.0009, 1.0004, 0.0004]]))[0].tolist() == [[1001, 1000, 0]]


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_depth_survives_writing_and_reading(read_types, encoding):
    depth = np.float32([[0.5, 1.234, np.nan], [64.0, 0.001, 12.0]])
    message, too_far = encode_depth(read_types, depth, encoding, STAMP, "camera")
    assert too_far == 0
    assert np.allclose(decode_depth(message), depth, atol=0.0005, equal_nan=True)
    if encoding == "32FC1":
        assert np.array_equal(decode_depth(message), depth, equal_nan=True)


def test_what_is_written_for_unknown_and_too_far(types):
    depth = np.float32([[0.0, -1.0, np.nan, np.inf, 70.0, 2.0]])
    message, too_far = encode_depth(types, depth, "16UC1", STAMP, "camera")
    assert np.frombuffer(bytes(message.data), np.uint16).tolist() == [0, 0, 0, 0, 0, 2000]
    assert too_far == 1
    message, too_far = encode_depth(types, depth, "32FC1", STAMP, "camera")
    stored = np.frombuffer(bytes(message.data), np.float32)
    assert np.array_equal(stored, np.float32([np.nan, np.nan, np.nan, np.inf, 70.0, 2.0]), equal_nan=True)
    assert too_far == 0
    assert depth[0, 0] == 0.0  # the caller's array is left alone


def test_unknown_encodings_go_to_cv_bridge_if_there_is_one(monkeypatch):
    message = SimpleNamespace(encoding="rgb16", height=1, width=1)

    class Bridge:
        def imgmsg_to_cv2(self, given, wanted):
            if given.encoding != "rgb16":
                raise RuntimeError("Unrecognized image encoding [x]")
            return np.full((1, 1, 3), 9, np.uint8)

    monkeypatch.setattr(
        module, "optional", lambda name: SimpleNamespace(CvBridge=Bridge) if name == "cv_bridge" else None
    )
    assert decode_image(message).tolist() == [[[9, 9, 9]]]
    message.encoding = "x"
    with pytest.raises(MessageError, match=r"encoding: 'x' is not supported, .* cv_bridge says: Unrecognized image"):
        decode_image(message)
    monkeypatch.setattr(module, "optional", lambda name: None)
    with pytest.raises(MessageError, match=r"encoding: 'x' is not supported, expected one of rgb8.*nv24 \(cv_bridge"):
        decode_image(message)


def test_another_message_is_refused():
    with pytest.raises(MessageError, match="expected a sensor_msgs/msg/Image"):
        decode_image(SimpleNamespace(points=[]))
    with pytest.raises(MessageError, match="expected a sensor_msgs/msg/Image"):
        decode_depth(SimpleNamespace(points=[]))


SHARED = [name for name in PACKED if PACKED[name].to_rgb and name not in ("8UC1", "8UC3", "uyvy", "yuyv")]


@pytest.mark.parametrize("encoding", SHARED)
@pytest.mark.parametrize("padding", [0, 24])  # whole pixels: cv_bridge shears an rgb8 image whose padding is not
def test_as_cv_bridge_converts(encoding, padding):
    """Held to the real cv_bridge where it is installed: the same RGB for the same message."""
    cv_bridge = pytest.importorskip("cv_bridge")
    from depth_perception.messages.types import rclpy_types

    array = random_array(encoding, 6, 8)
    rows = np.pad(array.reshape(6, -1).view(np.uint8), ((0, 0), (0, padding)))
    message = rclpy_types().make(
        "sensor_msgs/msg/Image", height=6, width=8, encoding=encoding, step=rows.shape[1], data=rows.reshape(-1)
    )
    wanted = cv_bridge.CvBridge().imgmsg_to_cv2(message, "rgb8")
    assert np.array_equal(decode_image(message), wanted)


def test_as_cv_bridge_writes():
    cv_bridge = pytest.importorskip("cv_bridge")
    if cv_bridge.getCvType("rgb8") != cv2.CV_8UC3:
        pytest.skip(f"cv_bridge was compiled for an OpenCV that numbers its types otherwise than {cv2.__version__}")
    from depth_perception.messages.types import rclpy_types

    for encoding in ("rgb8", "bgr8", "mono8", "mono16", "16UC1", "32FC1", "bgra8"):
        array = random_array(encoding)
        wanted = cv_bridge.CvBridge().cv2_to_imgmsg(array, encoding)
        found = encode_image(rclpy_types(), array, encoding, 0, "")
        assert found == wanted


def test_cv_bridge_helps_with_16_bit_colour():
    pytest.importorskip("cv_bridge")
    from depth_perception.messages.types import rclpy_types

    array = RNG.integers(0, 65536, (3, 4, 3)).astype(np.uint16)
    message = rclpy_types().make(
        "sensor_msgs/msg/Image", height=3, width=4, encoding="bgr16", step=24, data=array.reshape(-1).view(np.uint8)
    )
    assert np.array_equal(decode_image(message), np.rint(array[..., ::-1] / 257.0))
