from __future__ import annotations

import numpy as np
import torch

from depth_perception.frames import CameraModel
from training.synthetic.paths import room_path
from training.synthetic.renderer import render
from training.synthetic.robots import WORLDS
from training.synthetic.room import LENGTH, build_room


def test_the_robot_sees_a_closed_furnished_room():
    scene = build_room(0, texture_size=32)
    world = WORLDS["room"]
    poses = room_path(5.0).poses(np.array([0.0, 2.5, 5.0])) @ world.T_base_camera
    view = render(scene, CameraModel.pinhole(46, 46, 31.5, 23.5, 64, 48), torch.from_numpy(poses), shadows=False)
    assert bool(torch.isfinite(view.depth).all())  # walls all round, no sky
    assert float(view.depth.min()) > 0.4  # nothing in the robot's way
    assert float(view.depth.max()) < 1.5 * LENGTH
    assert len(view.instance.unique()) > 25
    names = {scene.instance_names[i] for i in view.instance.unique().tolist()}
    assert {"sofa", "shelf", "book", "coffee table", "window"} <= names


def test_seeds_furnish_differently_and_repeatably():
    one, same, other = (build_room(s, texture_size=16) for s in (1, 1, 2))
    assert torch.equal(one.center, same.center)
    assert torch.equal(one.textures.texels, same.textures.texels)
    assert len(one) != len(other) or not torch.equal(one.center, other.center)
