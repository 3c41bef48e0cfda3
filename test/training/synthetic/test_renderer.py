from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from depth_perception.frames import CameraModel
from training.synthetic.renderer import camera_directions, pixel_order, render
from training.synthetic.scene import Lamp, SceneBuilder, Sun, Surroundings, turn

CAMERA = CameraModel.pinhole(40.0, 42.0, 31.5, 23.5, 64, 48)


def build(add, lights=()):
    b = SceneBuilder(0)
    add(b, b.material(torch.full((8, 8, 3), 0.5), tile=1.0))
    return b.build(lights, Surroundings())


def test_depth_of_a_tilted_plane_is_exact(look_at):
    tilt = turn(0.3, 0.5, 0.2)
    scene = build(lambda b, m: b.box(tilt @ [0, 0, -0.5], (80, 80, 1), m, rotation=tilt))
    pose = look_at((-4.0, 1.0, 5.0), (2.0, 0.5, 0.0))
    view = render(scene, CAMERA, pose)
    normal = pose[0, :3, :3].double().T @ torch.from_numpy(tilt[:, 2])
    rays = camera_directions(CAMERA).double()
    offset = float(torch.from_numpy(tilt[:, 2]) @ -pose[0, :3, 3].double())
    expected = offset / (rays @ normal)  # n . (o + z r) = 0
    expected = torch.where(expected > 0, expected, math.nan)
    inside = expected < 30
    torch.testing.assert_close(view.depth[0][inside].double(), expected[inside], rtol=2e-4, atol=1e-3)
    seen = view.normal[0][inside]
    torch.testing.assert_close(seen, normal.float().expand_as(seen), atol=1e-3, rtol=0)
    assert int(inside.sum()) > 1000


def test_depth_and_normal_of_a_sphere_are_exact(look_at):
    def add(b, m):
        with b.thing("ball"):
            b.ellipsoid((5.0, 0.0, 0.0), 1.5, m)

    view = render(build(add), CAMERA, look_at((0, 0, 0), (5, 0, 0)))
    rays = camera_directions(CAMERA).double()
    a = (rays * rays).sum(-1)
    b = 5.0 * rays[..., 2]
    square = b * b - a * (25 - 1.5**2)
    expected = torch.where(square >= 0, (b - square.clamp_min(0).sqrt()) / a, math.nan)
    hit = torch.isfinite(view.depth[0])
    clear = square.abs() > 1e-2
    assert torch.equal(hit[clear], (square >= 0)[clear])
    torch.testing.assert_close(view.depth[0][hit & clear].double(), expected[hit & clear], rtol=1e-5, atol=1e-5)
    points = rays * expected[..., None]
    normal = (points - torch.tensor([0.0, 0, 5.0])) / 1.5
    torch.testing.assert_close(view.normal[0][hit & clear].double(), normal[hit & clear], atol=2e-3, rtol=0)
    assert torch.equal(view.instance[0] == 1, hit)
    assert view.instance[0, 0, 0] == 0


def test_nearest_thing_owns_the_pixel(look_at):
    def add(b, m):
        with b.thing("wall"):
            b.box((6, 0, 0), (0.1, 20, 20), m)
        with b.thing("pole"):
            b.cylinder((3, 0, 0), 0.3, 4.0, m)

    view = render(build(add), CAMERA, look_at((0, 0, 0), (1, 0, 0)))
    assert view.instance[0, 24, 32] == 2
    assert view.instance[0, 24, 5] == 1
    assert float(view.depth[0, 24, 5]) == pytest.approx(5.95, abs=1e-4)
    assert float(view.depth[0, 24, 32]) == pytest.approx(2.7, abs=2e-3)


def test_views_in_a_batch_are_those_taken_one_by_one(cluttered, look_at):
    poses = torch.cat([look_at((-9, 0, 2), (0, 0, 1)), look_at((0, -9, 3), (0, 0, 0))])
    both = render(cluttered, CAMERA, poses)
    for k in range(2):
        alone = render(cluttered, CAMERA, poses[k : k + 1])
        torch.testing.assert_close(both.depth[k], alone.depth[0], equal_nan=True, rtol=1e-5, atol=1e-5)
        assert torch.equal(both.instance[k], alone.instance[0])
        torch.testing.assert_close(both.radiance[k], alone.radiance[0], rtol=1e-3, atol=2e-2)


def test_same_again_to_the_bit_and_depth_does_not_know_of_looks(cluttered, look_at):
    pose = look_at((-9, 0, 2), (0, 0, 1))
    first, again = render(cluttered, CAMERA, pose), render(cluttered, CAMERA, pose)
    assert torch.equal(first.radiance, again.radiance)
    bare = render(cluttered, CAMERA, pose, antialias=False, shadows=False)
    assert torch.equal(torch.nan_to_num(first.depth), torch.nan_to_num(bare.depth))
    assert not torch.equal(first.radiance, bare.radiance)
    assert bool(torch.isfinite(first.radiance).all())


@pytest.mark.parametrize("light", [Sun((0.0, 0.0, 1.0), (6.0, 6.0, 6.0)), Lamp((3.0, 0.0, 6.0), (90.0, 90.0, 90.0))])
def test_a_shadow_lies_under_a_floating_box(look_at, light):
    def add(b, m):
        b.box((0, 0, -0.5), (40, 40, 1), m)
        b.box((3, 0, 2), (1.5, 1.5, 0.1), m)

    scene = build(add, (light,))
    pose = look_at((-4, 0, 1.2), (3, 0, 0.2))
    camera = CameraModel.pinhole(160.0, 160.0, 95.5, 71.5, 192, 144)
    view = render(scene, camera, pose)
    rays = camera_directions(camera) @ pose[0, :3, :3].T
    points = rays * view.depth[0, ..., None] + pose[0, :3, 3]
    ground = points[..., 2].abs() < 1e-2
    grey = view.radiance[0].mean(-1)
    under = ground & ((points[..., 0] - 3).abs() < 0.4) & (points[..., 1].abs() < 0.4)
    beside = ground & ((points[..., 0] - 3).abs() < 0.4) & (points[..., 1].abs() > 2.0) & (points[..., 1].abs() < 3.0)
    assert int(under.sum()) > 20
    assert float(grey[under].mean()) < 0.6 * float(grey[beside].mean())


def test_edges_are_smoothed(look_at):
    def add(b, m):
        b.box((4, 0, 0), (0.1, 2.0, 2.0), m, rotation=turn(0, 0, 0.2))

    scene = build(add)
    pose = look_at((0, 0, 0), (1, 0, 0))
    hard, soft = (render(scene, CAMERA, pose, antialias=a).radiance[0].mean(-1) for a in (False, True))
    changed = (hard - soft).abs() > 1e-3
    assert 20 < int(changed.sum()) < 400
    levels = {round(float(v), 2) for v in soft.reshape(-1)}
    assert len(levels) > len({round(float(v), 2) for v in hard.reshape(-1)})


def test_pixel_order_is_a_permutation_and_distortion_is_refused():
    assert torch.equal(pixel_order(13, 21).sort().values, torch.arange(13 * 21))
    bent = CameraModel(8, 8, np.eye(3), np.array([0.1, 0, 0, 0, 0]), "plumb_bob")
    with pytest.raises(ValueError, match="undistorted"):
        camera_directions(bent)
