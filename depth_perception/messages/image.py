"""``sensor_msgs/msg/Image`` to arrays and back: colour as RGB uint8, depth as metres in float32."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_perception.available import optional
from depth_perception.frames import FloatImage
from depth_perception.messages.encodings import COLOR_ENCODINGS, IMAGE, PACKED, PLANAR, pixels, planar_to_rgb
from depth_perception.messages.types import MessageError, MessageTypes, header, require_fields

#: Largest depth of 16UC1 in millimetres; 65535 is kept free because drivers use it for "too far".
MAX_MILLIMETRES = 65534


def decode_image(message: Any) -> NDArray[np.uint8]:
    """Return a colour or grey image as RGB uint8 (height, width, 3).

    For rgb8 the result is a view into the message, so don't write to it; other encodings are converted
    once, as cv_bridge's conversion to rgb8 does (16 bits are scaled by 255/65535). 8UC1 and 8UC3 carry
    no colour order: they are taken for grey and for OpenCV's BGR. What our table does not know is
    tried with cv_bridge where that is installed. Raises MessageError.
    """
    require_fields(message, IMAGE, "encoding")
    name = message.encoding
    if name in PLANAR:
        return planar_to_rgb(message)
    encoding = PACKED.get(name)
    if encoding is None:
        return _by_cv_bridge(message)
    if encoding.to_rgb is None:
        raise MessageError(f"encoding: {name} is depth, expected a colour image: {', '.join(COLOR_ENCODINGS)}")
    return encoding.to_rgb(pixels(message, encoding))


def decode_depth(message: Any, accept_mono16: bool = False) -> FloatImage:
    """Return a depth image as float32 (height, width) in metres, NaN where unknown (REP 118).

    16UC1 holds millimetres, 0 for unknown. 32FC1 holds metres; NaN, infinite, zero and negative values
    are unknown, and an image with none but NaN among these is returned as a view into the message.
    mono16 is read like 16UC1 if ``accept_mono16``. Raises MessageError.
    """
    require_fields(message, IMAGE, "encoding")
    name = message.encoding
    if name == "32FC1":
        return without_invalid(pixels(message, PACKED[name]))
    if name == "16UC1" or (name == "mono16" and accept_mono16):
        return depth_from_millimetres(pixels(message, PACKED[name]))
    if name == "mono16":
        raise MessageError(
            "encoding: mono16 is a grey image, expected depth as 32FC1 (metres) or 16UC1 (millimetres); if this "
            "publisher writes millimetres as mono16, set parameter input.accept_mono16_depth to true"
        )
    raise MessageError(f"encoding: {name!r} is not depth, expected 32FC1 (metres) or 16UC1 (millimetres)")


def encode_image(types: MessageTypes, array: NDArray, encoding: str, stamp: int, frame_id: str) -> Any:
    """Return an Image message of ``array`` (height, width) or (height, width, channels), bytes as they are.

    ``encoding`` is any packed name of our table; type and channels must agree with it, nothing is
    converted. ``stamp`` is in nanoseconds. A rosbags message shares memory with a contiguous array.
    Raises MessageError.
    """
    known = PACKED.get(encoding)
    if known is None:
        raise MessageError(f"encoding: {encoding!r} cannot be written, expected one of {', '.join(PACKED)}")
    channels = 1 if array.ndim == 2 else array.shape[2] if array.ndim == 3 else 0
    if array.dtype.newbyteorder("=") != np.dtype(known.dtype) or channels != known.channels or array.size == 0:
        shape = "(height, width)" if known.channels == 1 else f"(height, width, {known.channels})"
        raise MessageError(
            f"encoding: {encoding} needs a {np.dtype(known.dtype)} array {shape} with pixels, "
            f"got {array.dtype} {array.shape}"
        )
    height, width = array.shape[:2]
    native = np.ascontiguousarray(array, np.dtype(known.dtype))
    return types.make(
        IMAGE,
        header=header(types, stamp, frame_id),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=int(sys.byteorder == "big"),
        step=width * channels * native.itemsize,
        data=native.reshape(-1).view(np.uint8),
    )


def encode_depth(types: MessageTypes, depth: FloatImage, encoding: str, stamp: int, frame_id: str) -> tuple[Any, int]:
    """Return an Image message of ``depth`` (height, width) in metres, and how many pixels were too far.

    32FC1 stores the values as they are, except that zero and negative ones become NaN; none are too
    far. 16UC1 stores rounded millimetres and 0 for unknown; finite depth above 65.534 m becomes 0 and
    is counted. ``stamp`` is in nanoseconds. Raises MessageError for another encoding.
    """
    if encoding == "32FC1":
        metres = np.ascontiguousarray(depth, np.float32)
        if np.fmin.reduce(metres, axis=None, initial=np.inf) <= 0:
            metres = np.where(metres <= 0, np.float32(np.nan), metres)
        return encode_image(types, metres, encoding, stamp, frame_id), 0
    if encoding == "16UC1":
        millimetres, too_far = depth_to_millimetres(depth)
        return encode_image(types, millimetres, encoding, stamp, frame_id), too_far
    raise MessageError(f"encoding: {encoding!r} is not depth, expected 32FC1 (metres) or 16UC1 (millimetres)")


def depth_from_millimetres(millimetres: NDArray[np.uint16]) -> FloatImage:
    """Return float32 metres of uint16 millimetres; 0 becomes NaN (REP 118)."""
    metres = np.divide(millimetres, np.float32(1000), dtype=np.float32)
    np.copyto(metres, np.float32(np.nan), where=millimetres == 0)
    return metres


def depth_to_millimetres(depth: FloatImage) -> tuple[NDArray[np.uint16], int]:
    """Return uint16 millimetres of float metres, rounded, and the number of finite values above 65.534 m.

    Those, and unknown values (NaN, infinite, zero, negative), become 0 (REP 118).
    """
    millimetres = np.multiply(depth, np.float32(1000), dtype=np.float32)
    np.rint(millimetres, out=millimetres)
    unknown = ~((millimetres > 0) & (millimetres <= MAX_MILLIMETRES))  # True for NaN
    too_far = 0
    if unknown.any():
        far = millimetres > MAX_MILLIMETRES
        too_far = int(np.count_nonzero(far & np.isfinite(depth))) if far.any() else 0
        millimetres[unknown] = 0
    return millimetres.astype(np.uint16), too_far


def without_invalid(depth: FloatImage) -> FloatImage:
    """Return float32 depth with NaN for infinite, zero and negative values; the same array if it has none.

    Padded rows, and data that starts at an odd address, are copied: torch and OpenCV refuse them.
    """
    depth = np.require(depth, requirements=["C", "A"])
    smallest = np.fmin.reduce(depth, axis=None, initial=np.inf)
    largest = np.fmax.reduce(depth, axis=None, initial=-np.inf)
    if smallest > 0 and largest < np.inf:
        return depth
    return np.where((depth > 0) & (depth < np.inf), depth, np.float32(np.nan))


def _by_cv_bridge(message: Any) -> NDArray[np.uint8]:
    """Convert an encoding that is not in our table, such as rgb16, where cv_bridge is installed."""
    known = f"encoding: {message.encoding!r} is not supported, expected one of {', '.join(COLOR_ENCODINGS)}"
    bridge = optional("cv_bridge")
    if bridge is None:
        raise MessageError(f"{known} (cv_bridge, which may know more, is not installed)")
    try:
        return np.ascontiguousarray(bridge.CvBridge().imgmsg_to_cv2(message, "rgb8"))
    except Exception as error:  # CvBridgeError, but also TypeError, KeyError and others from its C++ part
        raise MessageError(f"{known}; cv_bridge says: {error}") from error
