from __future__ import annotations

import numpy as np
import pytest

from depth_perception.evaluation.decomposition.decomposed import object_region, world_points
from depth_perception.evaluation.decomposition.tsdf import Tsdf, fuse, split_mesh, voxel_for
from depth_perception.frames import TriangleMesh


def test_the_surface_is_where_the_balls_are(balls, ball_sizes):
    mesh = fuse(balls, *object_region(balls), 0.02).mesh()
    away = np.abs(mesh.vertices[:, 2])
    for center, radius in ball_sizes.values():
        away = np.minimum(away, np.abs(np.linalg.norm(mesh.vertices - center, axis=1) - radius))
    assert np.median(away) < 0.004
    assert np.percentile(away, 95) < 0.02
    corners = mesh.vertices[mesh.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    floor = (corners[..., 2] < 0.01).all(1)
    assert (normal[floor][:, 2] > 0).mean() > 0.95  # outside is up


def test_filling_only_near_the_surface_gives_the_same_surface(balls):
    low, high = object_region(balls)
    every, near = Tsdf(low, high, 0.03), Tsdf(low, high, 0.03, near=np.concatenate([world_points(f)[0] for f in balls]))
    for frame in balls:
        every.add(frame)
        near.add(frame)
    assert (near.weight > 0).sum() < 0.7 * (every.weight > 0).sum()
    np.testing.assert_allclose(near.mesh().vertices.mean(0), every.mesh().vertices.mean(0), atol=0.01)


def test_nothing_seen_is_no_surface(balls):
    empty = Tsdf((5, 5, 5), (6, 6, 6), 0.1)
    empty.add(balls[0])
    assert len(empty.mesh().faces) == 0


def test_a_surface_in_no_whole_cell_is_none():
    grid = Tsdf(np.zeros(3), np.ones(3), 0.25)
    grid.weight[0, 0, 0], grid.distance[0, 0, 0] = 5.0, -1.0
    assert not len(grid.mesh().faces)


def test_large_regions_take_larger_voxels():
    assert voxel_for((0, 0, 0), (1, 1, 1), 0.02) == 0.02
    assert voxel_for((0, 0, 0), (10, 10, 1), 0.01, most=1_000_000) == pytest.approx((100 / 1e6) ** (1 / 3))


def test_faces_go_where_most_of_their_corners_belong():
    vertices = np.arange(18, dtype=np.float32).reshape(6, 3)
    mesh = TriangleMesh(vertices, np.array([[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [0, 3, 5]], np.int32))
    parts = split_mesh(mesh, np.array([7, 7, 7, 8, 8, 0], np.int32))
    assert sorted(parts) == [7, 8]
    assert len(parts[7].faces) == 2
    assert len(parts[8].faces) == 2
    assert len(parts[7].vertices) == 4
    np.testing.assert_array_equal(parts[7].vertices[parts[7].faces[0]], vertices[[0, 1, 2]])
    assert split_mesh(TriangleMesh(vertices, np.zeros((0, 3), np.int32)), np.zeros(6, np.int32)) == {}
