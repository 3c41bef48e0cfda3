from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from depth_perception.geometry.warping import se3
from training.losses.main_directions import main_directions


def turn(seed):
    generator = torch.Generator().manual_seed(seed)
    return se3(torch.randn(1, 3, generator=generator), torch.zeros(1, 3))[0, :3, :3]


def room(R, clutter=0.2, noise=0.05, seed=0):
    """Normals (1, 3, 40, 50) along the rows of ``R``, either sign, with noise and a share that face anywhere."""
    generator = torch.Generator().manual_seed(seed)
    axis = torch.randint(0, 3, (2000,), generator=generator)
    sign = torch.randint(0, 2, (2000, 1), generator=generator) * 2 - 1
    n = R[axis] * sign + noise * torch.randn(2000, 3, generator=generator)
    anywhere = torch.rand(2000, 1, generator=generator) < clutter
    n = torch.where(anywhere, torch.randn(2000, 3, generator=generator), n)
    return F.normalize(n, dim=1).T.reshape(1, 3, 40, 50)


@pytest.mark.parametrize("seed", range(8))
def test_axes_are_found_however_the_camera_is_turned(seed):
    R = turn(seed)
    found = main_directions(room(R))[0]
    assert torch.allclose(found[:3], -found[3:])
    cosine = (R @ found.T).amax(1)  # each true axis has a direction
    assert cosine.min() > 0.999
    assert torch.allclose(found[:3] @ found[:3].T, torch.eye(3), atol=1e-5)


def test_two_kinds_of_surfaces_will_do_and_one_image_does_not_change_another():
    R = turn(3)
    corner = room(R)
    corner[:, :, (corner[0] * R[2][:, None, None]).sum(0).abs() > 0.8] = 0  # the third is out of sight
    both = main_directions(torch.cat([corner, room(turn(5))]))
    assert (R @ both[0].T).amax(1).min() > 0.999
    assert torch.equal(both[1], main_directions(room(turn(5)))[0])


def test_a_wood_has_no_axes():
    assert (main_directions(room(turn(0), clutter=1.0)) == 0).all()
    assert (main_directions(torch.zeros(2, 3, 8, 8)) == 0).all()
