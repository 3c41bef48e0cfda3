"""The depth centres: learned embeddings that a transformer shows the image, and where they come to stand on the axis.

Centres are ordered whatever the network says. The first ones divide the span of depths into widths that are a softmax,
and stand in the middles of those (BinsFormer, Li et al., TIP 2024); ``move`` afterwards scales the gaps between them,
which stay positive, and shifts all by the same.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from depth_perception.models.clude import CludeConfig
from depth_perception.models.networks.token_transformer import TokenTransformer, sine_position

_USUAL = 3.0  # standard deviations of the points' log depths, beyond which outliers lie
_MARGIN = 0.3  # log depth that surfaces may lie beyond the points
_UNEVEN = 2.0  # the widest first cluster is at most exp(2 x this) times the narrowest
_STRETCH = math.log(2.0)  # a step scales a gap by at most this, in logarithms
_SHIFT = 2.0  # and moves all centres by at most so many mean gaps


class Span(NamedTuple):
    """Log depths (B, 1) between which an image's first centres lie."""

    low: Tensor
    high: Tensor

    def gap(self, count: int) -> Tensor:
        """Return the mean distance (B, 1, 1, 1) between two of ``count`` centres."""
        return ((self.high - self.low) / count)[:, :, None, None]

    def place(self, log_depth: Tensor) -> Tensor:
        """Return where in the span (B, 1, h, w) log depths lie: -1 at its low end, 1 at its high one."""
        low, high = self.low[:, :, None, None], self.high[:, :, None, None]
        return (2 * log_depth - (low + high)) / (high - low)


def find_span(config: CludeConfig, log_depth: Tensor, known: Tensor) -> Span:
    """Return the span of the points (B, 1, H, W): from the least to the greatest that is no outlier, and some more.

    This is what guidance by the points does for the centres: few of them then tell small differences apart, whatever
    the scene. Fixed centres, and such without guidance, have one span for all images.
    """
    if not config.guidance or config.centres != "learned":
        ends = [torch.full_like(log_depth[:, :, 0, 0], math.log(d)) for d in (config.nearest, config.farthest)]
        return Span(*ends)
    count = known.sum((2, 3)).clamp_min(1.0)
    mean = (log_depth * known).sum((2, 3)) / count
    away = (log_depth - mean[:, :, None, None]) * known
    reach = _USUAL * torch.sqrt((away * away).sum((2, 3)) / count)
    low = torch.maximum(away.amin((2, 3)), -reach) + mean - _MARGIN
    high = torch.minimum(away.amax((2, 3)), reach) + mean + _MARGIN
    return Span(low, high)


class ClusteringTransformer(nn.Module):
    """Finds an image's own centres: embeddings (B, K, M), cells (B, M, h, w), log depths (B, K)."""

    def __init__(self, config: CludeConfig, inputs: int):
        super().__init__()
        self.config = config
        channels = config.channels
        self.project = nn.Conv2d(inputs, channels, 1)
        self.embedding = nn.Parameter(torch.randn(config.centres_count, channels) * 0.5)
        self.transformer = TokenTransformer(channels, config.heads, config.layers)
        self.even: Tensor
        even = (torch.arange(config.centres_count, dtype=torch.float32) + 0.5) / config.centres_count
        self.register_buffer("even", even, persistent=False)
        self.guide: nn.Module | None = None
        if config.guidance:
            self.guide = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels))
        self.width: nn.Module | None = None
        if config.centres == "learned":
            last = nn.Linear(channels, 1)
            nn.init.normal_(last.weight, std=0.02)
            nn.init.zeros_(last.bias)
            self.width = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), last)

    def forward(self, features: Tensor, span: Span) -> tuple[Tensor, Tensor, Tensor]:
        """``features`` (B, C, h, w) at 1/16."""
        x = self.project(features)
        batch, channels, height, width = x.shape
        cells = x.flatten(2).transpose(1, 2) + sine_position(height, width, channels, x).to(x.dtype)  # (B, hw, M)
        queries = self.embedding.unsqueeze(0).expand(batch, -1, -1)
        if self.guide is not None:  # a hint of the depth each centre is about
            queries = queries + self.guide(value_code(self._evenly(span), channels))
        embeddings, cells = self.transformer(queries, cells)
        cells = cells.transpose(1, 2).reshape(batch, channels, height, width)
        return embeddings, cells, self._place(embeddings, span)

    def _evenly(self, span: Span) -> Tensor:
        """Return log depths (B, K) spaced evenly in the depth (``uniform``) or else in its logarithm."""
        if self.config.centres == "uniform":
            low, high = torch.exp(span.low), torch.exp(span.high)
            return torch.log(low + (high - low) * self.even)
        return span.low + (span.high - span.low) * self.even

    def _place(self, embeddings: Tensor, span: Span) -> Tensor:
        """Return the log depths (B, K) at which the centres start."""
        if self.width is None:
            return self._evenly(span)
        raw = self.width(embeddings).float().squeeze(2)
        widths = torch.softmax(_UNEVEN * torch.tanh(raw), 1)  # (B, K)
        return span.low + (span.high - span.low) * (torch.cumsum(widths, 1) - 0.5 * widths)


def value_code(values: Tensor, channels: int) -> Tensor:
    """Return a sine code (B, K, channels) of log depths (B, K)."""
    count = channels // 2
    step = math.log(32.0) / max(count - 1, 1)
    frequency = torch.exp(torch.arange(count, device=values.device, dtype=torch.float32) * step) * (math.pi / 8)
    angle = values.unsqueeze(2) * frequency
    return torch.cat([torch.sin(angle), torch.cos(angle)], 2)


def move(centres: Tensor, stretch: Tensor, shift: Tensor) -> Tensor:
    """Move pixel-shared centres (B, K) along the axis, keeping their order.

    ``stretch`` (B, K) scales each gap to the centre before by exp(log 2 tanh); ``shift`` (B, 1) moves all of them by
    tanh times two mean gaps. The mean of the centres feels the shift only.
    """
    gaps = centres[:, 1:] - centres[:, :-1]
    scaled = gaps * torch.exp(_STRETCH * torch.tanh(stretch[:, 1:]))
    moved = torch.cumsum(torch.cat([torch.zeros_like(centres[:, :1]), scaled], 1), 1)
    middle = centres.mean(1, keepdim=True) + _SHIFT * torch.tanh(shift) * gaps.mean(1, keepdim=True)
    return moved - moved.mean(1, keepdim=True) + middle


def reach(centres: Tensor) -> Tensor:
    """Return (B, K): half the distance from each centre to the closer of its neighbours."""
    gaps = centres[:, 1:] - centres[:, :-1]
    before = torch.cat([gaps[:, :1], gaps], 1)
    after = torch.cat([gaps, gaps[:, -1:]], 1)
    return 0.5 * torch.minimum(before, after)
