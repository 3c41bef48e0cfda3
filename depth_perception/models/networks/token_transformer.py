"""A transformer between two sets of tokens: a few queries that read from, and then talk with, the cells of an image.

Pre-norm layers (Xiong et al., ICML 2020) written with plain matrix products and softmax, so that an export holds no
operator a small runtime lacks. Sizes are read from the tensors: any number of tokens works.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_HIGHEST = 32.0  # half-waves across the image of the fastest position code


def sine_position(height: int, width: int, channels: int, like: Tensor) -> Tensor:
    """Return a 2-D position code (height * width, channels), row by row; ``channels`` is a multiple of 4.

    A quarter of the channels each holds sine and cosine of row and of column, at wavelengths relative to the image's
    own size, so that the same code means the same place at any resolution. Device is that of ``like``.
    """
    if channels % 4:
        raise ValueError(f"a 2-D position code needs a multiple of 4 channels, got {channels}")
    count = channels // 4
    step = math.log(_HIGHEST) / max(count - 1, 1)
    frequency = math.pi * torch.exp(torch.arange(count, device=like.device, dtype=torch.float32) * step)
    y = (torch.arange(height, device=like.device, dtype=torch.float32) + 0.5) / height
    x = (torch.arange(width, device=like.device, dtype=torch.float32) + 0.5) / width
    rows = y[:, None] * frequency  # (h, c/4)
    columns = x[:, None] * frequency  # (w, c/4)
    rows = torch.cat([torch.sin(rows), torch.cos(rows)], 1)[:, None]  # (h, 1, c/2)
    columns = torch.cat([torch.sin(columns), torch.cos(columns)], 1)[None]  # (1, w, c/2)
    half = channels // 2
    code = torch.cat([rows.expand(height, width, half), columns.expand(height, width, half)], 2)
    return code.reshape(height * width, channels)


class Attention(nn.Module):
    """Multi-head scaled dot-product attention (Vaswani et al., NIPS 2017); the softmax is taken in float32."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels do not split into {heads} heads")
        self.heads = heads
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels, bias=False)  # one added to all keys changes no softmax
        self.value = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, queries: Tensor, memory: Tensor) -> Tensor:
        """Return (B, n, C): for each of ``queries`` (B, n, C) a mixture of ``memory`` (B, m, C)."""
        q, k, v = self._split(self.query(queries)), self._split(self.key(memory)), self._split(self.value(memory))
        scores = torch.matmul(q, k.transpose(2, 3)).float() * (1 / math.sqrt(q.shape[3]))  # (B, heads, n, m)
        mixed = torch.matmul(torch.softmax(scores, 3).to(v.dtype), v)  # (B, heads, n, C / heads)
        return self.out(mixed.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        batch, count, channels = x.shape
        return x.reshape(batch, count, self.heads, channels // self.heads).transpose(1, 2)


class TokenLayer(nn.Module):
    """Queries read the cells (cross), queries and cells read each other (joint self), each is worked on (FFN)."""

    def __init__(self, channels: int, heads: int, expansion: int = 4):
        super().__init__()
        self.query_norm = nn.LayerNorm(channels)
        self.cell_norm = nn.LayerNorm(channels)
        self.cross = Attention(channels, heads)
        self.joint_norm = nn.LayerNorm(channels)
        self.joint = Attention(channels, heads)
        self.forward_norm = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, expansion * channels)
        self.narrow = nn.Linear(expansion * channels, channels)

    def forward(self, queries: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Return updated queries (B, n, C) and cells (B, m, C)."""
        count = queries.shape[1]
        queries = queries + self.cross(self.query_norm(queries), self.cell_norm(cells))
        both = torch.cat([queries, cells], 1)
        normed = self.joint_norm(both)
        both = both + self.joint(normed, normed)
        both = both + self.narrow(torch.relu(self.widen(self.forward_norm(both))))
        return both[:, :count], both[:, count:]


class TokenTransformer(nn.Module):
    """``layers`` of ``TokenLayer`` and the normalisation that pre-norm layers leave to the end."""

    def __init__(self, channels: int, heads: int, layers: int, expansion: int = 4):
        super().__init__()
        self.layers = nn.ModuleList(TokenLayer(channels, heads, expansion) for _ in range(layers))
        self.query_norm = nn.LayerNorm(channels)
        self.cell_norm = nn.LayerNorm(channels)

    def forward(self, queries: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Return updated queries (B, n, C) and cells (B, m, C)."""
        for layer in self.layers:
            queries, cells = layer(queries, cells)
        return self.query_norm(queries), self.cell_norm(cells)
