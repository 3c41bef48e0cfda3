"""Losses on shape and colour, as in MonoSDF and ObjectSDF++, and on depth that was measured in metres."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def color(rendered: Tensor, image: Tensor) -> Tensor:
    """Return the mean absolute difference of colours (r, 3)."""
    return (rendered - image).abs().mean()


def eikonal(gradients: Tensor) -> Tensor:
    """Return the mean squared difference of gradients' (..., 3) length from 1: distances that grow as one walks."""
    return ((gradients.norm(dim=-1) - 1.0) ** 2).mean()


def smoothness(normals: Tensor, moved: Tensor) -> Tensor:
    """Return the mean distance of unit normals (n, 3) to those a small random step away."""
    return _length(F.normalize(normals, dim=-1) - F.normalize(moved, dim=-1)).mean()


def depth(rendered: Tensor, measured: Tensor, deviation: Tensor | None = None) -> Tensor:
    """Return the mean absolute error of depths (r,) in metres where they were measured (finite and above 0).

    With ``deviation`` (r,) errors count in its inverse, so that sure measurements count more; 0 without measurements.
    """
    known = torch.isfinite(measured) & (measured > 0)
    error = (rendered - torch.where(known, measured, 0.0)).abs()
    if deviation is not None:
        error = error / deviation
    return torch.where(known, error, 0.0).sum() / known.sum().clamp_min(1)


def normal_distance(rendered: Tensor, given: Tensor) -> Tensor:
    """Return the mean L1 distance of normals (r, 3) where they are given (finite)."""
    return _over_known((rendered - torch.nan_to_num(given)).abs().sum(-1), given)


def normal_angle(rendered: Tensor, given: Tensor) -> Tensor:
    """Return the mean of 1 less the cosine between normals (r, 3) where they are given (finite)."""
    return _over_known(1.0 - F.cosine_similarity(rendered, torch.nan_to_num(given), dim=-1), given)


def _over_known(values: Tensor, given: Tensor) -> Tensor:
    known = torch.isfinite(given).all(-1)
    return torch.where(known, values, 0.0).sum() / known.sum().clamp_min(1)


def _length(difference: Tensor) -> Tensor:
    square = (difference**2).sum(-1)
    apart = square > 0
    return torch.where(apart, torch.sqrt(torch.where(apart, square, 1.0)), 0.0)
