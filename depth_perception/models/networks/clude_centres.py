"""The depth centres: learned embeddings that a transformer shows the image, and where they come to stand on the axis.

Centres are ordered whatever the network says. The first ones divide the span of depths into widths that are a softmax,
and stand in the middles of those (BinsFormer, Li et al., TIP 2024); ``move`` afterwards scales the gaps between them,
which stay positive, and shifts all by the same.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from depth_perception.models.clude import CludeConfig
from depth_perception.models.networks.token_transformer import TokenTransformer, sine_position

_UNEVEN = 2.0  # the widest first cluster is at most exp(2 x this) times the narrowest
_STRETCH = math.log(2.0)  # a step scales a gap by at most this, in logarithms
_SHIFT = 2.0  # and moves all centres by at most so many mean gaps


def first_centres(config: CludeConfig) -> Tensor:
    """Return fixed log depths (K,), spaced evenly in the depth (``uniform``) or in its logarithm."""
    count, near, far = config.centres_count, config.nearest, config.farthest
    at = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    if config.centres == "uniform":
        return torch.log(near + (far - near) * at).float()
    return (math.log(near) + (math.log(far) - math.log(near)) * at).float()


def mean_gap(config: CludeConfig) -> float:
    """Return the mean distance in log depth between two neighbours among the first centres."""
    return (math.log(config.farthest) - math.log(config.nearest)) / config.centres_count


class ClusteringTransformer(nn.Module):
    """Finds an image's own centres: embeddings (B, K, M), cells (B, M, h, w), log depths (B, K)."""

    def __init__(self, config: CludeConfig, inputs: int):
        super().__init__()
        self.config = config
        channels = config.channels
        self.project = nn.Conv2d(inputs, channels, 1)
        self.embedding = nn.Parameter(torch.randn(config.centres_count, channels) * 0.5)
        self.transformer = TokenTransformer(channels, config.heads, config.layers)
        fixed = first_centres(config)
        self.fixed: Tensor
        self.code: Tensor
        self.register_buffer("fixed", fixed, persistent=False)
        self.guide: nn.Module | None = None
        if config.guidance:
            self.register_buffer("code", _value_code(fixed, channels), persistent=False)
            self.guide = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels))
        self.width: nn.Module | None = None
        if config.centres == "learned":
            last = nn.Linear(channels, 1)
            nn.init.normal_(last.weight, std=0.02)
            nn.init.zeros_(last.bias)
            self.width = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), last)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``features`` (B, C, h, w) at 1/16."""
        x = self.project(features)
        batch, channels, height, width = x.shape
        cells = x.flatten(2).transpose(1, 2) + sine_position(height, width, channels, x).to(x.dtype)  # (B, hw, M)
        queries = self.embedding
        if self.guide is not None:
            queries = queries + self.guide(self.code)  # a hint of the depth each centre is about
        embeddings, cells = self.transformer(queries.unsqueeze(0).expand(batch, -1, -1), cells)
        cells = cells.transpose(1, 2).reshape(batch, channels, height, width)
        return embeddings, cells, self._place(embeddings)

    def _place(self, embeddings: Tensor) -> Tensor:
        """Return the log depths (B, K) at which the centres start."""
        if self.width is None:
            return self.fixed.unsqueeze(0).expand(embeddings.shape[0], -1)
        config = self.config
        raw = self.width(embeddings).float().squeeze(2)
        widths = torch.softmax(_UNEVEN * torch.tanh(raw), 1)  # (B, K)
        middles = torch.cumsum(widths, 1) - 0.5 * widths
        span = math.log(config.farthest) - math.log(config.nearest)
        return math.log(config.nearest) + span * middles


def _value_code(values: Tensor, channels: int) -> Tensor:
    """Return a sine code (K, channels) of log depths (K,)."""
    count = channels // 2
    frequency = torch.exp(torch.linspace(0, math.log(32.0), count)) * (math.pi / 8)
    angle = values[:, None] * frequency
    return torch.cat([torch.sin(angle), torch.cos(angle)], 1)


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
