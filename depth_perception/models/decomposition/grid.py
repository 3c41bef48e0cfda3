"""A box of evenly spaced nodes, and linear interpolation between them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor


@dataclass(frozen=True)
class NodeGrid:
    """Nodes at ``low + cell * (i, j, k)`` in metres, for i, j, k below ``shape``; the last index runs fastest."""

    low: tuple[float, float, float]
    cell: float
    shape: tuple[int, int, int]

    @classmethod
    def cover(cls, low: ArrayLike, high: ArrayLike, cell: float, largest: int) -> NodeGrid:
        """Return nodes over the box from ``low`` to ``high`` (3,), no more than ``largest`` of them.

        The cell grows where ``cell`` would give more. Raises ValueError if the box is empty or not finite.
        """
        first, last = np.asarray(low, np.float64), np.asarray(high, np.float64)
        if first.shape != (3,) or last.shape != (3,):
            raise ValueError(f"low and high must have shape (3,), got {first.shape} and {last.shape}")
        if not np.isfinite(first).all() or not np.isfinite(last).all() or not (last > first).all():
            raise ValueError(f"the box from low {first.tolist()} to high {last.tolist()} is empty")
        while True:
            shape = np.ceil((last - first) / cell - 1e-9).astype(int) + 1
            if np.prod(shape.astype(np.float64)) <= largest:
                break
            cell *= 1.02
        x, y, z = (max(int(n), 2) for n in shape)
        return cls((float(first[0]), float(first[1]), float(first[2])), float(cell), (x, y, z))

    @property
    def size(self) -> int:
        """Number of nodes."""
        return math.prod(self.shape)

    def coarser(self, factor: int) -> NodeGrid:
        """Return nodes with ``factor`` times the cell that cover the same box."""
        x, y, z = (max(-(-(n - 1) // factor), 1) + 1 for n in self.shape)
        return NodeGrid(self.low, self.cell * factor, (x, y, z))

    def points(self, nodes: Tensor) -> Tensor:
        """Return where nodes (n,) lie: float32 (n, 3) in metres."""
        _, ny, nz = self.shape
        index = torch.stack([nodes // (ny * nz), nodes // nz % ny, nodes % nz], 1)
        low = torch.tensor(self.low, dtype=torch.float32, device=nodes.device)
        return low + self.cell * index.to(torch.float32)

    def corners(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the eight nodes (n, 8) around points (n, 3), their weights (n, 8) and which points are inside (n,).

        Weights are differentiable in the points. Outside points, and such that are not finite, get those of the
        nearest inside one.
        """
        low = torch.tensor(self.low, dtype=points.dtype, device=points.device)
        last = torch.tensor(self.shape, dtype=points.dtype, device=points.device) - 1
        at = (points - low) / self.cell
        inside = ((at >= 0) & (at <= last)).all(1)
        at = torch.minimum(torch.nan_to_num(at, 0.0, 0.0, 0.0).clamp_min(0), last)
        first = torch.minimum(at.detach().floor(), last - 1)
        part = at - first
        cell = first.long()
        _, ny, nz = self.shape
        base = (cell[:, 0] * ny + cell[:, 1]) * nz + cell[:, 2]
        steps = torch.tensor([(a * ny + b) * nz + c for a in (0, 1) for b in (0, 1) for c in (0, 1)])
        x, y, z = (torch.stack([1 - part[:, k], part[:, k]], 1) for k in range(3))  # (n, 2) each
        weights = x[:, :, None, None] * y[:, None, :, None] * z[:, None, None, :]
        return base[:, None] + steps.to(base.device), weights.reshape(-1, 8), inside

    def index(self, points: NDArray) -> NDArray[np.int64]:
        """Return the node nearest to each point (n, 3), as a flat index (n,); points must be inside."""
        at = np.rint((points - np.asarray(self.low)) / self.cell).astype(np.int64)
        at = np.clip(at, 0, np.asarray(self.shape) - 1)
        return (at[:, 0] * self.shape[1] + at[:, 1]) * self.shape[2] + at[:, 2]
