from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from training.synthetic.lidar import LidarModel, scan
from training.synthetic.scene import SceneBuilder, Surroundings, turn

PERFECT = LidarModel(elevations=(10.0, 0.0, -10.0, -20.0), columns=64, noise=0.0, weakest=1e-9, outliers=0.0, mixed=0.0)


def box_room(**material):
    b = SceneBuilder(0)
    m = b.material(torch.full((8, 8, 3), 0.6), tile=1.0, **material)
    b.box((0, 0, 0), (12, 10, 6), m)  # seen from inside
    return b.build((), Surroundings())


def poses_at(position, velocity=(0.0, 0.0, 0.0), yaw_rate=0.0):
    def at(times):
        out = np.tile(np.eye(4), (len(times), 1, 1))
        for k, t in enumerate(times):
            out[k, :3, :3] = turn(0.3 + yaw_rate * t)
            out[k, :3, 3] = np.asarray(position) + np.asarray(velocity) * t
        return out

    return at


def on_walls(points):
    return np.min(np.abs(np.abs(points) - [6.0, 5.0, 3.0]), axis=1)


def take(model=PERFECT, seed=0, position=(1.0, -1.0, 0.5), start=0.0, scene=None, **motion):
    pose_at = poses_at(position, **motion)
    cloud = scan(scene or box_room(), model, pose_at, start, torch.Generator().manual_seed(seed))
    return cloud, pose_at


def test_points_lie_on_the_walls_at_their_own_time():
    cloud, pose_at = take(start=2.0, velocity=(3.0, 1.0, 0.0), yaw_rate=0.5, position=(-7.0, -3.0, 0.5))
    poses = pose_at(2.0 + cloud.time.astype(float))
    world = np.einsum("nij,nj->ni", poses[:, :3, :3], cloud.points) + poses[:, :3, 3]
    assert len(cloud.points) > 200
    assert on_walls(world).max() < 2e-3
    still = pose_at(np.array([2.0]))[0]
    frozen = cloud.points @ still[:3, :3].T + still[:3, 3]
    assert on_walls(frozen).max() > 0.05  # so the motion within the sweep matters


def test_rings_times_and_turning():
    cloud, _ = take()
    assert sorted(set(cloud.ring.tolist())) == [0, 1, 2, 3]
    elevation = np.degrees(np.arcsin(cloud.points[:, 2] / np.linalg.norm(cloud.points, axis=1)))
    np.testing.assert_allclose(elevation, np.array([10, 0, -10, -20])[cloud.ring], atol=1e-3)
    assert bool((np.diff(cloud.time) >= 0).all())
    assert 0 <= cloud.time.min() <= cloud.time.max() < PERFECT.period
    azimuth = np.arctan2(cloud.points[:, 1], cloud.points[:, 0])
    np.testing.assert_allclose(azimuth, -math.pi + 2 * math.pi * (cloud.time * 10 + 0.5 / 64), atol=1e-3)
    assert (cloud.points.dtype, cloud.time.dtype, cloud.ring.dtype) == (np.float32, np.float32, np.uint16)


def test_noise_outliers_and_drop_outs():
    model = replace(PERFECT, columns=512, noise=0.03)
    cloud, _ = take(model)
    error = np.linalg.norm(cloud.points, axis=1) - cloud.true_range
    assert error.std() == pytest.approx(0.03, rel=0.1)
    faulty, _ = take(replace(model, outliers=0.05))
    wrong = np.abs(np.linalg.norm(faulty.points, axis=1) - faulty.true_range) > 0.3
    assert 0.02 < wrong.mean() < 0.06
    weak, _ = take(replace(model, weakest=3.0))
    assert len(weak.points) < 0.8 * len(cloud.points)
    assert weak.true_range.mean() < cloud.true_range.mean()  # the far ones are lost first


def test_mirrors_return_little():
    plain, _ = take(replace(PERFECT, weakest=0.3))
    shiny, _ = take(replace(PERFECT, weakest=0.3), scene=box_room(mirror=0.8, specular=0.5))
    assert len(shiny.points) < 0.7 * len(plain.points)


def test_mixed_points_hang_between_two_surfaces():
    b = SceneBuilder(0)
    m = b.material(torch.full((8, 8, 3), 0.6))
    b.box((0, 0, 0), (12, 10, 6), m)
    for y in np.linspace(-4, 4, 9):
        b.cylinder((3, y, 0), 0.2, 6.0, m)
    cloud, _ = take(replace(PERFECT, columns=512, mixed=0.5), scene=b.build((), Surroundings()))
    moved = np.abs(np.linalg.norm(cloud.points, axis=1) - cloud.true_range) > 0.1
    assert 5 < moved.sum() < 0.1 * len(moved)


def test_the_same_seed_gives_the_same_bytes():
    model = replace(PERFECT, noise=0.02, outliers=0.01)
    one, two, other = (take(model, seed)[0] for seed in (4, 4, 5))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one, two))
    assert one.points.tobytes() != other.points.tobytes()


def test_an_empty_sky_returns_nothing():
    b = SceneBuilder(0)
    b.box((0, 0, -500), (1, 1, 1), b.material(torch.full((8, 8, 3), 0.6)))
    cloud, _ = take(scene=b.build((), Surroundings()))
    assert cloud.points.shape == (0, 3)
