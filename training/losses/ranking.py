"""Which of two pixels is farther: pairs across the edges of a picture, where blurred depth goes wrong.

Xian et al., *Structure-Guided Ranking Loss for Single Image Depth Prediction* (CVPR 2020), as LeReS (Yin et al., CVPR
2021) uses it for labels of unknown scale and shift. There a pair counts as equal if the ratio of its depths is within
3 % of 1. A ratio changes with the shift; here it is the difference of standardised labels that tells.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from training.losses.gradient import sobel

TIE = 0.05  # of the label's spread; 3 % of depth where depth is 1.7 times its spread
_EDGE = 0.1  # share of a picture's strongest gradient that makes an edge
_NEAR, _FAR = 3.0, 0.1  # of the outer points of a pair: at least so many pixels off, at most this share of the width


def ranking_loss(depth: Tensor, label: Tensor, valid: Tensor, pairs: Tensor, tie: float = TIE) -> Tensor:
    """Return (B,): the mean over ``pairs`` (B, N, 2) of flat pixel indices of whether they are in the right order.

    ``depth`` and ``label`` (B, 1, H, W) standardised, see ``affine.standardise``; pairs that are not both ``valid`` do
    not count. log(1 + exp(-s difference)) where the label says that the first is farther (s = 1) or nearer (s = -1)
    by more than ``tie``, else the squared difference.
    """
    (first, second), (one, other) = (_at(x, pairs) for x in (depth, label))
    known = torch.stack(_at(valid.float(), pairs)).amin(0) > 0
    difference, true = first - second, one - other
    equal = true.abs() <= tie
    each = torch.where(equal, difference.square(), F.softplus(-torch.sign(true) * difference))
    return torch.where(known, each, 0.0).sum(1) / known.sum(1).clamp_min(1)


def edge_pairs(image: Tensor, count: int, generator: torch.Generator | None = None) -> Tensor:
    """Return pairs (B, 4 * count, 2) of flat pixel indices of ``image`` (B, 3, H, W): three at each of ``count`` edges.

    Four points lie on a line across the edge, two on either side; neighbours make the pairs. As many pairs again as
    edges are drawn anywhere. Numbers come from ``generator`` on its own device, or the image's.
    """
    batch, _, height, width = image.shape
    device = generator.device if generator is not None else image.device

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device).to(image.device)

    slope_x, slope_y = (F.pad(s, (1, 1, 1, 1)) for s in sobel(image.float().mean(1, keepdim=True)))
    strength = (slope_x.square() + slope_y.square()).sqrt().flatten(1)  # (B, H * W)
    edge = strength >= _EDGE * strength.amax(1, keepdim=True)
    # the place of the k-th edge pixel, k even over their number
    order = edge.byte().sort(dim=1, descending=True, stable=True).indices
    chosen = (draw(batch, count) * edge.sum(1, keepdim=True)).long()
    place = order.gather(1, chosen)  # (B, count)
    size = strength.gather(1, place).clamp_min(1e-6)
    across = torch.stack([s.flatten(1).gather(1, place) / size for s in (slope_x, slope_y)], -1)  # (B, count, 2)
    inner = 1 + (_NEAR - 1) * draw(batch, count, 2)
    outer = inner + 1 + (max(_FAR * width, _NEAR) - 1) * draw(batch, count, 2)
    steps = torch.stack([-outer[..., 0], -inner[..., 0], inner[..., 1], outer[..., 1]], -1)  # (B, count, 4)
    middle = torch.stack([place % width, place // width], -1)
    points = (middle[:, :, None] + steps[..., None] * across[:, :, None]).round()  # (B, count, 4, 2)
    column, row = points[..., 0].clamp(0, width - 1).long(), points[..., 1].clamp(0, height - 1).long()
    index = row * width + column
    neighbours = torch.stack([index[..., :-1], index[..., 1:]], -1).flatten(1, 2)  # (B, 3 * count, 2)
    anywhere = (draw(batch, count, 2) * height * width).long()
    return torch.cat([neighbours, anywhere], 1)


def _at(values: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
    flat = values.flatten(1)
    return flat.gather(1, pairs[..., 0]), flat.gather(1, pairs[..., 1])
