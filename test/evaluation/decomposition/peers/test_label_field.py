from __future__ import annotations

import numpy as np
import torch

from depth_perception.evaluation.decomposition.fields import FieldSettings
from depth_perception.evaluation.decomposition.label_corruption import LabelCorruption, corrupt
from depth_perception.evaluation.decomposition.peers.label_field import LabelField, assigned_loss, assignment


def logits_of(rows):
    return torch.log(torch.tensor(rows))


def test_labels_take_the_channels_that_suit_them_best_together():
    # channel 2 suits both labels best, but label 1 loses less by taking channel 1
    logits = logits_of([[0.1, 0.40, 0.50], [0.1, 0.05, 0.85], [0.8, 0.1, 0.1]])
    found = assignment(logits, torch.tensor([1, 2, 0]), 3)
    assert found.tolist() == [0, 1, 2]
    loss = assigned_loss(logits, torch.tensor([1, 2, 0]), 3)
    torch.testing.assert_close(loss, -torch.log(torch.tensor([0.40, 0.85, 0.8])).mean())


def test_more_labels_than_channels_teach_what_they_can():
    logits = logits_of([[0.2, 0.8], [0.4, 0.6]])
    assert assignment(logits, torch.tensor([1, 2]), 3).tolist() == [0, 1, -1]
    torch.testing.assert_close(assigned_loss(logits, torch.tensor([1, 2]), 3), -torch.log(torch.tensor(0.8)))


def test_shuffled_numbers_are_put_together(balls, scores):
    torch.set_num_threads(1)
    frames = corrupt(balls, np.random.default_rng(0), LabelCorruption())
    small = FieldSettings(levels=3, fine=0.06, log2_table=10, width=16)
    found = LabelField(channels=8, steps=150, points=200, rate=1e-2, voxel=0.04, settings=small).decompose(frames)
    score, matches = scores(found, balls)
    assert score.matched == 3
    assert score.switches == 0
    assert found.notes["steps"] == 150
    assert set(matches.values()) <= set(found.meshes)
