"""Disparity may change where the image does: the edge-aware smoothness of monodepth2."""

from __future__ import annotations

import torch
from torch import Tensor


def smoothness(disparity: Tensor, image: Tensor) -> Tensor:
    """Return the mean of |d disparity| exp(-|d image|) along x plus that along y, over the image's mean disparity.

    ``disparity`` (B, 1, H, W) positive, ``image`` (B, 3, H, W) in [0, 1]. Godard et al., ICCV 2019. Divided by its
    mean, no disparity can be made smoother by being made small.
    """
    disparity, image = disparity.float(), image.float()
    disparity = disparity / (disparity.mean((2, 3), keepdim=True) + 1e-7)
    total = disparity.new_zeros(())
    for axis in (2, 3):
        step, edge = _step(disparity, axis), _step(image, axis).mean(1, keepdim=True)
        total = total + (step * torch.exp(-edge)).mean()
    return total


def _step(values: Tensor, axis: int) -> Tensor:
    size = values.shape[axis] - 1
    return (values.narrow(axis, 1, size) - values.narrow(axis, 0, size)).abs()
