"""The table of image encodings: how each lies in memory, and how it becomes RGB.

The names are those of ``sensor_msgs/image_encodings.hpp``; results follow cv_bridge's conversion to
rgb8 where cv_bridge converts. Colours of YUV images are BT.601 with 16..235 luma, as OpenCV has it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.messages.types import MessageError, byte_view, require_fields

IMAGE = "sensor_msgs/msg/Image"

#: From 16 to 8 bits as cv_bridge does it: full range to full range, rounded (65535 -> 255).
_TO_8_BITS = 255.0 / 65535.0


@dataclass(frozen=True)
class Encoding:
    """One packed encoding: ``channels`` numbers of ``dtype`` a pixel; ``to_rgb`` is None for depth."""

    dtype: str
    channels: int
    to_rgb: Callable[[NDArray], NDArray[np.uint8]] | None


def _same(image: NDArray) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image)  # a copy only if rows are padded


def _by_opencv(code: int) -> Callable[[NDArray], NDArray[np.uint8]]:
    def convert(image: NDArray) -> NDArray[np.uint8]:
        return to_8_bits(cv2.cvtColor(image, code))

    return convert


def _mono16(image: NDArray) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(to_8_bits(image), cv2.COLOR_GRAY2RGB), np.uint8)


def _bayer(code: int) -> Callable[[NDArray], NDArray[np.uint8]]:
    def convert(image: NDArray) -> NDArray[np.uint8]:
        if min(image.shape) < 3:  # OpenCV returns black then, without an error
            raise MessageError(
                f"width x height: a Bayer image of {image.shape[1]} x {image.shape[0]} pixels has no colours, "
                "expected at least 3 x 3"
            )
        return to_8_bits(cv2.cvtColor(image, code))

    return convert


def _yuv422(code: int, chroma: int, luma: int) -> Callable[[NDArray], NDArray[np.uint8]]:
    """Two pixels share U and V: bytes UYVY (``chroma`` 0, ``luma`` 1) or YUYV (1, 0)."""

    def convert(image: NDArray) -> NDArray[np.uint8]:
        width = image.shape[1]
        if width % 2:  # the last pixel has a U but no V: borrow its neighbour's
            image = np.concatenate([image, image[:, -1:]], axis=1)
            image[:, -1, chroma] = image[:, -3, chroma] if width > 1 else 128
            image[:, -1, luma] = image[:, -2, luma]
        return np.ascontiguousarray(cv2.cvtColor(image, code)[:, :width], np.uint8)

    return convert


# OpenCV names a Bayer pattern by the second row's second and third pixel, ROS by the first row's first
# two: rggb in ROS is BG in OpenCV. test_encodings.py checks all four with a mosaic of a known colour.
_BAYER_CODES = {
    "rggb": cv2.COLOR_BayerBG2RGB,
    "bggr": cv2.COLOR_BayerRG2RGB,
    "gbrg": cv2.COLOR_BayerGR2RGB,
    "grbg": cv2.COLOR_BayerGB2RGB,
}
_UYVY = _yuv422(cv2.COLOR_YUV2RGB_UYVY, 0, 1)
_YUYV = _yuv422(cv2.COLOR_YUV2RGB_YUY2, 1, 0)

PACKED: dict[str, Encoding] = {
    "rgb8": Encoding("u1", 3, _same),
    "bgr8": Encoding("u1", 3, _by_opencv(cv2.COLOR_BGR2RGB)),
    "rgba8": Encoding("u1", 4, _by_opencv(cv2.COLOR_RGBA2RGB)),
    "bgra8": Encoding("u1", 4, _by_opencv(cv2.COLOR_BGRA2RGB)),
    "mono8": Encoding("u1", 1, _by_opencv(cv2.COLOR_GRAY2RGB)),
    "mono16": Encoding("u2", 1, _mono16),
    # Arrays straight from OpenCV: no colour order is written down, OpenCV's own is meant.
    "8UC1": Encoding("u1", 1, _by_opencv(cv2.COLOR_GRAY2RGB)),
    "8UC3": Encoding("u1", 3, _by_opencv(cv2.COLOR_BGR2RGB)),
    **{f"bayer_{name}8": Encoding("u1", 1, _bayer(code)) for name, code in _BAYER_CODES.items()},
    **{f"bayer_{name}16": Encoding("u2", 1, _bayer(code)) for name, code in _BAYER_CODES.items()},
    "yuv422": Encoding("u1", 2, _UYVY),
    "uyvy": Encoding("u1", 2, _UYVY),
    "yuv422_yuy2": Encoding("u1", 2, _YUYV),
    "yuyv": Encoding("u1", 2, _YUYV),
    "16UC1": Encoding("u2", 1, None),
    "32FC1": Encoding("f4", 1, None),
}
PLANAR = ("nv12", "nv21", "nv24")

#: Encodings that become a colour image, in the order of error texts and documentation.
COLOR_ENCODINGS = (*(name for name, encoding in PACKED.items() if encoding.to_rgb is not None), *PLANAR)


def to_8_bits(image: NDArray) -> NDArray[np.uint8]:
    """Return a uint8 image: uint16 is scaled from 0..65535 to 0..255 and rounded, uint8 is passed on."""
    if image.dtype == np.uint8:
        return image
    return np.asarray(cv2.convertScaleAbs(image, alpha=_TO_8_BITS), np.uint8)


def pixels(message: Any, encoding: Encoding) -> NDArray:
    """Return the pixels of a packed ``sensor_msgs/msg/Image`` without copying.

    Returns (height, width) or (height, width, channels) of the encoding's type, in native byte order;
    rows may be apart by more than their length (``step``). Foreign byte order, and numbers at addresses
    that are no multiple of their size (OpenCV silently misreads such rows), are put right in a copy.
    Raises MessageError for zero size, a ``step`` shorter than a row, or truncated ``data``.
    """
    height, width, data = _size_and_data(message)
    dtype = np.dtype(encoding.dtype).newbyteorder(">" if message.is_bigendian else "<")
    row = width * encoding.channels * dtype.itemsize
    step = int(message.step)
    if step < row:
        raise MessageError(
            f"step: {step} bytes are less than a row of {width} {message.encoding} pixels, expected at least {row}"
        )
    needed = step * (height - 1) + row  # the padding behind the last row may be missing
    _require_bytes(message, data, needed)
    image: NDArray[Any]  # NumPy 1.26 cannot tell it from the arguments
    if encoding.channels == 1:
        image = np.ndarray((height, width), dtype, data, 0, (step, dtype.itemsize))
    else:
        strides = (step, encoding.channels * dtype.itemsize, dtype.itemsize)
        image = np.ndarray((height, width, encoding.channels), dtype, data, 0, strides)
    if image.flags.aligned and dtype.isnative:
        return image
    return image.astype(dtype.newbyteorder("="))


def planar_to_rgb(message: Any) -> NDArray[np.uint8]:
    """Return RGB uint8 (height, width, 3) of an image with one plane of luma and one of chroma.

    nv12 and nv21 have one chroma pair for 2 x 2 pixels, nv24 one a pixel. ``step`` is the luma row; the
    chroma rows of nv24 are twice as far apart (V4L2). Data of exactly the unpadded size is read without
    padding whatever ``step`` says, as drivers disagree on what it means here. Raises MessageError.
    """
    height, width, data = _size_and_data(message)
    half = message.encoding != "nv24"
    rows = (height + 1) // 2 if half else height
    row = 2 * ((width + 1) // 2) if half else 2 * width
    if data.size == height * width + rows * row:
        luma_step, chroma_step = width, row
    else:
        luma_step = int(message.step)
        chroma_step = luma_step if half else 2 * luma_step
        if luma_step < width or chroma_step < row:
            raise MessageError(
                f"step: {luma_step} bytes are less than a row of {width} {message.encoding} pixels, "
                f"expected at least {max(width, row if half else width)}"
            )
    _require_bytes(message, data, height * luma_step + (rows - 1) * chroma_step + row)
    luma: NDArray[np.uint8] = np.ndarray((height, width), np.uint8, data, 0, (luma_step, 1))
    chroma: NDArray[np.uint8] = np.ndarray((rows, row // 2, 2), np.uint8, data, height * luma_step, (chroma_step, 2, 1))
    if not half:
        return _yuv444_to_rgb(luma, chroma)
    if height % 2 or width % 2:  # OpenCV wants whole 2 x 2 blocks
        luma = np.pad(luma, ((0, height % 2), (0, width % 2)), mode="edge")
    code = cv2.COLOR_YUV2RGB_NV12 if message.encoding == "nv12" else cv2.COLOR_YUV2RGB_NV21
    return np.ascontiguousarray(cv2.cvtColorTwoPlane(luma, chroma, code)[:height, :width], np.uint8)


def _yuv444_to_rgb(luma: NDArray[np.uint8], chroma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert BT.601 studio-range YUV at full chroma resolution, for which OpenCV has no code."""
    yuv = np.dstack([luma, chroma])  # (height, width, 3)
    matrix = np.array([[1.164, 0.0, 1.596], [1.164, -0.391, -0.813], [1.164, 2.018, 0.0]])
    offset = -matrix @ np.array([16.0, 128.0, 128.0])
    return np.asarray(cv2.transform(yuv, np.column_stack([matrix, offset])), np.uint8)


def _size_and_data(message: Any) -> tuple[int, int, NDArray[np.uint8]]:
    require_fields(message, IMAGE, "height", "width", "encoding", "is_bigendian", "step", "data")
    height, width = int(message.height), int(message.width)
    if height <= 0 or width <= 0:
        raise MessageError(f"width x height: {width} x {height}, expected an image with pixels")
    return height, width, byte_view(message.data)


def _require_bytes(message: Any, data: NDArray[np.uint8], needed: int) -> None:
    if data.size < needed:
        raise MessageError(
            f"data: {data.size} bytes, expected {needed} for {message.width} x {message.height} pixels of "
            f"{message.encoding} with step {message.step} (a truncated image?)"
        )
