import numpy as np

from depth_perception.frames import ObjectSurface, OrientedBox, TriangleMesh
from depth_perception.messages.object_markers import deletion_markers, marker_array, object_markers


def surface(count=2):
    vertices = np.random.default_rng(0).uniform(0, 1, (count * 3, 3)).astype(np.float32)
    faces = np.arange(count * 3, dtype=np.int32).reshape(-1, 3)
    box = OrientedBox(np.array([1.0, 2.0, 3.0]), np.eye(3), np.array([0.5, 0.4, 0.2]))
    return ObjectSurface(5, TriangleMesh(vertices, faces), box, 0.9, 1, 2, "cup", 1)


def test_an_object_has_surface_box_and_name(types):
    given = surface()
    markers = object_markers(types, given, 5, "odom")
    assert [(m.ns, m.id, m.type) for m in markers] == [("surfaces", 5, 11), ("boxes", 5, 1), ("names", 5, 9)]
    assert [m.header.frame_id for m in marker_array(types, markers).markers] == ["odom"] * 3
    assert len(markers[0].points) == 6
    assert np.float32(markers[0].points[4].y) == given.mesh.vertices[4, 1]
    assert markers[1].pose.position.z == 3.0
    assert markers[2].text == "cup 5"


def test_surfaces_are_thinned_and_left_out_without_triangles(types):
    assert len(object_markers(types, surface(500), 5, "odom", largest=100)[0].points) <= 300
    assert [m.ns for m in object_markers(types, surface(0), 5, "odom")] == ["boxes", "names"]


def test_markers_are_taken_away(types):
    assert [(m.ns, m.id, m.action) for m in deletion_markers(types, 5, 1, "odom")] == [
        ("surfaces", 5, 2),
        ("boxes", 5, 2),
        ("names", 5, 2),
    ]
