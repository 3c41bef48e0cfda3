from __future__ import annotations

import numpy as np
import torch

from depth_perception.frames import CameraModel
from training.synthetic.paths import street_path
from training.synthetic.renderer import render
from training.synthetic.robots import WORLDS
from training.synthetic.street import build_street


def test_the_robot_sees_sky_houses_and_cars_and_hits_nothing():
    scene = build_street(0, texture_size=32)
    poses = street_path(5.0).poses(np.array([0.0, 2.0, 5.0])) @ WORLDS["street"].T_base_camera
    view = render(scene, CameraModel.pinhole(46, 46, 31.5, 23.5, 64, 48), torch.from_numpy(poses), shadows=False)
    sky = torch.isnan(view.depth)
    assert 0.05 < float(sky.float().mean()) < 0.6
    assert not bool(sky[:, 30:].any())  # there is ground below
    assert float(torch.nan_to_num(view.depth, nan=99.0).min()) > 1.0
    assert float(torch.nan_to_num(view.depth).max()) > 40.0
    names = {scene.instance_names[i] for i in view.instance.unique().tolist()}
    assert {"house", "car", "tree"} <= names


def test_seeds_build_differently_and_repeatably():
    one, same, other = (build_street(s, texture_size=16) for s in (1, 1, 2))
    assert torch.equal(one.center, same.center)
    assert torch.equal(one.textures.texels, same.textures.texels)
    assert len(one) != len(other) or not torch.equal(one.center, other.center)
