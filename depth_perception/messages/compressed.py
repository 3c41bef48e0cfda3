"""``sensor_msgs/msg/CompressedImage``: the ``compressed`` and ``compressedDepth`` transports, both ways.

What the text in ``format`` means is nowhere specified; this follows what image_transport_plugins writes
and reads, and what simpler publishers write.
"""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import FloatImage
from depth_perception.messages.encodings import PACKED, to_8_bits
from depth_perception.messages.image import depth_from_millimetres, depth_to_millimetres
from depth_perception.messages.rvl import rvl_decode, rvl_encode
from depth_perception.messages.types import MessageError, MessageTypes, byte_view, header, require_fields

COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"

#: In front of a compressedDepth payload: an int32 (always 0), then a and b of z = a / (v - b).
_DEPTH_HEADER = struct.Struct("<iff")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LARGEST = 65535  # of the 16-bit values that stand for inverse depth
_FINEST = float(1 << 20)  # steps of inverse depth finer than this are lost in the float32 of the header


def decode_compressed_image(message: Any) -> NDArray[np.uint8]:
    """Return a jpeg or png image (or another that OpenCV reads) as RGB uint8 (height, width, 3).

    The part of ``format`` before ``;`` is the encoding of the image that was compressed; it matters for
    Bayer mosaics, which png keeps, and if the part behind says that an RGB array was handed to the encoder
    as if it were BGR. 16 bits are scaled to 8, alpha is dropped, EXIF orientation is ignored because
    CameraInfo describes the stored pixels. Raises MessageError.
    """
    require_fields(message, COMPRESSED_IMAGE, "format", "data")
    source, detail = _split_format(message.format)
    if "compressedDepth" in message.format or source in ("16UC1", "32FC1"):
        raise MessageError(f"format: {message.format!r} is depth, expected a colour image such as 'jpeg' or 'png'")
    image = _decode(byte_view(message.data), message.format)
    if image.ndim == 2:
        if source.startswith("bayer_") and "mono" not in detail:
            # the bit depth is the file's: jpeg has 8 bits whatever the source had
            known = PACKED.get(source.rstrip("0123456789") + str(8 * image.itemsize))
            if known is not None and known.to_rgb is not None:
                return known.to_rgb(image)
        return np.asarray(cv2.cvtColor(to_8_bits(image), cv2.COLOR_GRAY2RGB), np.uint8)
    image = to_8_bits(image)
    swapped = "compressed rgb" in detail
    if image.shape[2] == 4:
        code = cv2.COLOR_RGBA2RGB if swapped else cv2.COLOR_BGRA2RGB
        return np.asarray(cv2.cvtColor(image, code), np.uint8)
    return image if swapped else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def decode_compressed_depth(message: Any, accept_mono16: bool = False) -> FloatImage:
    """Return compressedDepth, or 16-bit depth compressed as plain png, as float32 metres with NaN for unknown.

    ``format`` decides: 16UC1 (and mono16 if ``accept_mono16``) is lossless millimetres; 32FC1 is quantised
    inverse depth, z = a / (v - b) with v = 0 for unknown, and a and b in the payload's header. Behind
    ``;`` it names png (also when it names nothing) or rvl. Raises MessageError.
    """
    require_fields(message, COMPRESSED_IMAGE, "format", "data")
    source, detail = _split_format(message.format)
    if source == "mono16" and not accept_mono16:
        raise MessageError(
            f"format: {message.format!r} is a grey image, expected 16UC1 or 32FC1 in front of ';'; if this publisher "
            "writes millimetres as mono16, set parameter input.accept_mono16_depth to true"
        )
    if source not in ("16UC1", "mono16", "32FC1") or "jpeg" in detail:
        raise MessageError(
            f"format: {message.format!r}, expected compressed depth such as '16UC1; compressedDepth png' or "
            "'32FC1; compressedDepth rvl'"
        )
    data = byte_view(message.data)
    if data[:8].tobytes() == _PNG_SIGNATURE:  # the plain transport: no header
        if source == "32FC1":
            raise MessageError(f"format: {message.format!r} with plain png data: the range of the depth is missing")
        return depth_from_millimetres(_sixteen_bits(data, message.format))
    if data.size <= _DEPTH_HEADER.size:
        raise MessageError(f"data: {data.size} bytes, expected a header of {_DEPTH_HEADER.size} bytes and an image")
    codec = detail.replace("compressedDepth", "").strip()
    if codec not in ("", "png", "rvl"):
        raise MessageError(f"format: {message.format!r} names codec {codec!r}, expected png or rvl")
    payload = data[_DEPTH_HEADER.size :]
    values = rvl_decode(payload) if codec == "rvl" else _sixteen_bits(payload, message.format)
    if source != "32FC1":
        return depth_from_millimetres(values)
    _, a, b = _DEPTH_HEADER.unpack(data[: _DEPTH_HEADER.size].tobytes())
    return _from_inverse(values, a, b)


