from __future__ import annotations

import math

import pytest
import torch

from depth_perception.models.networks.output import NetworkOutput
from training.losses.measured import MeasuredCriterion, log_error
from training.losses.monocular import GamDepthCriterion, Views


def test_the_error_is_that_of_logarithms_at_known_pixels():
    depth, truth = torch.full((1, 1, 4, 4), 2.0), torch.zeros(1, 1, 4, 4)
    truth[..., :2] = 4.0
    assert log_error(depth, truth).item() == pytest.approx(math.log(2))
    assert log_error(depth, truth, metric=False).item() == pytest.approx(0, abs=1e-6)
    assert log_error(depth, torch.zeros_like(truth)).item() == 0


def views_and_batch():
    torch.manual_seed(0)
    depth = (torch.rand(1, 1, 32, 32) + 1).requires_grad_()
    frames = torch.rand(1, 3, 3, 32, 32)
    extra = {"disparity": 1 / depth, "log_deviation": torch.zeros_like(depth)}
    output = NetworkOutput(depth, depth.detach(), torch.ones_like(depth), extra)
    views = Views(output, [torch.eye(4)[None]] * 2, [frames[:, 1], frames[:, 2]])
    batch = {"frames": frames, "K": torch.eye(3)[None], "depth": torch.zeros(1, 1, 32, 32)}
    return views, batch


def test_points_are_added_where_there_are_any_and_pull_depth():
    views, batch = views_and_batch()
    criterion = MeasuredCriterion(measured=0.5, deviation=0.0).eval()
    alone = criterion(views, batch)
    assert "measured" not in alone
    batch["depth"][0, 0, 3, 4] = 9.0
    parts = criterion(views, batch)
    assert parts["loss"].item() == pytest.approx(alone["loss"].item() + 0.5 * parts["measured"].item(), rel=1e-4)
    (slope,) = torch.autograd.grad(parts["measured"], views.output.depth)
    assert slope[0, 0, 3, 4] < 0  # farther is better
    assert slope.count_nonzero() == 1


def test_all_options_of_the_criterion_are_there():
    criterion = MeasuredCriterion(smooth=0.5, deviation_from="depth")
    assert isinstance(criterion, GamDepthCriterion)
    assert criterion.smooth == 0.5
