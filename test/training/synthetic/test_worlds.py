from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from training.synthetic.tracer import closest_hits
from training.synthetic.worlds import KINDS, build_world, journey
from training.synthetic.worlds.mesh import scene_mesh, write_obj
from training.synthetic.worlds.palette import ROLES, bank
from training.synthetic.worlds.world import clearance


@pytest.fixture(scope="module", params=sorted(KINDS))
def world(request):
    return build_world(5, request.param)


def test_every_kind_builds_a_scene_of_many_things(world):
    assert len(world.scene) > 30
    assert len(torch.unique(world.scene.instance)) > 10
    assert bool(torch.isfinite(world.scene.center).all())
    assert int(world.scene.texture.max()) < len(world.scene.textures)


def test_a_number_gives_one_world_and_the_next_another(world):
    again, other = build_world(5, world.kind).scene, build_world(6, world.kind).scene
    assert torch.equal(world.scene.center, again.center)
    assert torch.equal(world.scene.tint, again.tint)
    assert world.scene.center.shape != other.center.shape or not torch.equal(world.scene.center, other.center)


def test_the_mix_of_kinds_is_the_one_that_is_said():
    shares = {name: share for name, (_, share) in KINDS.items()}
    assert sum(shares.values()) == pytest.approx(1.0)
    counts = dict.fromkeys(shares, 0)
    for seed in range(600):
        rng = np.random.default_rng((seed, 1))
        counts[list(shares)[int(rng.choice(len(shares), p=list(shares.values())))]] += 1
    assert all(abs(counts[name] / 600 - share) < 0.06 for name, share in shares.items())
    with pytest.raises(KeyError):
        build_world(0, "moon")


def test_cameras_are_free_and_see_something(world):
    poses = world.camera_poses(np.random.default_rng(1), 4)
    assert clearance(world.scene, poses[:, :3, 3]).min() >= 0.2
    for pose in poses:
        np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-9)
        assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0)
        ahead = torch.from_numpy(pose[:3, 2]).float()[None] + 0.3 * torch.randn(200, 3)
        origin = torch.from_numpy(pose[:3, 3]).float().expand(200, 3)
        t = closest_hits(world.scene, origin, ahead / ahead.norm(dim=1, keepdim=True)).t
        assert float(torch.isfinite(t).float().mean()) > 0.2
        assert float(t.min()) > 0.15


def test_a_crowded_world_has_cameras_close_to_things_and_a_full_one_says_so():
    world = build_world(5, "abstract")

    def shrunk(factor):
        scene = replace(world.scene, center=world.scene.center * factor, half=world.scene.half * factor)
        return replace(world, scene=scene, place=lambda rng: (*(factor * v for v in world.place(rng)[:3]), 0.0))

    (pose,) = shrunk(0.08).camera_poses(np.random.default_rng(1), 1)
    assert 0.02 <= clearance(shrunk(0.08).scene, pose[None, :3, 3])[0] < 0.25
    with pytest.raises(RuntimeError, match="no free place for a camera in this abstract"):
        shrunk(1e-4).camera_poses(np.random.default_rng(1), 1)


def test_clearance_is_the_distance_to_the_nearest_surface(cluttered):
    points = np.array([[0.0, 0.0, 9.0], [20.0, 20.0, 1.5], [25.0, 0.0, -0.5]])
    found = clearance(cluttered, points)
    assert found[1] == pytest.approx(1.5, abs=1e-4)  # above the bare floor
    assert found[2] == pytest.approx(-0.5, abs=1e-4)  # in the middle of it
    rays = torch.randn(4000, 3)
    rays = rays / rays.norm(dim=1, keepdim=True)
    near = closest_hits(cluttered, torch.tensor(points[:1]).float().expand(4000, 3), rays).t.min()
    assert 0 < found[0] <= float(near) + 1e-3


def test_a_journey_is_smooth_and_hits_nothing(world):
    times = np.arange(0, 4, 0.1)
    poses = journey(world, np.random.default_rng(3), times)
    assert clearance(world.scene, poses[:, :3, 3]).min() > 0.1
    velocity = np.diff(poses[:, :3, 3], axis=0) / 0.1
    assert np.linalg.norm(velocity, axis=1).max() < 15
    assert np.linalg.norm(np.diff(velocity, axis=0) / 0.1, axis=1).max() < 60
    turned = np.einsum("nij,nij->n", poses[1:, :3, :3], poses[:-1, :3, :3])
    assert turned.min() > 1 + 2 * np.cos(0.25)  # radians from one pose to the next


def test_the_bank_has_hundreds_of_textures_for_every_role():
    textures, index = bank()
    assert len(textures) > 250
    assert all(kind in index for kinds in ROLES.values() for kind in kinds)


def test_a_mesh_has_the_shape_of_its_scene(cluttered, tmp_path):
    mesh = scene_mesh(cluttered, sides=48)
    floor = mesh.triangles[mesh.instance == 0]
    a, b, c = (mesh.vertices[floor[:, k]] for k in range(3))
    assert np.einsum("ni,ni->n", a, np.cross(b, c)).sum() / 6 == pytest.approx(60 * 60 * 1, rel=1e-6)  # outward
    kinds = cluttered.kind.numpy()
    volumes = {0: 8.0, 1: 4 / 3 * np.pi, 2: 2 * np.pi, 3: 2 / 3 * np.pi}
    for index in (1, 2, 3, 4):
        owner = int(cluttered.instance[index])
        a, b, c = (mesh.vertices[mesh.triangles[mesh.instance == owner][:, k]] for k in range(3))
        expected = volumes[int(kinds[index])] * float(cluttered.half[index].prod())
        assert np.einsum("ni,ni->n", a, np.cross(b, c)).sum() / 6 == pytest.approx(expected, rel=0.02)
    write_obj(mesh, tmp_path / "world.obj")
    lines = (tmp_path / "world.obj").read_text().splitlines()
    assert sum(line.startswith("v ") for line in lines) == len(mesh.vertices)
    assert sum(line.startswith("f ") for line in lines) == len(mesh.triangles)
    with pytest.raises(ValueError, match="sides"):
        scene_mesh(cluttered, sides=2)
