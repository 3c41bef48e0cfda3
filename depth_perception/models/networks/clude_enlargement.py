"""From CluDe's last step to full resolution: a weighted choice among the cells around a pixel and its own point."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_perception.models.networks.clude_encoder import Pooled

_NARROW = 8.0  # fall of the first weights with squared distance: close to repetition, which smears nothing
_OWN = 1.0  # first weight of a pixel's own point
_NEVER = -60.0


class ConvexEnlargement(nn.Module):
    """Convex combinations (RAFT, Teed and Deng, ECCV 2020) of ten: nine cells and, where there is one, the point.

    Where a pixel was measured, cells that agree with it weigh more, by the same law as the centres. Image edges are
    seen at full resolution. With ``one_surface`` only those count that are within a gap of the one with most weight: a
    pixel at an edge is then on either side of it.
    """

    def __init__(self, inputs: int, fine: int, factor: int, one_surface: bool = True):
        super().__init__()
        self.factor = factor
        self.one_surface = one_surface
        hidden = inputs * 3 // 2
        self.mix = nn.Conv2d(inputs + fine * factor**2, hidden, 1)
        self.weigh = nn.Conv2d(hidden, 10 * factor**2, 3, 1, 1)
        nn.init.normal_(self.weigh.weight, std=0.01)
        cells, pixels = range(3), range(factor)
        away = [
            _distance(i - 1, a, factor) + _distance(j - 1, b, factor)
            for i in cells
            for j in cells
            for a in pixels
            for b in pixels
        ]
        with torch.no_grad():
            assert self.weigh.bias is not None
            self.weigh.bias.copy_(torch.cat([-_NARROW * torch.tensor(away), torch.full((factor**2,), _OWN)]))
        self.log_scale = nn.Parameter(torch.tensor(math.log(0.5)))  # of mean gaps

    def forward(
        self, features: Tensor, fine: Tensor, log_depth: Tensor, relative: Tensor, points: Pooled, gap: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return log depth and relative deviation (B, 1, H, W) from (B, 1, h, w).

        ``features`` are (B, C, h, w), ``fine`` (B, C', H, W), ``points`` (B, 1, H, W) each, ``gap`` (B, 1, 1, 1).
        """
        batch, _, height, width = features.shape
        factor = self.factor
        seen = torch.cat([features, F.pixel_unshuffle(fine, factor).to(features.dtype)], 1)
        scores = self.weigh(torch.relu(self.mix(seen))).float().reshape(batch, 10, factor**2, height, width)
        around = neighbours(log_depth)  # (B, 9, 1, h, w)
        point, known = (F.pixel_unshuffle(x, factor).unsqueeze(1) for x in (points.least, points.known))
        scale = (torch.exp(self.log_scale) * gap.unsqueeze(1)).clamp_min(0.01)
        scores = torch.cat(
            [
                scores[:, :9] - ((point - around).abs() / scale).clamp_max(-_NEVER) * known,
                scores[:, 9:] + (1 - known) * _NEVER,
            ],
            1,
        )
        share = torch.softmax(scores, 1)
        offers = torch.cat([around.expand(-1, -1, factor**2, -1, -1), point], 1)  # (B, 10, f f, h, w)
        chosen = share
        if self.one_surface:
            best = torch.gather(offers, 1, share.argmax(1, keepdim=True)).detach()
            chosen = torch.where(
                (offers.detach() - best).abs() < gap.unsqueeze(1), share, torch.zeros_like(share[:, :1])
            )
            chosen = chosen / chosen.sum(1, keepdim=True)
        depth = (chosen * offers).sum(1)  # (B, f f, h, w)
        middle = depth.detach().unsqueeze(1)
        spread = share[:, :9].detach() * (neighbours(relative * relative) + (around.detach() - middle).square())
        own = share[:, 9].detach() * ((point - middle).square() + (relative * relative).unsqueeze(1))[:, 0]
        return F.pixel_shuffle(depth, factor), F.pixel_shuffle(torch.sqrt(spread.sum(1) + own), factor)


def _distance(cell: int, pixel: int, factor: int) -> float:
    """Return the squared distance, in cells, of a pixel of the middle cell from the middle of another."""
    return (cell - (pixel + 0.5) / factor + 0.5) ** 2


def neighbours(x: Tensor) -> Tensor:
    """Return (B, 9, 1, h, w): the 3 x 3 cells around each of x (B, 1, h, w), edges repeated."""
    height, width = x.shape[2:]
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return torch.stack([padded[:, :, i : i + height, j : j + width] for i in range(3) for j in range(3)], 1)
