from __future__ import annotations

import math

import pytest
import torch

from depth_perception.models.networks.output import NetworkOutput
from training.losses.measured import MetricLogError
from training.losses.monocular import GamDepthCriterion, Views


def test_the_error_is_that_of_logarithms_at_known_pixels():
    depth, truth = torch.full((1, 1, 4, 4), 2.0), torch.zeros(1, 1, 4, 4)
    truth[..., :2] = 4.0
    assert MetricLogError()(depth, truth)["loss"].item() == pytest.approx(math.log(2))
    assert MetricLogError()(depth, torch.zeros_like(truth))["loss"].item() == 0


def test_points_pull_depth_towards_metres_in_the_whole_objective():
    torch.manual_seed(0)
    depth = torch.full((1, 1, 32, 32), 2.0).requires_grad_()
    frames = torch.rand(1, 3, 3, 32, 32)
    extra = {"disparity": 1 / depth, "log_deviation": torch.zeros_like(depth)}
    output = NetworkOutput(depth, depth.detach(), torch.ones_like(depth), extra)
    views = Views(output, [torch.eye(4)[None]] * 2, [frames[:, 1], frames[:, 2]])
    batch = {"frames": frames, "K": torch.eye(3)[None], "depth": torch.zeros(1, 1, 32, 32)}
    batch["depth"][0, 0, 3:5, 4] = 9.0
    criterion = GamDepthCriterion(known=0.5, supervision=MetricLogError(), deviation=0.0, smooth=0.0).eval()
    (slope,) = torch.autograd.grad(criterion(views, batch)["loss"], depth)
    assert (slope[0, 0, 3:5, 4] < 0).all()  # farther is better, though both points agree up to scale
    assert slope.count_nonzero() == 2
