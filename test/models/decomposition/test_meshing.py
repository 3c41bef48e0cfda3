import numpy as np
import pytest

pytest.importorskip("skimage")
pytest.importorskip("trimesh")

import trimesh

from depth_perception.models.decomposition.meshing import march

CELL, LOW = 0.05, np.array([-1.0, -1.2, -0.8])
NODES = LOW + CELL * np.stack(np.meshgrid(*(np.arange(n) for n in (41, 45, 37)), indexing="ij"), -1)


def ball(center=(0.1, -0.1, 0.0), radius=0.6):
    return (np.linalg.norm(NODES - center, axis=-1) - radius).astype(np.float32)


def box(half=(0.51, 0.43, 0.37)):
    q = np.abs(NODES) - half
    return (np.linalg.norm(np.maximum(q, 0), axis=-1) + np.minimum(q.max(-1), 0)).astype(np.float32)


@pytest.mark.parametrize(("volume", "exact"), [(ball(), 4 / 3 * np.pi * 0.6**3), (box(), 8 * 0.51 * 0.43 * 0.37)])
def test_closed_shapes_are_watertight_with_the_right_volume(volume, exact):
    mesh = trimesh.Trimesh(*march(volume, LOW, CELL), process=False)
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(exact, rel=0.01), "negative if faces look inside"


def test_vertices_are_in_metres():
    vertices, _ = march(ball(), LOW, CELL)
    np.testing.assert_allclose(np.linalg.norm(vertices - [0.1, -0.1, 0.0], axis=1), 0.6, atol=2e-3)


def test_nothing_is_made_up_where_nothing_is_known():
    known = NODES[..., 2] < 0.2
    vertices, faces = march(ball(), LOW, CELL, known)
    assert vertices[:, 2].max() <= 0.2
    assert vertices[:, 2].max() > 0.1
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    assert not mesh.is_watertight
    assert len(np.unique(faces)) == len(vertices), "no vertex without a face"
    assert march(ball(), LOW, CELL, np.zeros(NODES.shape[:3], bool)) is None


def test_no_surface_is_none():
    assert march(np.ones((4, 4, 4), np.float32), LOW, CELL) is None
    assert march(-np.ones((4, 4, 4), np.float32), LOW, CELL) is None
    assert march(np.zeros((1, 4, 4), np.float32), LOW, CELL) is None
