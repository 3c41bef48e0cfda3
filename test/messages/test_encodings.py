"""The table of encodings, byte by byte: layouts against loops over bytes, colours against formulas and OpenCV."""

from __future__ import annotations

import array
import struct
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_perception.messages.encodings import COLOR_ENCODINGS, PACKED, PLANAR, pixels, planar_to_rgb, to_8_bits
from depth_perception.messages.types import MessageError

LETTERS = {"u1": "B", "u2": "H", "f4": "f"}
BAYER = {"rggb": "rg/gb", "bggr": "bg/gr", "gbrg": "gb/rg", "grbg": "gr/bg"}


def message(encoding, width, height, step, data, big=0):
    return SimpleNamespace(encoding=encoding, width=width, height=height, step=step, data=data, is_bigendian=big)


def pack(values, dtype, padding, big, last_padding=True):
    """Write (height, width, channels) numbers one by one into rows with padding bytes behind them."""
    rows = []
    for row in values:
        numbers = [struct.pack((">" if big else "<") + LETTERS[dtype], v) for v in row.reshape(-1).tolist()]
        rows.append(b"".join(numbers) + b"\xa5" * padding)
    data = b"".join(rows)
    return data if last_padding else data[: len(data) - padding]


@st.composite
def packed_images(draw):
    name = draw(st.sampled_from(sorted(PACKED)))
    encoding = PACKED[name]
    height, width = draw(st.integers(1, 7)), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (height, width, encoding.channels)
    if encoding.dtype == "f4":
        values = rng.uniform(-10, 10, shape).astype(np.float32)
    else:
        values = rng.integers(0, np.iinfo(encoding.dtype).max + 1, shape).astype(encoding.dtype)
    padding, big, last = draw(st.integers(0, 9)), draw(st.booleans()), draw(st.booleans())
    data = pack(values, encoding.dtype, padding, big, last)
    container = draw(st.sampled_from([bytes, lambda d: array.array("B", d), lambda d: np.frombuffer(d, np.uint8)]))
    step = values[0].nbytes + padding
    return message(name, width, height, step, container(data), int(big)), values


@settings(max_examples=300, deadline=None)
@given(packed_images())
def test_pixels_of_any_layout(case):
    image, values = case
    found = pixels(image, PACKED[image.encoding])
    assert found.dtype == values.dtype
    assert found.dtype.isnative
    assert np.array_equal(found.reshape(values.shape), values)


@settings(max_examples=300, deadline=None)
@given(packed_images())
def test_colours_do_not_depend_on_the_layout(case):
    """The same pixels without padding, in native order, converted by OpenCV or by a formula."""
    image, values = case
    name, convert = image.encoding, PACKED[image.encoding].to_rgb
    height, width = values.shape[:2]
    if convert is None:
        assert name in ("16UC1", "32FC1")
        return
    if name.startswith("bayer") and min(height, width) < 3:
        with pytest.raises(MessageError, match=f"a Bayer image of {width} x {height} pixels"):
            convert(pixels(image, PACKED[name]))
        return
    found = convert(pixels(image, PACKED[name]))
    assert found.dtype == np.uint8
    assert found.shape == (height, width, 3)
    assert found.flags.c_contiguous
    if name.startswith("bayer"):
        expected = bayer_by_hand(values[..., 0], name[6:10])
        scaled = expected / 257.0 if name.endswith("16") else expected
        inner = (slice(1, -1), slice(1, -1))  # what OpenCV does at the border is its own affair
        assert np.abs(found[inner] - scaled[inner]).max(initial=0) <= 1.0
    elif PACKED[name].channels == 2:
        expected = yuv422_by_hand(values, name in ("yuv422", "uyvy"))
        whole = width - width % 2
        assert np.abs(found[:, :whole].astype(int) - expected[:, :whole]).max(initial=0) <= 1
    else:
        order = {"rgb8": [0, 1, 2], "rgba8": [0, 1, 2], "bgr8": [2, 1, 0], "bgra8": [2, 1, 0], "8UC3": [2, 1, 0]}
        expected = values[..., order.get(name, [0, 0, 0])]
        expected = np.rint(expected / 257.0) if name == "mono16" else expected
        assert np.array_equal(found, expected)


