from __future__ import annotations

import numpy as np
import pytest

from training.synthetic.depth_camera import DepthCamera
from training.synthetic.objects import SUPPORTS, build_objects, camera_of, looking, render_objects
from training.synthetic.things import THINGS

CAMERA = camera_of(64, 48)


@pytest.mark.parametrize("support", SUPPORTS)
def test_every_thing_has_an_id_of_its_own(support):
    world = build_objects(7, support, seed=3)
    assert world.count == 7
    assert set(world.names[1:]) <= set(THINGS)
    assert set(world.scene.instance.tolist()) == set(range(8))


@pytest.mark.parametrize("support", ["table", "floor"])
def test_things_stand_free_of_each_other_on_their_support(support):
    scene = build_objects(12, support, seed=5).scene
    ground = 0.74 if support == "table" else 0.0
    lowest, circles = [], []
    for thing in range(1, 13):
        own = scene.instance == thing
        reach = (scene.rotation[own].abs() @ scene.half[own][..., None])[..., 0]
        lowest.append(float((scene.center[own] - reach)[:, 2].min()))
        low, high = (scene.center[own] - reach).amin(0), (scene.center[own] + reach).amax(0)
        circles.append((low[:2], high[:2]))
    np.testing.assert_allclose(lowest, ground, atol=0.02)  # boxes around lying cylinders are a little loose
    centers = np.array([((low + high) / 2).tolist() for low, high in circles])
    apart = np.linalg.norm(centers[:, None] - centers[None], axis=-1) + 10 * np.eye(12)
    assert apart.min() > 0.05


def test_the_same_seed_builds_the_same_world_and_another_does_not():
    first, again, other = (build_objects(4, seed=s).scene for s in (1, 1, 2))
    assert first.center.equal(again.center)
    assert first.center.shape != other.center.shape or not first.center.equal(other.center)


def test_more_things_take_a_larger_table_at_the_same_closeness():
    few, many = build_objects(5, seed=0), build_objects(50, seed=0)
    assert many.count == 50
    assert 2.0 < many.reach / few.reach < 5.0


def test_unknown_supports_and_no_things_are_refused():
    with pytest.raises(ValueError, match="ceiling"):
        build_objects(3, "ceiling")
    with pytest.raises(ValueError, match="count: 0"):
        build_objects(0)


def test_a_round_shows_every_thing_from_all_sides():
    world = build_objects(5, seed=4)
    poses = world.poses(12)
    angle = np.unwrap(np.arctan2(*(poses[:, :2, 3] - world.center[:2]).T[::-1]))
    assert abs(angle[-1] - angle[0]) > 1.8 * np.pi * 11 / 12
    ahead = poses[:, :3, 2]
    np.testing.assert_allclose(np.linalg.norm(poses[:, :3, :3], axis=1), 1.0)
    assert (np.einsum("ni,ni->n", ahead, world.center - poses[:, :3, 3]) > 0).all()
    frames = render_objects(world, CAMERA, poses[::3])
    shown = [set(np.unique(frame.labels)) - {0} for frame in frames]
    assert set.union(*shown) == {1, 2, 3, 4, 5}


def test_the_camera_stays_before_a_shelf():
    world = build_objects(6, "shelf", seed=4)
    assert (world.poses(20)[:, 0, 3] < -0.3).all()


def test_frames_carry_exact_depth_or_what_a_camera_measures():
    world = build_objects(3, seed=6)
    poses = world.poses(2)
    exact = render_objects(world, CAMERA, poses, stamp=7)
    noisy = render_objects(world, CAMERA, poses, DepthCamera())
    assert [f.stamp for f in exact] == [7, 125_000_007]
    assert exact[0].standard_deviation is None
    assert exact[0].labels.dtype == np.int32
    assert exact[0].image.shape == (48, 64, 3)
    error = np.abs(noisy[0].depth - exact[0].depth)
    assert 0.0005 < np.nanmedian(error) < 0.02
    assert np.isnan(noisy[0].depth).mean() > np.isnan(exact[0].depth).mean()
    assert np.isfinite(noisy[0].standard_deviation).sum() == np.isfinite(noisy[0].depth).sum()
    again = render_objects(world, CAMERA, poses, DepthCamera())
    np.testing.assert_array_equal(noisy[1].depth, again[1].depth)


def test_looking_is_level_and_ahead():
    pose = looking(np.array([1.0, 2.0, 3.0]), np.array([1.0, 5.0, 3.0]))
    np.testing.assert_allclose(pose[:3, :3], [[1, 0, 0], [0, 0, 1], [0, -1, 0]], atol=1e-12)
    assert np.linalg.det(pose) == pytest.approx(1.0)
