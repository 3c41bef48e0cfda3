"""Which object each place near a surface belongs to: channel logits on a fine and a coarse grid.

A channel's signed distance is the scene's plus a margin that grows with how far its logit is below the largest, so
that the scene is the minimum over channels whatever the logits are, and a channel's opacity on a ray that meets the
surface is ``exp(logit - largest logit)``. Fine nodes exist only near surfaces.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from depth_perception.models.decomposition.grid import NodeGrid

_BETAS, _EPSILON = (0.9, 0.99), 1e-15
_SPARE = 4096  # rows a table grows by, at least


class ChannelField:
    """Logits of ``width`` channels; ``rows`` of the fine table belong to nodes named by ``row_of``, -1 none."""

    def __init__(self, grid: NodeGrid, coarse: int, width: int, device: str = "cpu"):
        self.grid, self.wide = grid, grid.coarser(coarse)
        self.row_of = torch.full((grid.size,), -1, dtype=torch.int32, device=device)
        self.node_of = torch.zeros(0, dtype=torch.int64, device=device)
        self.color = torch.zeros(0, 4, device=device)  # sums of red, green, blue, and of weights
        self.fine = torch.zeros(_SPARE, width, device=device)
        self.coarse = torch.zeros(self.wide.size, width, device=device)
        self.moments = {name: torch.zeros_like(getattr(self, name).repeat(2, 1)) for name in ("fine", "coarse")}
        self.steps = 0

    @property
    def width(self) -> int:
        """Number of channels that have logits."""
        return self.fine.shape[1]

    def allocate(self, nodes: Tensor, color: Tensor) -> None:
        """Give rows to nodes (m,), where they have none, and add their colours (m, 3) of 0 to 255."""
        missing = torch.unique(nodes[self.row_of[nodes] < 0])
        first = len(self.node_of)
        self.row_of[missing] = torch.arange(first, first + len(missing), dtype=torch.int32, device=nodes.device)
        self.node_of = torch.cat([self.node_of, missing])
        self.color = torch.cat([self.color, self.color.new_zeros(len(missing), 4)])
        needed = len(self.node_of) - len(self.fine)
        if needed > 0:
            self._grow(max(needed, len(self.fine) // 2, _SPARE), 0)
        rows = self.row_of[nodes].long()
        self.color.index_add_(0, rows, F.pad(color.to(torch.float32), (0, 1), value=1.0))

    def widen(self, width: int) -> None:
        """Have at least so many channels; new ones start where they lose everywhere."""
        if width > self.width:
            self._grow(0, width - self.width)

    def logits(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (n, width) at points (n, 3), and the share (n,) of fine corners that exist.

        Missing corners count nothing and the others more. Gradients reach ``fine`` and ``coarse``.
        """
        nodes, weights, inside = self.grid.corners(points)
        rows = self.row_of[nodes].long()
        weights = weights * (rows >= 0)
        share = weights.sum(1)
        weights = weights / share.clamp_min(1e-6)[:, None]
        out = F.embedding_bag(rows.clamp_min(0), self.fine, per_sample_weights=weights, mode="sum")
        nodes, weights, _ = self.wide.corners(points)
        out = out + F.embedding_bag(nodes, self.coarse, per_sample_weights=weights, mode="sum")
        return out, share * inside

    def node_logits(self) -> Tensor:
        """Return logits (rows, width) at all fine nodes."""
        nodes, weights, _ = self.wide.corners(self.grid.points(self.node_of))
        wide = F.embedding_bag(nodes, self.coarse, per_sample_weights=weights, mode="sum")
        return self.fine[: len(self.node_of)] + wide

    def set_logits(self, rows: Tensor, logits: Tensor) -> None:
        """Make the logits of some rows (m,) what is given (m, width), and forget how they were moving."""
        nodes, weights, _ = self.wide.corners(self.grid.points(self.node_of[rows]))
        wide = F.embedding_bag(nodes, self.coarse, per_sample_weights=weights, mode="sum")
        self.fine[rows] = logits - wide
        both = self.moments["fine"].reshape(2, *self.fine.shape)
        both[:, rows] = 0.0

    def colors(self, points: Tensor) -> Tensor:
        """Return uint8 (n, 3) colours at points (n, 3), grey where none was seen."""
        nodes, weights, _ = self.grid.corners(points)
        rows = self.row_of[nodes].long()
        known = rows >= 0
        if not len(self.color):
            return torch.full((len(points), 3), 128, dtype=torch.uint8, device=points.device)
        sums = self.color[rows.clamp_min(0)]  # (n, 8, 4)
        own = sums[..., :3] / sums[..., 3:].clamp_min(1e-6)
        weights = (weights * (known & (sums[..., 3] > 0)))[..., None]
        mean = (own * weights).sum(1) / weights.sum(1).clamp_min(1e-6)
        mean = torch.where(weights.sum(1) > 0, mean, 128.0)
        return mean.round().clamp(0, 255).to(torch.uint8)

    def step(self, gradients: dict[str, Tensor], rate: float, limit: float) -> None:
        """Move the tables by one step of Adam; logits stay within ``limit`` of 0."""
        self.steps += 1
        first, second = _BETAS
        for name, gradient in gradients.items():
            table = getattr(self, name)
            mean, square = self.moments[name].reshape(2, *table.shape)
            mean.lerp_(gradient, 1 - first)
            square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
            scale = rate / (1 - first**self.steps) * (1 - second**self.steps) ** 0.5
            table.addcdiv_(mean, square.sqrt().add_(_EPSILON), value=-scale).clamp_(-limit, limit)

    def _grow(self, rows: int, columns: int) -> None:
        for name, more in (("fine", rows), ("coarse", 0)):
            table = getattr(self, name)
            both = self.moments[name].reshape(2, *table.shape)
            self.moments[name] = F.pad(both, (0, columns, 0, more)).reshape(-1, table.shape[1] + columns)
            low = float(table.min()) if columns and table.numel() else 0.0
            wider = F.pad(table, (0, columns), value=min(low, 0.0)) if columns else table
            setattr(self, name, F.pad(wider, (0, 0, 0, more)))