def bayer_by_hand(mosaic, pattern):
    """Bilinear demosaicing of inner pixels, worked out from the letters of the ROS name alone."""
    height, width = mosaic.shape
    rows = BAYER[pattern].split("/")
    colour = [[rows[y % 2][x % 2] for x in range(width)] for y in range(height)]
    out = np.zeros((height, width, 3))
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            for channel, letter in enumerate("rgb"):
                if colour[y][x] == letter:
                    out[y, x, channel] = mosaic[y, x]
                    continue
                near = [(y, x - 1), (y, x + 1), (y - 1, x), (y + 1, x)]
                if letter != "g" and colour[y][x] != "g":  # red at blue and the other way: diagonal
                    near = [(y - 1, x - 1), (y - 1, x + 1), (y + 1, x - 1), (y + 1, x + 1)]
                out[y, x, channel] = np.mean([float(mosaic[p]) for p in near if colour[p[0]][p[1]] == letter])
    return out


def bt601(y, u, v):
    """Studio-range BT.601, rounded and saturated."""
    y, u, v = 1.164383 * (y - 16.0), u - 128.0, v - 128.0
    rgb = (y + 1.596027 * v, y - 0.391762 * u - 0.812968 * v, y + 2.017232 * u)
    return [min(max(round(c), 0), 255) for c in rgb]


def yuv422_by_hand(values, chroma_first):
    height, width = values.shape[:2]
    out = np.zeros((height, width, 3), int)
    chroma, luma = (0, 1) if chroma_first else (1, 0)
    for y in range(height):
        for x in range(width - width % 2):
            pair = x - x % 2
            u, v = float(values[y, pair, chroma]), float(values[y, pair + 1, chroma])
            out[y, x] = bt601(float(max(values[y, x, luma], 16)), u, v)
    return out


@pytest.mark.parametrize("pattern", sorted(BAYER))
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("height", "width"), [(6, 8), (7, 5), (3, 3)])
def test_bayer_names_start_at_the_top_left_pixel(pattern, bits, height, width):
    """A mosaic of one colour has that colour everywhere, the border included."""
    wanted = {"r": 200, "g": 100, "b": 50}
    rows = BAYER[pattern].split("/")
    mosaic = np.array([[wanted[rows[y % 2][x % 2]] for x in range(width)] for y in range(height)])
    mosaic = mosaic.astype(np.uint8) if bits == 8 else (mosaic * 257).astype(np.uint16)
    convert = PACKED[f"bayer_{pattern}{bits}"].to_rgb
    assert (convert(mosaic) == [200, 100, 50]).all()


@pytest.mark.parametrize("width", [1, 3, 5])
@pytest.mark.parametrize("name", ["yuv422", "yuyv"])
def test_the_last_column_of_an_odd_yuv422_image_has_its_own_luma(name, width):
    chroma, luma = (0, 1) if name == "yuv422" else (1, 0)
    image = np.full((2, width, 2), 128, np.uint8)
    image[:, -1, luma] = 235
    image[:, :-1, luma] = 16
    found = PACKED[name].to_rgb(image)
    assert (found[:, -1] >= 254).all()
    assert (found[:, :-1] <= 1).all()
    assert image[0, -1, chroma] == 128  # the message is left alone


def test_16_bits_become_8_as_in_cv_bridge():
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert np.array_equal(to_8_bits(every), np.rint(every * (255.0 / 65535.0)).astype(np.uint8))
    eight = np.zeros((2, 2), np.uint8)
    assert to_8_bits(eight) is eight


