"""A multi-resolution hash grid (Mueller et al., ACM TOG 2022) in plain PyTorch, differentiable twice."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_PRIMES = (1, 2654435761, 805459861)
_START = 1e-4


class HashGrid(nn.Module):
    """Features (n, levels * features) of points (n, 3) in [-1, 1].

    Levels whose nodes fit into the table have a place for each; finer ones share places by a hash, and the network
    after them learns to tell apart what matters. The eikonal loss needs the gradient's gradient, so that nodes are
    looked up by plain indexing.
    """

    def __init__(self, levels: int, features: int, base: int, finest: int, log2_table: int):
        super().__init__()
        growth = math.exp((math.log(finest) - math.log(base)) / max(levels - 1, 1))
        self.resolutions = [int(base * growth**level + 1e-6) for level in range(levels)]
        sizes = [min((n + 1) ** 3, 2**log2_table) for n in self.resolutions]
        self.tables = nn.ParameterList(nn.Parameter(torch.empty(s, features).uniform_(-_START, _START)) for s in sizes)
        corner = torch.tensor([(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)])
        self.corner: Tensor
        self.register_buffer("corner", corner, persistent=False)

    @property
    def width(self) -> int:
        """Number of features."""
        return sum(table.shape[1] for table in self.tables)

    def forward(self, points: Tensor) -> Tensor:
        """Interpolate each level linearly; points outside take the value at the border."""
        unit = (points.clamp(-1.0, 1.0) + 1.0) * 0.5
        return torch.cat([self._level(unit, n, table) for n, table in zip(self.resolutions, self.tables)], 1)

    def _level(self, unit: Tensor, resolution: int, table: Tensor) -> Tensor:
        at = unit * resolution
        first = at.detach().floor().clamp_max(resolution - 1)
        part = (at - first)[:, None]  # (n, 1, 3)
        node = first.long()[:, None] + self.corner  # (n, 8, 3)
        if len(table) == (resolution + 1) ** 3:
            index = (node[..., 0] * (resolution + 1) + node[..., 1]) * (resolution + 1) + node[..., 2]
        else:
            mixed = node[..., 0] * _PRIMES[0] ^ node[..., 1] * _PRIMES[1] ^ node[..., 2] * _PRIMES[2]
            index = mixed % len(table)
        weight = torch.where(self.corner.bool(), part, 1.0 - part).prod(2, keepdim=True)
        return (table[index] * weight).sum(1)
