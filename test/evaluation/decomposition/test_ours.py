from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from depth_perception.evaluation.decomposition.label_corruption import LabelCorruption, corrupt
from depth_perception.evaluation.decomposition.ours import Ours
from depth_perception.evaluation.decomposition.panoptic import ScenePanoptic
from depth_perception.models.decomposition.config import SceneConfig

SMALL = Ours(config=replace(SceneConfig.tiny(), cell=0.03), cell=0.03, steps=20)


def test_our_model_puts_shuffled_numbers_together(balls, ball_sizes):
    torch.set_num_threads(1)
    frames = corrupt(balls, np.random.default_rng(0), LabelCorruption())
    found = SMALL.decompose(frames)
    panoptic = ScenePanoptic()
    for labels, frame in zip(found.labels, balls):
        panoptic.update(labels, frame.labels)
    assert panoptic.compute().matched == 3
    assert found.notes["steps"] == 20
    for thing, number in panoptic.matches(0.5).items():
        center, radius = ball_sizes[thing]
        away = np.abs(np.linalg.norm(found.meshes[number].vertices - center, axis=1) - radius)
        assert np.median(away) < 0.015


def test_terms_are_switched_off_by_name():
    weights = replace(SMALL, without=("regularization", "one_hot"))._weights()
    assert weights.regularization == weights.one_hot == 0
    assert weights.differentiation > 0
    with pytest.raises(ValueError, match="colour"):
        replace(SMALL, without=("colour",))._weights()
