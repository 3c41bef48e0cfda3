"""``ObjectSurface`` and ``ObjectSurfaceArray``: surfaces of objects, to messages and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from depth_perception.frames import ObjectSurface, OrientedBox, TriangleMesh
from depth_perception.geometry.transforms import matrix_to_quaternion, quaternion_to_matrix
from depth_perception.messages.types import (
    OBJECT_SURFACE,
    OBJECT_SURFACE_ARRAY,
    MessageError,
    MessageTypes,
    byte_view,
    header,
)
from depth_perception.pipelines.object_shapes import mean_color

NANOSECONDS = 1_000_000_000


class SurfaceUpdate(NamedTuple):
    """What an ObjectSurfaceArray says: ``merged`` maps ids that are gone to those that they went into."""

    objects: list[ObjectSurface]
    is_complete: bool
    removed: list[int]
    merged: dict[int, int]


def surface_message(types: MessageTypes, surface: ObjectSurface) -> Any:
    """Return an ObjectSurface; raises MessageError where our messages were not built."""
    mesh, box = surface.mesh, surface.box
    has_mesh = len(mesh.vertices) > 0
    corners = _corners(box)
    low = mesh.vertices.min(axis=0) if has_mesh else corners.min(axis=0)
    high = mesh.vertices.max(axis=0) if has_mesh else corners.max(axis=0)
    qx, qy, qz, qw = np.asarray(matrix_to_quaternion(box.axes)).tolist()
    red, green, blue = (value / 255.0 for value in mean_color(mesh))
    return types.make(
        OBJECT_SURFACE,
        id=surface.id,
        revision=surface.revision,
        category=surface.category,
        confidence=float(surface.confidence),
        first_seen=_time(types, surface.first_seen),
        last_seen=_time(types, surface.last_seen),
        low=_vector(types, "Point", low),
        high=_vector(types, "Point", high),
        box_pose=types.make(
            "geometry_msgs/msg/Pose",
            position=_vector(types, "Point", box.center),
            orientation=types.make("geometry_msgs/msg/Quaternion", x=qx, y=qy, z=qz, w=qw),
        ),
        box_size=_vector(types, "Vector3", box.size),
        color=types.make("std_msgs/msg/ColorRGBA", r=red, g=green, b=blue, a=1.0),
        vertices=mesh.vertices,
        triangles=mesh.faces.astype(np.uint32),
        colors=np.zeros(0, np.uint8) if mesh.colors is None else mesh.colors,
    )


def surface_from_message(message: Any) -> ObjectSurface:
    """Return what an ObjectSurface says.

    Raises MessageError for arrays that are no whole vertices or triangles, and for triangles of vertices that are not
    there.
    """
    vertices, triangles = np.asarray(message.vertices, np.float32), np.asarray(message.triangles, np.uint32)
    colors = byte_view(message.colors, "colors")
    for name, values in (("vertices", vertices), ("triangles", triangles)):
        if values.size % 3:
            raise MessageError(f"{name}: {values.size} numbers, expected three for each")
    if colors.size not in (0, vertices.size):
        raise MessageError(f"colors: {colors.size} numbers, expected none or as many as vertices, {vertices.size}")
    if triangles.size and int(triangles.max()) >= vertices.size // 3:
        raise MessageError(f"triangles: vertex {int(triangles.max())} of {vertices.size // 3}")
    turn = message.box_pose.orientation
    mesh = TriangleMesh(
        vertices.reshape(-1, 3),
        triangles.reshape(-1, 3).astype(np.int32),
        colors.reshape(-1, 3).copy() if colors.size else None,
    )
    box = OrientedBox(
        _array(message.box_pose.position),
        quaternion_to_matrix((turn.x, turn.y, turn.z, turn.w)),
        _array(message.box_size),
    )
    return ObjectSurface(
        id=int(message.id),
        mesh=mesh,
        box=box,
        confidence=float(message.confidence),
        first_seen=_nanoseconds(message.first_seen),
        last_seen=_nanoseconds(message.last_seen),
        category=message.category,
        revision=int(message.revision),
    )


def surfaces_message(
    types: MessageTypes,
    surfaces: Iterable[ObjectSurface],
    stamp: int,
    frame_id: str,
    is_complete: bool = False,
    removed: Sequence[int] = (),
    merged: Mapping[int, int] | None = None,
) -> Any:
    """Return an ObjectSurfaceArray; see the message for what each field says."""
    gone = merged or {}
    return types.make(
        OBJECT_SURFACE_ARRAY,
        header=header(types, stamp, frame_id),
        is_complete=is_complete,
        objects=[surface_message(types, surface) for surface in surfaces],
        removed=np.array(removed, np.uint32),
        merged=np.array(list(gone), np.uint32),
        merged_into=np.array(list(gone.values()), np.uint32),
    )


def surfaces_from_message(message: Any) -> SurfaceUpdate:
    """Return what an ObjectSurfaceArray says; raises MessageError."""
    gone, into = [int(i) for i in message.merged], [int(i) for i in message.merged_into]
    if len(gone) != len(into):
        raise MessageError(f"merged: {len(gone)} ids, merged_into: {len(into)}, expected as many")
    objects = [surface_from_message(item) for item in message.objects]
    return SurfaceUpdate(objects, bool(message.is_complete), [int(i) for i in message.removed], dict(zip(gone, into)))


def _corners(box: OrientedBox) -> np.ndarray:
    signs = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    return box.center + (signs * box.size) @ np.asarray(box.axes).T


def _vector(types: MessageTypes, kind: str, values: Any) -> Any:
    x, y, z = (float(value) for value in values)
    return types.make(f"geometry_msgs/msg/{kind}", x=x, y=y, z=z)


def _array(vector: Any) -> np.ndarray:
    return np.array([vector.x, vector.y, vector.z], np.float64)


def _time(types: MessageTypes, stamp: int) -> Any:
    seconds, nanoseconds = divmod(int(stamp), NANOSECONDS)
    return types.make("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)


def _nanoseconds(time: Any) -> int:
    return int(time.sec) * NANOSECONDS + int(time.nanosec)