def encode_compressed_image(
    types: MessageTypes, image: NDArray[np.uint8], stamp: int, frame_id: str, codec: str = "jpeg", quality: int = 95
) -> Any:
    """Return a CompressedImage of RGB uint8 (height, width, 3) or grey uint8 (height, width).

    ``codec`` is jpeg (with ``quality`` 1 to 100) or png; the format text is image_transport's.
    Raises MessageError.
    """
    if image.dtype != np.uint8 or image.size == 0 or not (image.ndim == 2 or image.shape[2:] == (3,)):
        raise MessageError(f"image: {image.dtype} {image.shape}, expected uint8 (height, width) or (height, width, 3)")
    if codec not in ("jpeg", "png"):
        raise MessageError(f"codec {codec!r}, expected jpeg or png")
    names = ("mono8", "mono8") if image.ndim == 2 else ("rgb8", "bgr8")
    pixels = np.ascontiguousarray(image) if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_JPEG_QUALITY, int(quality)] if codec == "jpeg" else [cv2.IMWRITE_PNG_COMPRESSION, 1]
    data = _encode(".jpg" if codec == "jpeg" else ".png", pixels, options)
    text = f"{names[0]}; {codec} compressed {names[1]}"
    return types.make(COMPRESSED_IMAGE, header=header(types, stamp, frame_id), format=text, data=data)


def encode_compressed_depth(
    types: MessageTypes, depth: FloatImage, encoding: str, stamp: int, frame_id: str, codec: str = "png"
) -> tuple[Any, int]:
    """Return a compressedDepth message of ``depth`` (height, width) in metres, and how many pixels were too far.

    16UC1 keeps rounded millimetres up to 65.534 m without loss. 32FC1 keeps 65535 steps of inverse depth
    spread over the frame's own range, so the error grows with the square of the depth; nothing is too far.
    ``codec`` is png or rvl. Unknown depth (NaN, infinite, zero, negative) stays unknown. Raises MessageError.
    """
    if codec not in ("png", "rvl"):
        raise MessageError(f"codec {codec!r}, expected png or rvl")
    if depth.ndim != 2 or depth.size == 0:
        raise MessageError(f"depth: array {depth.shape}, expected (height, width) with pixels")
    a, b, too_far = 0.0, 0.0, 0
    if encoding == "16UC1":
        values, too_far = depth_to_millimetres(depth)
    elif encoding == "32FC1":
        values, a, b = _to_inverse(depth)
    else:
        raise MessageError(f"encoding: {encoding!r} is not depth, expected 32FC1 (metres) or 16UC1 (millimetres)")
    if codec == "rvl":
        code = np.frombuffer(rvl_encode(values), np.uint8)
    else:
        code = _encode(".png", values, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    data = np.concatenate([np.frombuffer(_DEPTH_HEADER.pack(0, a, b), np.uint8), code])
    text = f"{encoding}; compressedDepth {codec}"
    message = types.make(COMPRESSED_IMAGE, header=header(types, stamp, frame_id), format=text, data=data)
    return message, too_far


def _split_format(text: str) -> tuple[str, str]:
    """Return the encoding of the source and the rest; a text without ``;`` is a codec, except for a depth encoding."""
    source, semicolon, detail = text.partition(";")
    if not semicolon and source.strip() not in PACKED:
        return "", source.strip()
    return source.strip(), detail.strip()


def _decode(data: NDArray[np.uint8], text: str) -> NDArray:
    """Return what OpenCV reads, unchanged: (height, width) or (height, width, 3 or 4), uint8 or uint16."""
    image = None
    if data.size:
        try:
            image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        except cv2.error:  # damaged beyond what it reports as None
            image = None
    if image is None or image.dtype not in (np.uint8, np.uint16):
        raise MessageError(
            f"data: {data.size} bytes of format {text!r} are no image that OpenCV can read, expected jpeg or png"
        )
    return np.asarray(image)


def _sixteen_bits(data: NDArray[np.uint8], text: str) -> NDArray[np.uint16]:
    image = _decode(data, text)
    if image.dtype != np.uint16 or image.ndim != 2:
        raise MessageError(f"data: png of {image.dtype} {image.shape} in {text!r}, expected one channel of uint16")
    return image


def _encode(extension: str, image: Any, options: list[int]) -> NDArray[np.uint8]:
    done, code = cv2.imencode(extension, image, options)
    if not done:
        raise MessageError(f"image: OpenCV could not write {extension[1:]} of {image.dtype} {image.shape}")
    return np.asarray(code, np.uint8).reshape(-1)


def _from_inverse(values: NDArray[np.uint16], a: float, b: float) -> FloatImage:
    """Return metres of inverse-depth values; NaN for 0 and where the formula gives nothing positive."""
    if not (np.isfinite(a) and np.isfinite(b)):
        raise MessageError(f"data: header with a = {a} and b = {b}, expected finite numbers")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        table = (a / (np.arange(_LARGEST + 1) - float(b))).astype(np.float32)
    table[~((table > 0) & (table < np.inf))] = np.nan
    table[0] = np.nan
    return table.take(values)


def _to_inverse(depth: FloatImage) -> tuple[NDArray[np.uint16], float, float]:
    """Return uint16 values v, a and b with z = a / (v - b), v from 1 to 65535 over the depths that occur."""
    known = (depth > 0) & (depth < np.inf)
    if not known.any():
        return np.zeros(depth.shape, np.uint16), 1.0, 0.0
    near, far = float(depth[known].min()), float(depth[known].max())
    span = 1.0 / near - 1.0 / far
    a = float(np.float32(min((_LARGEST - 1) / span, near * _FINEST) if span > 0 else near * _FINEST))
    b = float(np.float32(1.0 - a / far))
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.rint(a / np.where(known, depth, np.float64(near)) + b)
    return np.where(known, np.clip(values, 1, _LARGEST), 0).astype(np.uint16), a, b
