import numpy as np
import pytest

from depth_perception.frames import TriangleMesh
from depth_perception.pipelines.object_shapes import (
    agreement,
    crop_mesh,
    join_meshes,
    mean_color,
    oriented_box,
    shares_near,
    surface_sample,
    thinned,
    without_specks,
)


def turned(points, degrees, shift=(0, 0, 0)):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + shift


CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-0.3, 0.3) for z in (0, 0.5)], float)


@pytest.mark.parametrize("degrees", [0, 20, 45, 89, 130])
def test_the_box_is_minimal_about_the_vertical(degrees):
    box = oriented_box(turned(CORNERS, degrees, (100.0, -50.0, 2.0)))
    assert box.size == pytest.approx([2.0, 0.6, 0.5], abs=1e-4)
    assert box.center == pytest.approx([100.0, -50.0, 2.25], abs=1e-4)
    assert box.axes.T @ box.axes == pytest.approx(np.eye(3), abs=1e-6)
    assert np.linalg.det(box.axes) == pytest.approx(1.0)
    assert abs(box.axes[:2, 0] @ [np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]) == pytest.approx(
        1, abs=1e-4
    )


def test_a_box_needs_points():
    with pytest.raises(ValueError, match="at least one point"):
        oriented_box(np.zeros((0, 3)))


def test_a_sample_counts_area_and_not_vertices():
    many = np.random.default_rng(0).uniform(0, 0.02, (500, 3))
    few = np.random.default_rng(1).uniform(0.1, 0.12, (5, 3))
    sample = surface_sample(np.concatenate([many, few]), 0.05)
    assert (sample[:, 0] < 0.05).sum() < 3
    assert (sample[:, 0] > 0.05).sum() >= 1


def test_agreement_of_a_part_with_the_whole():
    line = np.stack([np.arange(100) * 0.02, np.zeros(100), np.zeros(100)], axis=1).astype(np.float32)
    inside, covered = shares_near(line[:25], line, 0.015)
    assert inside == 1.0
    assert covered == pytest.approx(0.25)
    assert agreement(line, line, 0.015) == 1.0
    assert agreement(line, line + np.float32([0, 1, 0]), 0.015) == 0.0


def square(side, corner):
    """A square of two triangles, with a colour of its own."""
    vertices = np.array([[0, 0, 0], [side, 0, 0], [side, side, 0], [0, side, 0]], np.float32) + np.float32(corner)
    return TriangleMesh(vertices, np.array([[0, 1, 2], [0, 2, 3]], np.int32), np.full((4, 3), 7, np.uint8))


@pytest.mark.parametrize(
    ("side", "away", "stays"), [(0.05, 0.1, False), (0.2, 0.3, True), (0.2, 0.6, False), (0.3, 5.0, True)]
)
def test_scraps_go_and_parts_of_some_size_stay(side, away, stays):
    body = square(1.0, (0, 0, 0))
    kept = without_specks(join_meshes([body, square(side, (1.0 + away, 0, 0))]))
    assert len(kept.faces) == (4 if stays else 2)
    assert np.array_equal(kept.vertices[:4], body.vertices)
    assert np.array_equal(kept.faces[:2], body.faces)
    assert len(kept.colors) == len(kept.vertices)


def test_a_mesh_without_scraps_is_itself():
    body = square(1.0, (0, 0, 0))
    assert without_specks(body) is body


def test_meshes_are_cropped_and_joined():
    vertices = np.arange(12, dtype=np.float32).reshape(4, 3)
    mesh = TriangleMesh(vertices, np.array([[0, 1, 2], [1, 2, 3]], np.int32), np.full((4, 3), 9, np.uint8))
    part = crop_mesh(mesh, np.array([False, True]))
    assert part.vertices.tolist() == vertices[1:].tolist()
    assert part.faces.tolist() == [[0, 1, 2]]
    both = join_meshes([mesh, part])
    assert both.faces.tolist() == [[0, 1, 2], [1, 2, 3], [4, 5, 6]]
    assert mean_color(both) == (9, 9, 9)
    assert mean_color(TriangleMesh(vertices, mesh.faces)) == (128, 128, 128)


def test_a_thinned_mesh_keeps_its_extent():
    rows, columns = np.mgrid[:40, :40]
    vertices = np.stack([columns * 0.01, rows * 0.01, 0 * rows], axis=-1).reshape(-1, 3).astype(np.float32)
    corner = (rows * 40 + columns)[:-1, :-1].reshape(-1)
    faces = np.concatenate(
        [np.stack(t, axis=1) for t in ((corner, corner + 1, corner + 41), (corner, corner + 41, corner + 40))]
    )
    mesh = TriangleMesh(vertices, faces.astype(np.int32))
    thin = thinned(mesh, 500)
    assert 100 < len(thin.faces) <= 500
    assert np.ptp(thin.vertices, axis=0) == pytest.approx([0.39, 0.39, 0], abs=0.05)
    assert thinned(mesh, 10000) is mesh
