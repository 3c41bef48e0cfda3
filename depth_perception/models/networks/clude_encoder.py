"""What CluDe sees: one encoder for image and points, and the points pooled to every scale."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_FAR = 1e4  # a logarithm of depth that no point has


def conv(inputs: int, outputs: int, stride: int = 1, normalized: bool = True) -> nn.Sequential:
    """Return convolution 3 x 3, batch normalisation if ``normalized``, ReLU."""
    layer = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=not normalized)
    nn.init.kaiming_normal_(layer.weight, mode="fan_in" if not normalized else "fan_out", nonlinearity="relu")
    if normalized:
        return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU())
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return nn.Sequential(layer, nn.ReLU())


class Residual(nn.Module):
    """Two convolutions beside a shortcut (He et al., CVPR 2016); starts close to the identity."""

    def __init__(self, width: int, normalized: bool = True):
        super().__init__()
        self.first = conv(width, width, 1, normalized)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=not normalized)
        self.norm = nn.BatchNorm2d(width) if normalized else None
        if self.norm is not None:
            nn.init.constant_(self.norm.weight, 0.1)
        else:
            nn.init.kaiming_normal_(self.second.weight, nonlinearity="relu")
            self.second.weight.data *= 0.1

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, h, w)."""
        change = self.second(self.first(x))
        return F.relu(x + (change if self.norm is None else self.norm(change)))


class Encoder(nn.Module):
    """Early fusion of image and points, then features at 1/1 to 1/16 (NLSPN, Park et al., ECCV 2020)."""

    def __init__(self, widths: tuple[int, ...], blocks: tuple[int, ...], normalized: bool = True):
        super().__init__()
        depth_width = max(widths[0] // 4, 1)
        self.color = conv(3, widths[0] - depth_width, 1, normalized)
        self.depth = conv(3, depth_width, 1, normalized)
        stages = []
        for level, (width, count) in enumerate(zip(widths, blocks)):
            down = [conv(widths[level - 1], width, 2, normalized)] if level else []
            stages.append(nn.Sequential(*down, *(Residual(width, normalized) for _ in range(count))))
        self.stages = nn.ModuleList(stages)

    def forward(self, image: Tensor, points: Tensor) -> list[Tensor]:
        """``image`` (B, 3, H, W) and ``points`` (B, 3, H, W), sides multiples of 16, to features from 1/1 to 1/16."""
        x = torch.cat([self.color(image), self.depth(points)], 1)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class Pooled(NamedTuple):
    """Points of one scale, (B, 1, h, w) each: least and greatest log depth, 0 where ``known`` is 0; else that is 1.

    ``share`` is the share of pixels in the cell that hold a point.
    """

    least: Tensor
    greatest: Tensor
    known: Tensor
    share: Tensor


def points_at_full_size(log_depth: Tensor, known: Tensor) -> Pooled:
    """Return points (B, 1, H, W) as they are; ``known`` is 1 at points and 0 elsewhere."""
    value = log_depth * known
    return Pooled(value, value, known, known)


def pool_points(points: Pooled, how: str = "minmax") -> Pooled:
    """Pool 2 x 2 cells into one.

    ``minmax`` takes the least and the greatest over points only: cells without one are put out of reach first, as a 0
    of theirs would win. ``average`` takes the mean of the points and ``nearest`` whatever stands in the first of the
    cells, both as least and greatest.
    """
    if how == "nearest":
        value, known = points.least[:, :, ::2, ::2], points.known[:, :, ::2, ::2]
        return Pooled(value, value, known, known)
    some = F.max_pool2d(points.known, 2)
    share = F.avg_pool2d(points.share, 2)
    if how == "average":
        value = F.avg_pool2d(points.least * points.share, 2) / (share + (1 - some))
        return Pooled(value, value, some, share)
    least = -F.max_pool2d(torch.where(points.known > 0, -points.least, -_FAR), 2)
    greatest = F.max_pool2d(torch.where(points.known > 0, points.greatest, -_FAR), 2)
    zero = torch.zeros_like(least)
    return Pooled(torch.where(some > 0, least, zero), torch.where(some > 0, greatest, zero), some, share)
