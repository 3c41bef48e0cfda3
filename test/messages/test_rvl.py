"""RVL, held to the paper's algorithm written out pixel by pixel."""

from __future__ import annotations

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_perception.messages.rvl import rvl_decode, rvl_encode
from depth_perception.messages.types import MessageError


def by_hand(image):
    """The code as a list of numbers first, then as nibbles in a string of hexadecimal digits."""
    pixels, numbers, previous, at = image.ravel().tolist(), [], 0, 0
    while at < len(pixels):
        start = at
        while at < len(pixels) and pixels[at] == 0:
            at += 1
        numbers.append(at - start)
        start = at
        while at < len(pixels) and pixels[at] != 0:
            at += 1
        numbers.append(at - start)
        for value in pixels[start:at]:
            delta = value - previous
            numbers.append(2 * delta if delta >= 0 else -2 * delta - 1)
            previous = value
    digits = ""
    for number in numbers:
        while number >= 8:
            digits += f"{number % 8 + 8:x}"
            number //= 8
        digits += f"{number:x}"
    digits += "0" * (-len(digits) % 8)
    words = [int(digits[i : i + 8], 16) for i in range(0, len(digits), 8)]
    return struct.pack(f"<{2 + len(words)}I", image.shape[1], image.shape[0], *words)


@st.composite
def images(draw):
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    values = st.sampled_from([0, 0, 0, 1, 2, 900, 65535])
    return np.array(draw(st.lists(values, min_size=height * width, max_size=height * width)), np.uint16).reshape(
        height, width
    )


@settings(max_examples=200, deadline=None)
@given(images())
def test_code_and_decode(image):
    code = rvl_encode(image)
    assert code == by_hand(image)
    found = rvl_decode(np.frombuffer(code, np.uint8))
    assert found.dtype == np.uint16
    assert np.array_equal(found, image)


@pytest.mark.parametrize("fill", [0, 1, 65535])
def test_long_runs(fill):
    image = np.full((480, 640), fill, np.uint16)
    code = rvl_encode(image)
    assert np.array_equal(rvl_decode(np.frombuffer(code, np.uint8)), image)
    if fill == 0:
        assert len(code) <= 16


def test_noise_and_views():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 65536, (60, 80)).astype(np.uint16)
    image[rng.random(image.shape) < 0.7] = 0
    view = image[::-1, ::2]
    assert np.array_equal(rvl_decode(np.frombuffer(rvl_encode(view), np.uint8)), view)


def test_bytes_behind_the_code_do_no_harm():
    image = np.arange(12, dtype=np.uint16).reshape(3, 4)
    code = np.frombuffer(rvl_encode(image) + bytes(7), np.uint8)
    assert np.array_equal(rvl_decode(code), image)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (b"", "data: 0 bytes of RVL, expected at least columns and rows"),
        (struct.pack("<2I", 0, 4), "data: RVL image of 0 x 4 pixels"),
        (struct.pack("<2I", 2**31, 2**31), "data: RVL image of 2147483648 x 2147483648 pixels"),
        (struct.pack("<2I", 4, 4), "data: RVL code ends after 0 of 16 pixels"),
        (struct.pack("<3I", 2, 2, 0x50000000), "data: RVL code does not fit 4 pixels at pixel 0"),
        (struct.pack("<5I", 2, 2, 0xFFFFFFFF, 0xFFFFFFFF, 0), "holds a number of more than 32 bits"),
    ],
)
def test_damaged_code_is_refused(code, text):
    with pytest.raises(MessageError, match=text):
        rvl_decode(np.frombuffer(code, np.uint8))


def test_truncated_code_is_refused():
    image = np.random.default_rng(1).integers(1, 5000, (20, 20)).astype(np.uint16)
    code = rvl_encode(image)
    for size in (8, 12, len(code) // 2, len(code) - 4):
        with pytest.raises(MessageError, match="RVL code"):
            rvl_decode(np.frombuffer(code[:size], np.uint8))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.integers(1, 6), st.integers(1, 6))
def test_no_bytes_break_the_decoder(data, height, width):
    code = np.frombuffer(struct.pack("<2I", width, height) + data, np.uint8)
    with contextlib.suppress(MessageError):
        assert rvl_decode(code).shape == (height, width)
