from __future__ import annotations

import struct
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_perception.messages.compressed import (
    decode_compressed_depth,
    decode_compressed_image,
    encode_compressed_depth,
    encode_compressed_image,
)
from depth_perception.messages.encodings import PACKED
from depth_perception.messages.rvl import rvl_encode
from depth_perception.messages.types import MessageError, rosbags_types, stamp_of

STAMP = 1_700_000_000_000_000_003


def picture(height=24, width=32):
    """Smooth colours, red growing to the right and blue downwards, that jpeg keeps nearly unchanged."""
    rows, columns = np.mgrid[:height, :width]
    return np.dstack([60 + 4 * columns, np.full_like(rows, 90), 40 + 6 * rows]).astype(np.uint8)


def coded(extension, array, text):
    """A message made by OpenCV, which takes BGR, as other publishers do."""
    return SimpleNamespace(format=text, data=cv2.imencode(extension, array)[1].tobytes())


def depth_message(text, payload, a=0.0, b=0.0):
    return SimpleNamespace(format=text, data=struct.pack("<iff", 0, a, b) + payload)


def png(array):
    return cv2.imencode(".png", array)[1].tobytes()


@pytest.mark.parametrize("codec", ["jpeg", "png"])
def test_images_survive_writing_and_reading(read_types, codec):
    message = encode_compressed_image(read_types, picture(), STAMP, "camera", codec)
    assert message.format == f"rgb8; {codec} compressed bgr8"
    assert stamp_of(message.header) == STAMP
    found = decode_compressed_image(message)
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    assert np.abs(found.astype(int) - picture()).max() <= (0 if codec == "png" else 6)


def test_grey_images_survive(types):
    grey = picture()[..., 0]
    message = encode_compressed_image(types, grey, STAMP, "camera", "png")
    assert message.format == "mono8; png compressed mono8"
    assert np.array_equal(decode_compressed_image(message), np.dstack([grey] * 3))


def test_what_is_written_is_a_file_any_viewer_shows_rightly(types):
    message = encode_compressed_image(types, picture(), STAMP, "camera", "png")
    bgr = cv2.imdecode(np.frombuffer(bytes(message.data), np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(bgr[..., ::-1], picture())


def test_quality_is_used(types):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    sizes = [len(encode_compressed_image(types, noise, 0, "c", "jpeg", quality).data) for quality in (20, 90)]
    assert sizes[0] < sizes[1] / 2


@pytest.mark.parametrize("text", ["jpeg", "jpg", "png", "", "rgb8; jpeg compressed bgr8", "bgr8; jpeg compressed bgr8",
                                  "bgr8; png compressed ", "rgb8; png compressed bgr8", "yuv422; jpeg compressed bgr8",
                                  "bayer_rggb8; jpeg compressed bgr8", "rgba8; png compressed bgr8", "rgb8;jpeg",
                                  "8UC3; png compressed "])  # fmt: skip
@pytest.mark.parametrize("extension", [".png", ".jpg"])
def test_colours_are_those_of_the_file(text, extension):
    found = decode_compressed_image(coded(extension, picture()[..., ::-1], text))
    assert np.abs(found.astype(int) - picture()).max() <= 6


@pytest.mark.parametrize("text", ["rgb8; png compressed rgb8", "bgr8; png compressed rgb8"])
def test_rgb_given_to_the_encoder_as_it_was(text):
    """image_transport reads such a text as: red and blue lie exchanged in the file."""
    assert np.array_equal(decode_compressed_image(coded(".png", picture(), text)), picture())


@pytest.mark.parametrize(
    "text", ["mono8; jpeg compressed mono8", "mono8; png compressed ", "png", "8UC1; png compressed "]
)
def test_grey_files(text):
    grey = picture()[..., 2]
    assert np.array_equal(decode_compressed_image(coded(".png", grey, text)), np.dstack([grey] * 3))


@pytest.mark.parametrize("text", ["mono16; png compressed ", "png"])
def test_sixteen_bit_grey(text):
    grey = picture()[..., 0].astype(np.uint16) * 257
    assert np.array_equal(decode_compressed_image(coded(".png", grey, text)), np.dstack([picture()[..., 0]] * 3))


def test_sixteen_bit_colour_and_alpha():
    wide = picture()[..., ::-1].astype(np.uint16) * 257
    assert np.array_equal(decode_compressed_image(coded(".png", wide, "rgb16; png compressed bgr16")), picture())
    alpha = np.dstack([picture()[..., ::-1], np.full((24, 32), 9, np.uint8)])
    assert np.array_equal(decode_compressed_image(coded(".png", alpha, "bgra8; png compressed ")), picture())
    alpha = np.dstack([picture(), np.full((24, 32), 9, np.uint8)])
    assert np.array_equal(decode_compressed_image(coded(".png", alpha, "rgba8; png compressed rgba8")), picture())


@pytest.mark.parametrize("bits", [8, 16])
def test_a_bayer_mosaic_in_png_becomes_colour(bits):
    mosaic = np.random.default_rng(2).integers(0, 2**bits, (24, 32)).astype(f"u{bits // 8}")
    name = f"bayer_gbrg{bits}"
    found = decode_compressed_image(coded(".png", mosaic, f"{name}; png compressed "))
    assert np.array_equal(found, PACKED[name].to_rgb(mosaic))
    assert np.ptp(found.astype(int), axis=2).max() > 0


def test_a_bayer_image_that_was_made_grey_stays_grey():
    found = decode_compressed_image(coded(".png", picture()[..., 0], "bayer_rggb8; jpeg compressed mono8"))
    assert np.array_equal(found, np.dstack([picture()[..., 0]] * 3))


@pytest.mark.parametrize("text", ["16UC1; png compressed ", "32FC1; compressedDepth png", "16UC1; compressedDepth"])
def test_depth_is_no_image(text):
    with pytest.raises(MessageError, match=f"format: '{text}' is depth, expected a colour image"):
        decode_compressed_image(coded(".png", np.ones((2, 2), np.uint16), text))


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"no image at all", "half"])
def test_damaged_images_are_refused(data):
    if data == "half":
        whole = png(np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8))
        data = whole[:40]
    with pytest.raises(MessageError, match=f"data: {len(data)} bytes of format 'png' are no image"):
        decode_compressed_image(SimpleNamespace(format="png", data=data))


