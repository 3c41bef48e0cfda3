from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from training.datasets.video import VideoFrame
from training.learning.start import FACTORS, factor_from_points, factor_from_poses, moved_range, refined


class Third(torch.nn.Module):
    """Knows the depth of what it is shown, but a third of it."""

    def __init__(self, depth):
        super().__init__()
        self.depth = torch.from_numpy(depth)[None, None] / 3

    def forward(self, image):
        return SimpleNamespace(depth=self.depth)


@pytest.fixture(scope="module")
def scene(look, camera, pose):
    poses = [pose(), pose(x=-0.1), pose(x=0.1)]
    seen = [look(p) for p in poses]
    frames = torch.from_numpy(np.stack([image for image, _ in seen])).permute(0, 3, 1, 2).float() / 255
    motions = np.stack([np.linalg.inv(p) @ poses[0] for p in poses[1:]]).astype(np.float32)
    window = {"frames": frames, "K": torch.from_numpy(camera.K).float(), "poses": torch.from_numpy(motions)}
    return window, seen[0]


def test_known_poses_tell_the_factor(scene):
    window, (_, depth) = scene
    factor, errors = factor_from_poses(Third(depth), [window])
    assert factor == pytest.approx(3, rel=0.1)
    assert len(errors) == len(FACTORS)
    assert min(errors) < 0.5 * errors[0]


def test_points_tell_the_factor_of_the_usual_frame(scene, camera):
    _, (image, depth) = scene
    sparse = np.where(np.random.default_rng(0).random(depth.shape) < 0.02, depth, 0).astype(np.float32)
    estimator = SimpleNamespace(infer=lambda image, camera: SimpleNamespace(depth=depth / 3))
    frame, empty = VideoFrame("a", image, camera, sparse), VideoFrame("b", image, camera, None)
    assert factor_from_points(estimator, [empty, frame]) == pytest.approx(3)
    assert factor_from_points(estimator, [empty]) is None


def test_the_best_factor_is_refined_between_its_neighbours():
    factors = np.array([1.0, 2.0, 4.0])
    assert refined(factors, np.array([1.0, 0.5, 1.0])) == pytest.approx(2)
    assert 2 < refined(factors, np.array([1.0, 0.5, 0.7])) < 3
    assert refined(factors, np.array([0.1, 0.5, 0.7])) == 1


def test_the_range_moves_with_the_factor_and_reaches_the_points(camera):
    assert moved_range(0.1, 10, 3, []) == (0.3, 30)
    far = VideoFrame("a", np.zeros((120, 160, 3), np.uint8), camera, np.full((120, 160), 70, np.float32))
    assert moved_range(0.1, 10, 3, [far]) == (0.3, 84)
