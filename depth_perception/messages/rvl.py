"""RVL, the lossless run-length code for 16-bit depth images that compressedDepth can carry.

A. D. Wilson, "Fast lossless depth image compression", ISS 2017. An image is a list of numbers: how many
zeros, how many non-zeros, then for each of those the difference to the previous non-zero pixel,
zigzag-coded so that small is short; and again. A number is written in groups of three bits, lowest first,
each in a nibble whose top bit says that more follow; eight nibbles fill a 32-bit word from the top.
Worked out with whole arrays; only the runs of pixels are walked one by one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depth_perception.messages.types import MessageError

_NIBBLE_SHIFTS = np.arange(28, -1, -4, dtype=np.uint32)
_LONGEST = 11  # nibbles of a 32-bit number
_MOST_PIXELS = 1 << 28


def rvl_encode(image: NDArray[np.uint16]) -> bytes:
    """Return the code of a uint16 image (height, width), columns and rows first, as image_transport stores it."""
    height, width = image.shape
    values = _values(np.ascontiguousarray(image).reshape(-1))
    thresholds = np.int64(1) << (3 * np.arange(1, _LONGEST))
    lengths = 1 + np.searchsorted(thresholds, values, side="right")
    starts = np.cumsum(lengths) - lengths
    nibbles = np.zeros(-(-int(lengths.sum()) // 8) * 8, np.uint32)
    for k in range(int(lengths.max(initial=0))):
        chosen = np.flatnonzero(lengths > k)
        more = np.where(lengths[chosen] > k + 1, 8, 0)
        nibbles[starts[chosen] + k] = (values[chosen] >> (3 * k)) & 7 | more
    words = np.bitwise_or.reduce(nibbles.reshape(-1, 8) << _NIBBLE_SHIFTS, axis=1)
    return np.array([width, height], "<u4").tobytes() + words.astype("<u4").tobytes()


def rvl_decode(data: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return the uint16 image (height, width) of a code with columns and rows in front.

    Raises MessageError if its size is zero or beyond reason, if it ends early or overruns the image.
    """
    if data.size < 8:
        raise MessageError(f"data: {data.size} bytes of RVL, expected at least columns and rows (8 bytes)")
    width, height = (int(v) for v in data[:8].copy().view("<u4"))
    if width == 0 or height == 0 or width * height > _MOST_PIXELS:
        raise MessageError(f"data: RVL image of {width} x {height} pixels (damaged?)")
    words = data[8 : data.size - data.size % 4].copy().view("<u4")
    nibbles = ((words[:, None] >> _NIBBLE_SHIFTS) & 15).reshape(-1)
    ends = np.flatnonzero(nibbles < 8)
    starts = np.concatenate([[0], ends[:-1] + 1]) if ends.size else ends
    lengths = ends - starts + 1
    if lengths.max(initial=0) > _LONGEST:
        raise MessageError("data: RVL code holds a number of more than 32 bits (damaged?)")
    values = np.zeros(ends.size, np.int64)
    for k in range(int(lengths.max(initial=0))):
        chosen = np.flatnonzero(lengths > k)
        values[chosen] |= (nibbles[starts[chosen] + k].astype(np.int64) & 7) << (3 * k)
    return _pixels(values, width * height).reshape(height, width)


def _values(flat: NDArray[np.uint16]) -> NDArray[np.int64]:
    """Return the list of numbers of an image: run lengths and zigzag differences in their order."""
    filled = flat != 0
    changes = np.flatnonzero(filled[1:] != filled[:-1]) + 1
    edges = np.concatenate([[0], changes, [flat.size]])
    runs = np.diff(edges)
    if filled.size and filled[0]:
        runs = np.concatenate([[0], runs])
    if runs.size % 2:
        runs = np.concatenate([runs, [0]])  # zeros reach the end: no non-zeros follow
    zeros, nonzeros = runs[0::2], runs[1::2]
    delta = np.diff(flat[filled].astype(np.int64), prepend=0)
    before = np.cumsum(nonzeros) - nonzeros  # pixels written before each pair of runs
    heads = 2 * np.arange(zeros.size) + before
    values = np.zeros(runs.size + delta.size, np.int64)
    is_delta = np.ones(values.size, bool)
    is_delta[heads] = is_delta[heads + 1] = False
    values[heads], values[heads + 1] = zeros, nonzeros
    values[is_delta] = (delta << 1) ^ (delta >> 63)
    return values


def _pixels(values: NDArray[np.int64], size: int) -> NDArray[np.uint16]:
    """Return the flat image of a list of numbers, the inverse of :func:`_values`."""
    first_pixels, first_values, counts = [], [], []
    at, pixel = 0, 0
    while pixel < size:
        if at + 2 > values.size:
            raise MessageError(f"data: RVL code ends after {pixel} of {size} pixels (truncated?)")
        zeros, count = int(values[at]), int(values[at + 1])
        if pixel + zeros + count > size or at + 2 + count > values.size:
            raise MessageError(f"data: RVL code does not fit {size} pixels at pixel {pixel} (damaged or truncated?)")
        first_pixels.append(pixel + zeros)
        first_values.append(at + 2)
        counts.append(count)
        pixel += zeros + count
        at += 2 + count
    out = np.zeros(size, np.uint16)
    number = np.array(counts, np.int64)
    within = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    zigzag = values[np.repeat(first_values, number) + within]
    depth = np.cumsum((zigzag >> 1) ^ -(zigzag & 1)) & 0xFFFF
    out[np.repeat(first_pixels, number) + within] = depth
    return out