def planar(name, width, height, luma_padding=0):
    """A random planar image by the V4L2 layout: data, luma, and chroma of every pixel."""
    rng = np.random.default_rng(width * 100 + height)
    luma = rng.integers(16, 236, (height, width)).astype(np.uint8)
    half = name != "nv24"
    rows, columns = ((height + 1) // 2, (width + 1) // 2) if half else (height, width)
    chroma = rng.integers(64, 192, (rows, columns, 2)).astype(np.uint8)
    step = width + luma_padding
    chroma_step = step if half else 2 * step
    data = b"".join(bytes(row) + b"\xa5" * luma_padding for row in luma)
    data += b"".join(bytes(row.reshape(-1)) + b"\xa5" * (chroma_step - 2 * columns) for row in chroma)
    u, v = (1, 0) if name == "nv21" else (0, 1)
    full = chroma.repeat(2, 0).repeat(2, 1)[:height, :width] if half else chroma
    expected = [
        [bt601(float(luma[y, x]), *map(float, full[y, x, [u, v]])) for x in range(width)] for y in range(height)
    ]
    return message(name, width, height, step, data), np.array(expected)


@pytest.mark.parametrize("name", PLANAR)
@pytest.mark.parametrize(
    ("width", "height", "padding"), [(4, 4, 0), (6, 2, 10), (5, 3, 3), (7, 4, 1), (2, 2, 0), (1, 1, 1)]
)
def test_planar_layouts(name, width, height, padding):
    image, expected = planar(name, width, height, padding)
    found = planar_to_rgb(image)
    assert found.shape == (height, width, 3)
    assert found.flags.c_contiguous
    assert np.abs(found.astype(int) - expected).max() <= 2


@pytest.mark.parametrize("name", PLANAR)
def test_unpadded_planar_data_is_read_whatever_step_says(name):
    image, expected = planar(name, 8, 4)
    for step in (0, 12, 16, 24):
        image.step = step
        assert np.abs(planar_to_rgb(image).astype(int) - expected).max() <= 2


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"width": 0}, "width x height: 0 x 2, expected an image with pixels"),
        ({"height": 0}, "width x height: 4 x 0"),
        ({"step": 11}, "step: 11 bytes are less than a row of 4 rgb8 pixels, expected at least 12"),
        ({"step": 0}, "step: 0 bytes"),
        ({"data": bytes(23)}, "data: 23 bytes, expected 24 for 4 x 2 pixels of rgb8 with step 12"),
        ({"data": b""}, "data: 0 bytes, expected 24"),
        ({"data": "text"}, "data: str holds no bytes"),
    ],
)
def test_contradicting_images_are_refused(change, text):
    good = {"encoding": "rgb8", "width": 4, "height": 2, "step": 12, "data": bytes(24), "is_bigendian": 0}
    assert pixels(SimpleNamespace(**good), PACKED["rgb8"]).shape == (2, 4, 3)
    with pytest.raises(MessageError, match=text):
        pixels(SimpleNamespace(**{**good, **change}), PACKED["rgb8"])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"data": bytes(23)}, "data: 23 bytes, expected 24"),
        ({"step": 3, "data": bytes(40)}, "step: 3 bytes are less than a row of 4 nv21 pixels, expected at least 4"),
        ({"width": 0}, "width x height: 0 x 4"),
    ],
)
def test_contradicting_planar_images_are_refused(change, text):
    good = {"encoding": "nv21", "width": 4, "height": 4, "step": 4, "data": bytes(24), "is_bigendian": 0}
    with pytest.raises(MessageError, match=text):
        planar_to_rgb(SimpleNamespace(**{**good, **change}))


def test_another_message_is_refused():
    with pytest.raises(MessageError, match="expected a sensor_msgs/msg/Image"):
        pixels(SimpleNamespace(data=b""), PACKED["rgb8"])


def test_every_encoding_of_the_package_is_listed():
    named = ["rgb8", "bgr8", "rgba8", "bgra8", "mono8", "mono16", "8UC1", "8UC3"]
    named += ["yuv422", "uyvy", "yuv422_yuy2", "yuyv", "nv21", "nv24"]
    named += [f"bayer_{p}{bits}" for p in BAYER for bits in (8, 16)]
    assert set(named) <= set(COLOR_ENCODINGS)
    assert {"16UC1", "32FC1"} == set(PACKED) - set(COLOR_ENCODINGS)


def test_nv21_agrees_with_opencv():
    image, _ = planar("nv21", 8, 6)
    stacked = np.frombuffer(image.data, np.uint8).reshape(9, 8)
    assert np.array_equal(planar_to_rgb(image), cv2.cvtColor(stacked, cv2.COLOR_YUV2RGB_NV21))
