"""A small scene with everything in it, for tests."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.synthetic.scene import BOX, CONE, CYLINDER, ELLIPSOID, Lamp, SceneBuilder, Sun, Surroundings, turn

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def grey():
    return torch.full((8, 8, 3), 0.5)


@pytest.fixture(scope="session")
def cluttered(grey):
    """A floor and 60 primitives of all kinds, turned any way."""
    b = SceneBuilder(3)
    m = b.material(grey, tile=1.0)
    b.box((0, 0, -0.5), (60, 60, 1), m)
    for k in range(60):
        with b.thing(f"thing {k}"):
            center = (*b.rng.uniform(-8, 8, 2), b.rng.uniform(0, 3))
            kind = (BOX, ELLIPSOID, CYLINDER, CONE)[k % 4]
            b.add(kind, center, b.rng.uniform(0.1, 1.2, 3), m, turn(*b.rng.uniform(0, 6, 3)), shadow=k % 5 != 0)
    lights = (Sun((0.3, 0.2, 1.0), (3.0, 3.0, 3.0)), Lamp((0.0, 0.0, 4.0), (5.0, 5.0, 4.0)))
    return b.build(lights, Surroundings())


def look(eye, target) -> torch.Tensor:
    """Pose (1, 4, 4) of a camera at ``eye`` that looks at ``target``, upright."""
    eye = np.asarray(eye, float)
    z = np.asarray(target, float) - eye
    z /= np.linalg.norm(z)
    x = np.cross(z, [0, 0, 1.0])
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([x, np.cross(z, x), z], 1)
    pose[:3, 3] = eye
    return torch.from_numpy(pose).float()[None]


@pytest.fixture(scope="session")
def look_at():
    return look
