from __future__ import annotations

import numpy as np
import pytest
import torch

from depth_perception.frames import CameraModel
from training.synthetic.draft import depth_of, render_draft
from training.synthetic.renderer import render

CAMERA = CameraModel.pinhole(40.0, 40.0, 31.5, 23.5, 64, 48)


@pytest.fixture(scope="module")
def pose(look_at):
    return look_at((7.0, 6.0, 3.0), (0.0, 0.0, 0.5))


def test_geometry_is_that_of_the_careful_renderer(cluttered, pose):
    careful = render(cluttered, CAMERA, pose, antialias=False, shadows=False)
    draft = render_draft(cluttered, [CAMERA], pose, shadows=False)
    torch.testing.assert_close(draft.depth, careful.depth, equal_nan=True, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(draft.normal, careful.normal, equal_nan=True, rtol=1e-4, atol=1e-4)
    assert torch.equal(draft.instance, careful.instance)
    torch.testing.assert_close(draft.radiance, careful.radiance, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(depth_of(cluttered, [CAMERA], pose), careful.depth, equal_nan=True)


def test_light_is_close_to_that_of_the_careful_renderer(cluttered, pose):
    careful = render(cluttered, CAMERA, pose, antialias=False).radiance
    bare = render(cluttered, CAMERA, pose, antialias=False, shadows=False).radiance
    draft = render_draft(cluttered, [CAMERA], pose).radiance
    error = (draft - careful).abs().mean()  # edges of shadows, on so small a picture
    assert float(error) < 0.6 * float((bare - careful).abs().mean())


def test_views_of_a_batch_are_those_made_alone(cluttered, pose, look_at):
    wide = CameraModel.pinhole(25.0, 26.0, 30.0, 25.0, 64, 48)
    other = look_at((-6.0, 7.0, 2.0), (0.0, 0.0, 1.0))
    both = render_draft(cluttered, [CAMERA, wide], torch.cat([pose, other]))
    for k, (camera, at) in enumerate(((CAMERA, pose), (wide, other))):
        alone = render_draft(cluttered, [camera], at)
        torch.testing.assert_close(both.depth[k], alone.depth[0], equal_nan=True)
        assert torch.equal(both.instance[k], alone.instance[0])
        assert float((both.radiance[k] - alone.radiance[0]).abs().mean()) < 1e-3


def test_cameras_and_poses_must_agree(cluttered, pose):
    small = CameraModel.pinhole(40.0, 40.0, 15.5, 11.5, 32, 24)
    with pytest.raises(ValueError, match="cameras of one size"):
        render_draft(cluttered, [CAMERA, small], torch.cat([pose, pose]))
    with pytest.raises(ValueError, match="cameras of one size"):
        depth_of(cluttered, [CAMERA], torch.from_numpy(np.stack([np.eye(4)] * 2)))
