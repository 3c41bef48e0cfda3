from __future__ import annotations

import math

import pytest
import torch

from training.losses.smoothness import smoothness


def test_a_ramp_has_the_hand_worked_value():
    disparity = torch.tensor([[1.0, 2.0, 3.0]]).repeat(3, 1)[None, None]  # mean 2: steps of 1/2 along x, none along y
    image = torch.zeros(1, 3, 3, 3)
    assert smoothness(disparity, image).item() == pytest.approx(0.5, abs=1e-5)
    image[..., 2] = 1  # the second step lies on an edge of the image
    assert smoothness(disparity, image).item() == pytest.approx(0.5 * (1 + math.exp(-1)) / 2, abs=1e-5)


def test_neither_unit_nor_axis_matters():
    generator = torch.Generator().manual_seed(0)
    disparity, image = torch.rand(2, 1, 6, 8, generator=generator) + 0.1, torch.rand(2, 3, 6, 8, generator=generator)
    value = smoothness(disparity, image)
    assert smoothness(0.01 * disparity, image).item() == pytest.approx(value.item(), rel=1e-4)
    assert smoothness(disparity.mT, image.mT).item() == pytest.approx(value.item(), rel=1e-5)
    assert smoothness(torch.ones(1, 1, 4, 4), torch.rand(1, 3, 4, 4)) == 0
