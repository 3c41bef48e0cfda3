from __future__ import annotations

import numpy as np
import pytest
import torch

from depth_perception.evaluation.decomposition.fields import FieldSettings
from depth_perception.evaluation.decomposition.label_corruption import LabelCorruption, corrupt
from depth_perception.evaluation.decomposition.peers.contrastive import Contrastive, cluster_middles, contrast


def test_a_worked_contrast():
    own = torch.tensor([[0.0, 0.0]], requires_grad=True)
    other = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    loss = contrast(own, torch.tensor([1]), other, torch.tensor([1, 2]), 0.5)
    expected = -np.log(np.exp(-1) / (np.exp(-1) + np.exp(-4))) + 0.5 * 1.0
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert own.grad[0, 1] < 0  # toward the partner
    assert own.grad[0, 0] > 0  # away from the other


def test_points_without_a_partner_teach_nothing():
    own = torch.zeros(1, 2, requires_grad=True)
    assert contrast(own, torch.tensor([1]), torch.ones(1, 2), torch.tensor([2]), 1.0).item() == 0


def test_clusters_have_their_middles():
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(c, 0.05, (60, 2)) for c in ((0, 0), (1, 0), (0, 1))]).astype(np.float32)
    middles = cluster_middles(points, 10)
    assert len(middles) == 3
    assert np.abs(middles[:, None] - np.array([[0, 0], [1, 0], [0, 1]])).sum(-1).min(1).max() < 0.05
    assert cluster_middles(points[:5], 10).shape == (0, 2)


def test_shuffled_numbers_are_put_together(balls, scores):
    pytest.importorskip("sklearn")
    torch.set_num_threads(1)
    frames = corrupt(balls, np.random.default_rng(0), LabelCorruption())
    small = FieldSettings(levels=3, fine=0.06, log2_table=10, width=16)
    method = Contrastive(3, steps=250, points=100, rate=1e-2, clustered=400, smallest=0.06, voxel=0.04, settings=small)
    score, _ = scores(method.decompose(frames), balls)
    assert score.matched == 3
    assert score.switches == 0