def test_another_message_is_refused():
    for decode in (decode_compressed_image, decode_compressed_depth):
        with pytest.raises(MessageError, match="expected a sensor_msgs/msg/CompressedImage"):
            decode(SimpleNamespace(encoding="rgb8", data=b""))


@pytest.mark.parametrize(
    ("image", "codec", "text"),
    [
        (np.zeros((2, 2, 4), np.uint8), "jpeg", r"image: uint8 \(2, 2, 4\)"),
        (np.zeros((2, 2), np.uint16), "png", "image: uint16"),
        (np.zeros((0, 2), np.uint8), "png", r"image: uint8 \(0, 2\)"),
        (np.zeros((2, 2), np.uint8), "webp", "codec 'webp', expected jpeg or png"),
    ],
)
def test_images_that_cannot_be_written_are_refused(types, image, codec, text):
    with pytest.raises(MessageError, match=text):
        encode_compressed_image(types, image, 0, "c", codec)


DEPTH = np.float32([[1.0, np.nan, 0.5, 2.25], [65.534, 0.3, 12.345, np.nan]])
MILLIMETRES = np.uint16([[1000, 0, 500, 2250], [65534, 300, 12345, 0]])


@pytest.mark.parametrize(
    "text", ["16UC1; compressedDepth", "16UC1; compressedDepth png", "16UC1", "16UC1;compressedDepth png"]
)
@pytest.mark.parametrize("header", [(0.0, 0.0), (123.0, -4.0)])
def test_millimetres_in_png(text, header):
    found = decode_compressed_depth(depth_message(text, png(MILLIMETRES), *header))
    assert found.dtype == np.float32
    assert np.allclose(found, DEPTH, equal_nan=True)


def test_millimetres_in_rvl():
    found = decode_compressed_depth(depth_message("16UC1; compressedDepth rvl", rvl_encode(MILLIMETRES)))
    assert np.allclose(found, DEPTH, equal_nan=True)


def test_millimetres_in_plain_png():
    """What the ``compressed`` transport makes of a depth image: no header."""
    message = SimpleNamespace(format="16UC1; png compressed ", data=png(MILLIMETRES))
    assert np.allclose(decode_compressed_depth(message), DEPTH, equal_nan=True)


def test_mono16_only_on_request():
    message = depth_message("mono16; compressedDepth png", png(MILLIMETRES))
    with pytest.raises(MessageError, match=r"input\.accept_mono16_depth"):
        decode_compressed_depth(message)
    assert np.allclose(decode_compressed_depth(message, accept_mono16=True), DEPTH, equal_nan=True)


@pytest.mark.parametrize("codec", ["png", "rvl"])
def test_inverse_depth_of_the_transport_plugin(codec):
    """Written with the plugin's own numbers (depth_quantization 100, depth_max 10) and its truncation."""
    a = np.float32(100.0 * 101.0)
    b = np.float32(1.0 - a / np.float32(10.0))
    metres = np.float32([[0.5, 1.0, 3.3], [9.99, np.nan, 7.5]])
    values = np.where(np.isnan(metres), 0, a / metres + b).astype(np.uint16)
    payload = png(values) if codec == "png" else rvl_encode(values)
    found = decode_compressed_depth(depth_message(f"32FC1; compressedDepth {codec}", payload, a, b))
    wanted = np.where(values == 0, np.nan, a / (values.astype(np.float32) - b))
    assert np.allclose(found, wanted, rtol=1e-6, equal_nan=True)
    assert np.allclose(found, metres, rtol=0.002, equal_nan=True)


def test_inverse_depth_that_is_not_positive_is_unknown():
    values = np.uint16([[1, 2, 3]])
    found = decode_compressed_depth(depth_message("32FC1; compressedDepth png", png(values), 1.0, 2.0))
    assert np.array_equal(found, np.float32([[np.nan, np.nan, 1.0]]), equal_nan=True)


