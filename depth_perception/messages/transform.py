"""``geometry_msgs/msg/TransformStamped`` and ``tf2_msgs/msg/TFMessage`` to matrices and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_perception.geometry.transforms import make_transform, matrix_to_quaternion
from depth_perception.messages.types import MessageError, MessageTypes, header, require_fields, stamp_of

TRANSFORM_STAMPED = "geometry_msgs/msg/TransformStamped"
TF_MESSAGE = "tf2_msgs/msg/TFMessage"


def transform_from_message(message: Any) -> tuple[str, str, int, NDArray[np.float64]]:
    """Return (parent, child, stamp, T) of a TransformStamped.

    ``T`` (4, 4) maps points of frame ``child`` to frame ``parent`` in metres; ``stamp`` is in
    nanoseconds; a leading slash is taken off the names, as tf2 does. Raises MessageError for an empty
    name, a frame that is its own parent, numbers that are not finite, and, as tf2 does, a quaternion
    that is not of unit length.
    """
    require_fields(message, TRANSFORM_STAMPED, "header", "child_frame_id", "transform")
    parent, child = message.header.frame_id.lstrip("/"), message.child_frame_id.lstrip("/")
    if not parent:
        raise MessageError(f"header.frame_id: empty in the transform of {child!r}, expected its parent frame")
    if not child:
        raise MessageError(f"child_frame_id: empty in a transform below {parent!r}, expected a frame name")
    if parent == child:
        raise MessageError(f"child_frame_id: {child!r} is its own parent")
    shift, turn = message.transform.translation, message.transform.rotation
    try:
        T = make_transform((shift.x, shift.y, shift.z), (turn.x, turn.y, turn.z, turn.w))
    except ValueError as error:
        raise MessageError(f"transform from {child} to {parent}: {error}") from error
    return parent, child, stamp_of(message.header), T


def transform_message(types: MessageTypes, parent: str, child: str, stamp: int, T: NDArray[np.float64]) -> Any:
    """Return a TransformStamped for ``T`` (4, 4), which maps points of ``child`` to ``parent`` in metres."""
    T = np.asarray(T, np.float64)
    x, y, z = T[:3, 3].tolist()
    qx, qy, qz, qw = np.asarray(matrix_to_quaternion(T[:3, :3])).tolist()
    transform = types.make(
        "geometry_msgs/msg/Transform",
        translation=types.make("geometry_msgs/msg/Vector3", x=x, y=y, z=z),
        rotation=types.make("geometry_msgs/msg/Quaternion", x=qx, y=qy, z=qz, w=qw),
    )
    return types.make(TRANSFORM_STAMPED, header=header(types, stamp, parent), child_frame_id=child, transform=transform)


def tf_message(types: MessageTypes, transforms: Iterable[Any]) -> Any:
    """Return the TFMessage of some TransformStamped, for /tf and /tf_static."""
    return types.make(TF_MESSAGE, transforms=list(transforms))
