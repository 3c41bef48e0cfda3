"""Objects as ``visualization_msgs/MarkerArray`` for rviz: surfaces in the colours of their ids, boxes and names."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from depth_perception.frames import ObjectSurface
from depth_perception.geometry.transforms import matrix_to_quaternion
from depth_perception.messages.types import MessageTypes, header
from depth_perception.pipelines.object_colors import id_color
from depth_perception.pipelines.object_shapes import thinned

MARKER = "visualization_msgs/msg/Marker"
SURFACE, BOX, NAME = "surfaces", "boxes", "names"  # namespaces, to be switched off in rviz
_CUBE, _TEXT, _TRIANGLES = 1, 9, 11
_ADD, _DELETE = 0, 2


def object_markers(
    types: MessageTypes, surface: ObjectSurface, stamp: int, frame_id: str, largest: int = 4000
) -> list[Any]:
    """Return the markers of one object: surface of at most ``largest`` triangles, box, and name above it.

    What a message without triangles would look like in rviz is an error, so a surface without a mesh has none.
    """
    color = _color(types, id_color(surface.id), 1.0)
    head = header(types, stamp, frame_id)
    box = surface.box
    qx, qy, qz, qw = np.asarray(matrix_to_quaternion(box.axes)).tolist()
    markers = []
    if len(surface.mesh.faces):
        mesh = thinned(surface.mesh, largest)
        corners = mesh.vertices[mesh.faces.reshape(-1)].astype(np.float64).tolist()
        make_point = functools.partial(types.make, "geometry_msgs/msg/Point")
        markers.append(
            types.make(
                MARKER,
                header=head,
                ns=SURFACE,
                id=surface.id,
                type=_TRIANGLES,
                action=_ADD,
                pose=_pose(types, (0.0, 0.0, 0.0)),
                scale=types.make("geometry_msgs/msg/Vector3", x=1.0, y=1.0, z=1.0),
                color=color,
                points=[make_point(x=x, y=y, z=z) for x, y, z in corners],
            )
        )
    x, y, z = (max(float(side), 1e-3) for side in box.size)
    markers.append(
        types.make(
            MARKER,
            header=head,
            ns=BOX,
            id=surface.id,
            type=_CUBE,
            action=_ADD,
            pose=_pose(types, box.center, (qx, qy, qz, qw)),
            scale=types.make("geometry_msgs/msg/Vector3", x=x, y=y, z=z),
            color=_color(types, id_color(surface.id), 0.2),
        )
    )
    x, y, z = (float(value) for value in box.center)
    above = (x, y, z + float(box.size[2]) / 2 + 0.05)
    markers.append(
        types.make(
            MARKER,
            header=head,
            ns=NAME,
            id=surface.id,
            type=_TEXT,
            action=_ADD,
            pose=_pose(types, above),
            scale=types.make("geometry_msgs/msg/Vector3", x=0.0, y=0.0, z=0.06),
            color=_color(types, (255, 255, 255), 1.0),
            text=f"{surface.category} {surface.id}".strip(),
        )
    )
    return markers


def deletion_markers(types: MessageTypes, number: int, stamp: int, frame_id: str) -> list[Any]:
    """Return what takes the markers of an object away."""
    head = header(types, stamp, frame_id)
    return [
        types.make(MARKER, header=head, ns=namespace, id=number, action=_DELETE, pose=_pose(types, (0.0, 0.0, 0.0)))
        for namespace in (SURFACE, BOX, NAME)
    ]


def marker_array(types: MessageTypes, markers: list[Any]) -> Any:
    """Return the MarkerArray of some markers."""
    return types.make("visualization_msgs/msg/MarkerArray", markers=markers)


def _pose(types: MessageTypes, center: Any, turn: tuple = (0.0, 0.0, 0.0, 1.0)) -> Any:
    x, y, z = (float(value) for value in center)
    qx, qy, qz, qw = turn
    return types.make(
        "geometry_msgs/msg/Pose",
        position=types.make("geometry_msgs/msg/Point", x=x, y=y, z=z),
        orientation=types.make("geometry_msgs/msg/Quaternion", x=qx, y=qy, z=qz, w=qw),
    )


def _color(types: MessageTypes, rgb: tuple[int, int, int], alpha: float) -> Any:
    red, green, blue = (value / 255.0 for value in rgb)
    return types.make("std_msgs/msg/ColorRGBA", r=red, g=green, b=blue, a=alpha)
