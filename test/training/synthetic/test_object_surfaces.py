from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from training.synthetic.object_surfaces import inside, seen, true_meshes, true_samples
from training.synthetic.objects import build_objects, camera_of, render_objects
from training.synthetic.scene import BOX, CONE, CYLINDER, ELLIPSOID, SceneBuilder, Surroundings
from training.synthetic.worlds.palette import Palette, shared_builder


def one(kind, half, center=(0.0, 0.0, 0.0)):
    b: SceneBuilder = shared_builder(0)
    with b.thing("it"):
        b.add(kind, center, half, Palette(b).new("paint"))
    return b.build([], Surroundings())


def test_samples_of_a_box_are_on_its_faces_by_their_area():
    points = true_samples(one(BOX, (0.1, 0.2, 0.3), (1, 2, 3)), 20_000)[1] - (1, 2, 3)
    on = np.isclose(np.abs(points), (0.1, 0.2, 0.3), atol=1e-6)
    assert on.any(1).all()
    share = on.mean(0)
    np.testing.assert_allclose(share, np.array([6, 3, 2]) / 11, atol=0.03)
    assert len(points) == pytest.approx(20_000 * 8 * (0.02 + 0.06 + 0.03), rel=0.01)


@pytest.mark.parametrize("kind", [ELLIPSOID, CYLINDER, CONE])
def test_samples_lie_on_the_surface(kind):
    scene = one(kind, (0.1, 0.1, 0.15))
    points = true_samples(scene, 20_000)[1]
    assert not inside(scene, 0, points).any()
    assert inside(scene, 0, points * 0.98 - (0, 0, 0.001 if kind == CONE else 0)).mean() > 0.97
    assert not inside(scene, 0, points * 1.02 + 0).all()


def test_what_is_inside_the_thing_itself_is_no_surface():
    b = shared_builder(0)
    with b.thing("two"):
        paint = Palette(b).new("paint")
        b.box((0, 0, 0), (0.2, 0.2, 0.2), paint)
        b.box((0.1, 0, 0), (0.2, 0.2, 0.2), paint)
    points = true_samples(b.build([], Surroundings()), 20_000)[1]
    hidden = (np.abs(points[:, 0] - 0.05) < 0.04) & (np.abs(points[:, 1:]) < 0.09).all(1)
    assert not hidden.any()
    assert points[:, 0].min() == pytest.approx(-0.1, abs=1e-6)
    assert points[:, 0].max() == pytest.approx(0.2, abs=1e-6)


def test_meshes_agree_with_samples_and_with_the_rendered_depth():
    world = build_objects(4, seed=2)
    camera = camera_of(96, 72)
    frames = render_objects(world, camera, world.poses(6))
    meshes, samples = true_meshes(world.scene), true_samples(world.scene, 40_000)
    assert sorted(meshes) == sorted(samples) == [1, 2, 3, 4]
    for thing, mesh in meshes.items():
        low, high = samples[thing].min(0), samples[thing].max(0)
        np.testing.assert_allclose(mesh.vertices.min(0), low, atol=0.006)
        np.testing.assert_allclose(mesh.vertices.max(0), high, atol=0.006)
        assert mesh.faces.max() < len(mesh.vertices)
    # every pixel of a thing is near its samples
    frame = frames[0]
    rows, columns = np.nonzero(frame.labels == np.bincount(frame.labels[frame.labels > 0]).argmax())
    z = frame.depth[rows, columns]
    K = camera.K
    points = np.stack([(columns - K[0, 2]) / K[0, 0] * z, (rows - K[1, 2]) / K[1, 1] * z, z], 1)
    points = points @ frame.T_world_camera[:3, :3].T + frame.T_world_camera[:3, 3]
    away, _ = cKDTree(samples[int(frame.labels[rows[0], columns[0]])]).query(points)
    assert away.max() < 0.02


def test_the_underside_is_never_seen_and_the_top_is():
    world = build_objects(1, seed=1)
    frames = render_objects(world, camera_of(96, 72), world.poses(8))
    points = true_samples(world.scene, 30_000)[1]
    found = seen(points, frames)
    bottom = points[:, 2] < points[:, 2].min() + 1e-6
    assert bottom.any()
    assert not found[bottom & (np.abs(points[:, :2] - points[:, :2].mean(0)) < 0.02).all(1)].any()
    assert found[points[:, 2] > points[:, 2].max() - 0.01].mean() > 0.9
