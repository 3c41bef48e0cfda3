from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from training.synthetic.scene import CYLINDER, Lamp, SceneBuilder, Surroundings, frame_along, turn


def test_frames_and_things_nest(grey):
    b = SceneBuilder(0)
    m = b.material(grey)
    b.box((0, 0, 0), (2, 2, 2), m)
    with b.at(10, 0, 1, math.pi / 2), b.thing("cupboard") as outer:
        b.box((1, 0, 0), (2, 4, 6), m)
        with b.at(0, 0, 1), b.thing("cup") as inner:
            b.cylinder((0, 1, 0), 0.1, 0.4, m, shadow=False)
        b.ellipsoid((0, 0, 0), 0.5, m)
    scene = b.build([Lamp((0, 0, 2), (1, 1, 1))], Surroundings())
    assert len(scene) == 4
    np.testing.assert_allclose(scene.center, [[0, 0, 0], [10, 1, 1], [9, 0, 2], [10, 0, 1]], atol=1e-6)
    np.testing.assert_allclose(scene.half, [[1, 1, 1], [1, 2, 3], [0.1, 0.1, 0.2], [0.5, 0.5, 0.5]], rtol=1e-6)
    assert scene.instance.tolist() == [0, outer, inner, outer] == [0, 1, 2, 1]
    assert scene.instance_names == ("background", "cupboard", "cup")
    assert scene.shadow.tolist() == [True, True, False, True]
    np.testing.assert_allclose(scene.rotation[1] @ torch.tensor([1.0, 0, 0]), [0, 1, 0], atol=1e-6)


def test_rod_joins_its_ends(grey):
    b = SceneBuilder(0)
    m = b.material(grey)
    start, end = np.array([1.0, 2.0, 0.5]), np.array([2.0, 0.0, 3.0])
    b.rod(start, end, 0.1, m)
    scene = b.build([], Surroundings())
    axis = scene.rotation[0, :, 2].double().numpy() * float(scene.half[0, 2])
    center = scene.center[0].double().numpy()
    np.testing.assert_allclose(center - axis, start, atol=1e-5)
    np.testing.assert_allclose(center + axis, end, atol=1e-5)
    assert scene.kind[0] == CYLINDER


def test_rotations():
    assert np.allclose(turn(math.pi / 2) @ [1, 0, 0], [0, 1, 0])
    assert np.allclose(turn(0, math.pi / 2) @ [1, 0, 0], [0, 0, -1])
    assert np.allclose(turn(0, 0, math.pi / 2) @ [0, 1, 0], [0, 0, 1])
    frame = frame_along(np.array([1.0, 0.0, 0.0]))
    assert np.allclose(frame[:, 2], [1, 0, 0])
    assert np.linalg.det(frame) == pytest.approx(1.0)


def test_empty_scene_and_uneven_textures_are_refused(grey):
    with pytest.raises(ValueError, match="at least one primitive"):
        SceneBuilder(0).build([], Surroundings())
    b = SceneBuilder(0)
    b.box((0, 0, 0), (1, 1, 1), b.material(grey))
    b.material(torch.zeros(4, 4, 3))
    with pytest.raises(ValueError, match="power of two"):
        b.build([], Surroundings())


def test_moving_to_a_device_keeps_everything(cluttered):
    moved = cluttered.to("cpu")
    assert torch.equal(moved.center, cluttered.center)
    assert moved.lights == cluttered.lights
