import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

from ball_scene import ball_mesh

from depth_perception.frames import CameraModel, TriangleMesh
from depth_perception.visualization.mesh_view import BACKGROUND, draw_meshes, look_from, turntable

CAMERA = CameraModel.pinhole(60.0, 60.0, 31.5, 23.5, 64, 48)


def test_the_eye_looks_at_its_target_with_the_world_upright():
    T = look_from(np.array([1.0, 2.0, 0.5]), 3.0, 40.0, 20.0)
    assert T[:3, :3] @ T[:3, :3].T == pytest.approx(np.eye(3), abs=1e-9)
    assert np.linalg.det(T[:3, :3]) == pytest.approx(1.0)
    assert T[:3, 3] + 3.0 * T[:3, 2] == pytest.approx([1.0, 2.0, 0.5])
    assert T[2, 0] == pytest.approx(0.0)  # the picture's rows are level
    assert T[2, 1] < 0  # and down is down


def test_a_ball_covers_its_disc_without_holes():
    picture = draw_meshes(
        [(ball_mesh(np.array([0, 0, 0, 0.5]), 24), (200, 30, 30))], CAMERA, look_from(np.zeros(3), 2.0, 0, 0)
    )
    covered = (picture != BACKGROUND).any(axis=2)
    radius = 60.0 * 0.5 / np.sqrt(4 - 0.25)
    assert covered.sum() == pytest.approx(np.pi * radius**2, rel=0.1)
    rows, columns = np.mgrid[:48, :64]
    inner = np.hypot(rows - 23.5, columns - 31.5) < radius - 2
    assert covered[inner].all()
    assert (picture[inner][:, 0] > picture[inner][:, 1]).all()


def test_the_nearest_is_shown_whatever_the_order():
    near, far = ball_mesh(np.array([0.6, 0, 0, 0.2])), ball_mesh(np.array([-0.6, 0, 0, 0.4]))
    T = look_from(np.zeros(3), 2.0, 0, 0)
    one = draw_meshes([(near, (0, 255, 0)), (far, (255, 0, 0))], CAMERA, T)
    other = draw_meshes([(far, (255, 0, 0)), (near, (0, 255, 0))], CAMERA, T)
    assert (one == other).all()
    assert one[23, 31, 1] > one[23, 31, 0]


def test_vertices_have_colours_of_their_own():
    ball = ball_mesh(np.array([0, 0, 0, 0.5]), 24)
    colors = np.where(ball.vertices[:, 1:2] > 0, np.uint8([0, 200, 0]), np.uint8([200, 0, 0])).astype(np.uint8)
    picture = draw_meshes(
        [(TriangleMesh(ball.vertices, ball.faces, colors), None)], CAMERA, look_from(np.zeros(3), 2.0, 0, 0)
    )
    assert picture[23, 22].argmax() == 0  # y is to the right, seen from x
    assert picture[23, 42].argmax() == 1


def test_a_turntable_shows_all_sides():
    strip = turntable(ball_mesh(np.array([5, 5, 1, 0.3])), views=4, size=40)
    assert strip.shape == (40, 160, 3)
    for view in np.split(strip, 4, axis=1):
        assert 0.2 < (view != BACKGROUND).any(axis=2).mean() < 0.9
    empty = TriangleMesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    assert (turntable(empty, views=2, size=10) == BACKGROUND).all()
