import array
from dataclasses import replace

import numpy as np
import pytest

from depth_perception.frames import ObjectSurface, OrientedBox, TriangleMesh
from depth_perception.messages.object_surface import (
    surface_from_message,
    surface_message,
    surfaces_from_message,
    surfaces_message,
)
from depth_perception.messages.types import MessageError, stamp_of

STAMP = 1_700_000_000_000_000_031


@pytest.fixture(autouse=True)
def built(types):
    if types.family == "rclpy":
        pytest.importorskip("depth_perception.msg", reason="depth_perception/msg is not built (make build)")


def surface(**changes):
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]], np.float32)
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)
    colors = np.array([[10, 20, 30]] * 4, np.uint8)
    axes = np.array([[0.6, -0.8, 0], [0.8, 0.6, 0], [0, 0, 1.0]])
    made = ObjectSurface(
        id=7,
        mesh=TriangleMesh(vertices, faces, colors),
        box=OrientedBox(np.array([0.5, 1, 1.5]), axes, np.array([2.0, 1.0, 3.0])),
        confidence=0.75,
        first_seen=STAMP,
        last_seen=STAMP + 5,
        category="cup",
        revision=3,
    )
    return replace(made, **changes)


def test_a_surface_goes_there_and_back(types):
    given = surface()
    message = surface_message(types, given)
    assert (message.high.x, message.high.y, message.high.z) == (1.0, 2.0, 3.0)
    assert message.color.r == pytest.approx(10 / 255)
    found = surface_from_message(message)
    for name in ("id", "confidence", "first_seen", "last_seen", "category", "revision"):
        assert getattr(found, name) == getattr(given, name), name
    for name in ("vertices", "faces", "colors"):
        assert getattr(found.mesh, name).tobytes() == getattr(given.mesh, name).tobytes(), name
    assert found.box.axes == pytest.approx(given.box.axes)
    assert found.box.size.tolist() == given.box.size.tolist()


def test_a_surface_without_mesh_or_colours_keeps_its_box(types):
    bare = surface(mesh=TriangleMesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)))
    message = surface_message(types, bare)
    assert message.high.z == pytest.approx(3.0)
    assert message.low.x == pytest.approx(0.5 - 0.6 - 0.4)
    assert surface_from_message(message).mesh.colors is None


def test_an_array_tells_what_is_gone(types):
    message = surfaces_message(types, [surface()], STAMP, "odom", removed=[4, 9], merged={9: 7})
    assert (stamp_of(message.header), message.header.frame_id) == (STAMP, "odom")
    found = surfaces_from_message(message)
    assert ([s.id for s in found.objects], found.is_complete, found.removed, found.merged) == (
        [7],
        False,
        [4, 9],
        {9: 7},
    )


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("vertices", np.zeros(4, np.float32), "vertices: 4 numbers"),
        ("triangles", np.array([0, 1, 4], np.uint32), "triangles: vertex 4 of 4"),
        ("colors", np.zeros(5, np.uint8), "colors: 5 numbers, expected none or as many as vertices, 12"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(types, field, value, text):
    message = surface_message(types, surface())
    current = getattr(message, field)
    setattr(message, field, array.array(current.typecode, value.tolist()) if types.family == "rclpy" else value)
    with pytest.raises(MessageError, match=text):
        surface_from_message(message)
