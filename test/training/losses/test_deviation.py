from __future__ import annotations

import math

import pytest
import torch

from depth_perception.geometry.warping import se3, warp
from training.losses.deviation import aligned_error, explaining_error, laplace_likelihood, median_scale

K = torch.tensor([[[50.0, 0, 31.5], [0, 50, 15.5], [0, 0, 1]]])
BASELINE = 0.2


def textured(height=32, width=64):
    """Stripes of many widths on the left half, a plain wall on the right."""
    x = torch.arange(width).float()
    row = 0.5 + 0.2 * torch.sin(0.9 * x) + 0.2 * torch.sin(0.37 * x + 1)
    row = torch.where(x < 32, row, 0.5)
    return row.expand(1, 3, height, width).clone()


def test_the_likelihood_has_the_hand_worked_value_and_its_best_at_the_error():
    log_deviation = torch.full((1, 1, 2, 2), math.log(0.1 * math.sqrt(2)), requires_grad=True)
    error = torch.full((1, 1, 2, 2), 0.2)
    known = torch.tensor([[[[True, True], [True, False]]]])
    found = laplace_likelihood(log_deviation, error, known)
    assert found.item() == pytest.approx(0.2 / 0.1 + math.log(0.1), abs=1e-5)
    found.backward()
    assert (log_deviation.grad[known] < 0).all(), "too sure: the deviation must grow"
    assert log_deviation.grad[~known] == 0
    best = torch.full((1, 1, 2, 2), math.log(0.2 * math.sqrt(2)), requires_grad=True)
    laplace_likelihood(best, error, known).backward()
    assert best.grad.abs().max() < 1e-6
    # an untrained network's errors do not rule
    assert laplace_likelihood(best, 100 * error, known) == laplace_likelihood(best, 5 * error, known)
    assert laplace_likelihood(best, error, known & False) == 0


def test_depth_is_aligned_by_its_median_before_it_is_judged():
    truth = torch.rand(2, 1, 5, 5) + 1
    truth[0, 0, 0] = 0
    error, known = aligned_error(truth.clamp_min(0.5) * torch.tensor([0.1, 7.0]).view(2, 1, 1, 1), truth)
    assert error[known].max() < 1e-5
    assert torch.equal(known, truth > 0)
    assert median_scale(truth, 0 * truth).flatten().tolist() == [1, 1]


def setting(wrong: float):
    """A wall at 2 m, seen from the side, and what the network makes of it with depth ``wrong`` times too large."""
    truth = torch.full((1, 1, 32, 64), 2.0)
    T = se3(torch.zeros(1, 3), torch.tensor([[BASELINE, 0.0, 0.0]]))
    source = textured()
    target, _ = warp(source, truth, K, T)
    depth = truth * wrong
    warped, _ = warp(source, depth, K, T)
    frames = torch.stack([target, source, source], 1)
    return frames, [warped, warped], depth, K, [T, T], torch.ones(1, 1, 32, 64, dtype=torch.long)


def test_colours_tell_how_far_depth_is_off():
    right, off = (explaining_error(*setting(wrong))[..., 4:24] for wrong in (1.0, 1.1))
    assert right.median() < 0.02
    assert off.median().item() == pytest.approx(0.1, abs=0.04)


def test_nothing_vouches_for_depth_on_a_plain_wall_or_without_parallax():
    found = explaining_error(*setting(1.0))
    assert found[..., 40:56].min() > 4 * found[..., 4:24].median()
    frames, _, depth, camera, _, source = setting(1.0)
    still = [torch.eye(4)[None]] * 2
    blind = explaining_error(frames, [frames[:, 1]] * 2, depth, camera, still, source)
    assert blind[..., 4:24].median() > 1


def test_the_best_source_is_the_one_that_is_asked():
    frames, warped, depth, camera, poses, source = setting(1.0)
    frames[:, 1] = 1 - frames[:, 1]  # a source that shows something else
    spoiled = [1 - warped[0], warped[1]]
    asked = explaining_error(frames, spoiled, depth, camera, poses, source)
    other = explaining_error(frames, spoiled, depth, camera, poses, 0 * source)
    assert asked[..., 4:24].median() < 0.05 < other[..., 4:24].median()
