from __future__ import annotations

import numpy as np
import pytest

from training.synthetic.robots import OPTICAL, WORLDS


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_sensors_sit_apart_and_look_ahead(name):
    world = WORLDS[name]
    for pose in (world.T_base_camera, world.T_base_lidar):
        np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)
        assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0)
    assert world.T_base_camera[:3, 2] @ [1, 0, 0] > 0.95  # optical axis forward
    assert world.T_base_camera[:3, 0] @ [0, -1, 0] > 0.95  # image x to the right
    apart = world.T_base_lidar[:3, 3] - world.T_base_camera[:3, 3]
    assert 0.3 < np.linalg.norm(apart) < 0.8
    assert apart[2] > 0.2  # above, so that it sees what the camera does not


def test_optical_axes():
    np.testing.assert_array_equal(OPTICAL @ [0, 0, 1], [1, 0, 0])
    np.testing.assert_array_equal(OPTICAL @ [1, 0, 0], [0, -1, 0])