@pytest.mark.parametrize(
    ("text", "data", "message"),
    [
        ("jpeg", b"x" * 40, "format: 'jpeg', expected compressed depth such as '16UC1; compressedDepth png'"),
        ("16UC1; jpeg compressed ", b"x" * 40, "format: '16UC1; jpeg compressed '"),
        ("rgb8; png compressed bgr8", b"x" * 40, "format: 'rgb8; png compressed bgr8', expected compressed depth"),
        ("16UC1; compressedDepth zstd", b"x" * 40, "names codec 'zstd', expected png or rvl"),
        ("16UC1; compressedDepth png", b"x" * 12, "data: 12 bytes, expected a header of 12 bytes and an image"),
        ("16UC1; compressedDepth png", b"x" * 40, "data: 28 bytes of format '16UC1; compressedDepth png' are no image"),
        ("16UC1; compressedDepth rvl", b"x" * 16, "data: 4 bytes of RVL"),
        (
            "16UC1; compressedDepth",
            bytes(12) + png(np.zeros((2, 2), np.uint8)),
            "png of uint8 .* one channel of uint16",
        ),
        ("32FC1; png compressed ", png(MILLIMETRES), "with plain png data: the range of the depth is missing"),
        (
            "32FC1; compressedDepth png",
            struct.pack("<iff", 0, np.nan, 1.0) + png(MILLIMETRES),
            "header with a = nan and b = 1.0, expected finite numbers",
        ),
    ],
)
def test_contradicting_depth_is_refused(text, data, message):
    with pytest.raises(MessageError, match=message):
        decode_compressed_depth(SimpleNamespace(format=text, data=data))


@pytest.mark.parametrize("codec", ["png", "rvl"])
def test_millimetres_survive_writing_and_reading(read_types, codec):
    depth = DEPTH.copy()
    depth[0, 0] = 70.0
    message, too_far = encode_compressed_depth(read_types, depth, "16UC1", STAMP, "camera", codec)
    assert message.format == f"16UC1; compressedDepth {codec}"
    assert stamp_of(message.header) == STAMP
    assert too_far == 1
    depth[0, 0] = np.nan
    assert np.allclose(decode_compressed_depth(message), depth, atol=1e-6, equal_nan=True)


@st.composite
def metres(draw):
    height, width = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    near, far = draw(st.floats(0.05, 5)), draw(st.floats(5, 300))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    depth = rng.uniform(near, far, (height, width)).astype(np.float32)
    depth[rng.random(depth.shape) < 0.2] = draw(st.sampled_from([np.nan, np.inf, 0.0, -2.0]))
    if draw(st.booleans()):
        depth[...] = depth.flat[0]
    return depth


@settings(max_examples=150, deadline=None)
@given(metres(), st.sampled_from(["png", "rvl"]))
def test_inverse_depth_is_as_fine_as_sixteen_bits_allow(depth, codec):
    pytest.importorskip("rosbags")
    message, too_far = encode_compressed_depth(rosbags_types(), depth, "32FC1", STAMP, "camera", codec)
    assert too_far == 0
    found = decode_compressed_depth(message)
    known = np.isfinite(depth) & (depth > 0)
    assert np.array_equal(np.isfinite(found), known)
    if known.any():
        near, far = depth[known].min().astype(float), depth[known].max().astype(float)
        step = (1 / near - 1 / far) / 65534  # of inverse depth
        wanted = depth[known].astype(float)
        error = np.abs(found[known] - wanted)
        assert (error <= 0.6 * step * wanted**2 + 3e-6 * wanted).all()


@pytest.mark.parametrize(
    ("depth", "encoding", "codec", "text"),
    [
        (DEPTH, "mono16", "png", "encoding: 'mono16' is not depth, expected 32FC1"),
        (DEPTH, "16UC1", "jpeg", "codec 'jpeg', expected png or rvl"),
        (DEPTH[0], "16UC1", "png", r"depth: array \(4,\)"),
        (DEPTH[:0], "16UC1", "png", r"depth: array \(0, 4\)"),
    ],
)
def test_depth_that_cannot_be_written_is_refused(types, depth, encoding, codec, text):
    with pytest.raises(MessageError, match=text):
        encode_compressed_depth(types, depth, encoding, 0, "c", codec)


def test_real_depth(real_data):
    """A Kinect frame keeps every millimetre through both codecs."""
    source = sorted((real_data / "sevenscenes_kitchen").rglob("*.depth.png"))[0]
    millimetres = cv2.imread(str(source), cv2.IMREAD_UNCHANGED)
    millimetres[millimetres == 65535] = 0
    depth = np.where(millimetres > 0, millimetres / np.float32(1000), np.nan).astype(np.float32)
    for codec in ("png", "rvl"):
        message, _ = encode_compressed_depth(rosbags_types(), depth, "16UC1", STAMP, "camera", codec)
        assert np.array_equal(np.rint(np.nan_to_num(decode_compressed_depth(message)) * 1000), millimetres)
