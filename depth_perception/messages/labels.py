"""Label images to arrays and back: one whole number a pixel, 0 for what belongs to no object, -1 for unknown."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_perception.messages.encodings import IMAGE, PACKED, Encoding, pixels
from depth_perception.messages.image import encode_image
from depth_perception.messages.types import MessageError, MessageTypes, require_fields

_WIDE = Encoding("i4", 1, None)  # 32SC1 is neither a colour nor depth, so the table of both does not have it
LABEL_ENCODINGS = ("mono8", "8UC1", "mono16", "16UC1", "32SC1")
UNKNOWN_16 = 65535  # what 16 bits say for unknown, as they have no -1


def decode_labels(message: Any) -> NDArray[np.int32]:
    """Return the labels of an Image as int32 (height, width).

    mono8, 8UC1, mono16 and 16UC1 hold the numbers as they are; 32SC1 has negative ones for unknown, and they become
    -1. Raises MessageError naming the encoding if it is another.
    """
    require_fields(message, IMAGE, "encoding")
    name = message.encoding
    if name not in LABEL_ENCODINGS:
        hint = "; colours are no labels: publish one number a pixel" if name in PACKED else ""
        raise MessageError(f"encoding: {name!r} is not labels, expected one of {', '.join(LABEL_ENCODINGS)}{hint}")
    return np.maximum(pixels(message, PACKED.get(name, _WIDE)).astype(np.int32), -1)


def encode_labels(types: MessageTypes, labels: NDArray[np.int32], encoding: str, stamp: int, frame_id: str) -> Any:
    """Return an Image of ``labels`` (height, width) as 32SC1, or as 16UC1 where -1 becomes 65535.

    Raises MessageError for another encoding.
    """
    if encoding == "32SC1":
        bits = np.ascontiguousarray(labels, np.int32).view(np.float32)  # as many bytes a pixel
        message = encode_image(types, bits, "32FC1", stamp, frame_id)
        message.encoding = encoding
        return message
    if encoding == "16UC1":
        small = np.where(labels < 0, UNKNOWN_16, np.minimum(labels, UNKNOWN_16 - 1)).astype(np.uint16)
        return encode_image(types, small, encoding, stamp, frame_id)
    raise MessageError(f"encoding: {encoding!r} cannot hold labels, expected 32SC1 or 16UC1")
