"""What the network's standard deviation is taught: how far its depth is off, by truth or by what colours say.

The deviation is that of a Laplace distribution of log depth, relative to depth: 0.1 means that 10 % is a usual error.
It is learned on detached features and depth, so nothing else changes. Calibration comes after training.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from depth_perception.geometry.warping import warp

_STEP = 0.02  # of depth, by which the warped sources are moved to see how colours answer
_FAINT = 0.02  # change of colour per change of log depth below which colours say nothing; full white is 1
_COARSE = 0.002  # of colour, half a step of 8 bits: no difference is known better
_WORST = 1.0  # of depth; what an untrained network is off by must not rule


def laplace_likelihood(log_deviation: Tensor, error: Tensor, known: Tensor) -> Tensor:
    """Return the mean negative log-likelihood (less log 2) of relative errors, all (B, 1, H, W), where ``known``.

    ``log_deviation``: log of the standard deviation, which is sqrt(2) times a Laplace distribution's width.
    """
    log_width = log_deviation.float() - 0.5 * torch.log(torch.tensor(2.0))
    each = error.detach().clamp_max(_WORST) * torch.exp(-log_width) + log_width
    count = known.float().sum().clamp_min(1)
    return torch.where(known, each, 0.0).sum() / count


def aligned_error(depth: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Return |log error| of ``depth`` scaled to the median of ``truth`` in each image, and where truth is known."""
    known = truth > 0
    scaled = depth * median_scale(depth, truth)
    return (torch.log(torch.where(known, truth, 1.0)) - torch.log(scaled)).abs(), known


def median_scale(depth: Tensor, truth: Tensor) -> Tensor:
    """Return (B, 1, 1, 1): median of ``truth`` over that of ``depth`` where truth, (B, 1, H, W), is above 0; else 1."""
    found = []
    for own, other in zip(depth, truth):
        valid = other > 0
        found.append(other[valid].median() / own[valid].median() if bool(valid.any()) else own.new_ones(()))
    return torch.stack(found).view(-1, 1, 1, 1)


@torch.no_grad()
def explaining_error(
    frames: Tensor, warped: Sequence[Tensor], depth: Tensor, K: Tensor, poses: Sequence[Tensor], source: Tensor
) -> Tensor:
    """Return the relative change of depth (B, 1, H, W) that would explain what is left of the difference in colours.

    ``frames`` (B, N, 3, H, W) with the target first; ``warped`` (B, 3, H, W) and ``poses`` T_source_target (B, 4, 4) of
    the N - 1 sources; ``source`` (B, 1, H, W) tells which of them explains a pixel best. That one differs by some
    colour from the target, and moves by some colour when depth changes by a share; their ratio, both averaged over
    3 x 3 pixels, is how far depth may be off. Where colours do not answer to depth, as on a plain wall or without
    parallax, it is large: nothing vouches for that depth.
    """
    target = frames[:, 0].float()
    left, answer = [], []
    for image, seen, pose in zip(frames[:, 1:].unbind(1), warped, poses):
        moved, _ = warp(image, depth * (1 + _STEP), K, pose)
        left.append((seen - target).abs().mean(1, keepdim=True))
        answer.append((moved - seen).abs().mean(1, keepdim=True) / _STEP)
    difference = torch.cat(left, 1).gather(1, source)
    slope = torch.cat(answer, 1).gather(1, source)
    difference, slope = (F.avg_pool2d(x, 3, 1, 1, count_include_pad=False) for x in (difference, slope))
    return (difference + _COARSE) / (slope + _FAINT)
