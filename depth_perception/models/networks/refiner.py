"""The refiner's network: a U-Net that looks, and a judge that weighs what nine points say to each cell.

The judge starts from the hand-made weights and adds to their logarithms, so that an untrained network already answers
as the surface model does. It sees what is known about a candidate and what the U-Net saw at the cell and at the point:
attention (Vaswani et al., NeurIPS 2017) over planes instead of tokens.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_perception.models.candidates import ABOUT, HEARD
from depth_perception.models.networks.output import NetworkOutput
from depth_perception.models.refiner import CHANNELS, RefinerConfig

# brings the numbers about a candidate (see ``candidates.Candidates``) to about one
_UNITS = (5.0, 0.3, 0.7, 1.0, 0.3, 1.0, 0.4, 1.0, 5.0)
_LARGEST = 4.0
_SHARPEST = 30.0  # largest logit; its exponential must not overflow
_AGREEING = 0.2  # difference of log depth at which a candidate counts half in the end
_NARROWEST = 4e-3  # relative spread that is never undercut


class RefinerNetwork(nn.Module):
    """Inputs of ``RefinerMethod.prepare``, sides multiples of 16, to depth in units of the prepared scale."""

    units: Tensor

    def __init__(self, config: RefinerConfig):
        super().__init__()
        self.config = config
        widths, hidden = config.widths, config.hidden
        self.register_buffer("units", torch.tensor(_UNITS), persistent=False)
        self.stem = _conv(CHANNELS, widths[0])
        self.encoders = nn.ModuleList(_blocks(w, n) for w, n in zip(widths, config.blocks))
        self.down = nn.ModuleList(_conv(a, b, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(_conv(b, a, kernel=1) for a, b in pairwise(widths))
        self.decoders = nn.ModuleList(_blocks(w, n) for w, n in zip(widths[:-1], config.blocks))
        self.here = nn.Conv2d(widths[0], 2 * hidden, 1)
        self.there = nn.Conv2d(widths[0], 2 * hidden, 1, bias=False)
        self.about = nn.Linear(ABOUT, hidden, bias=False)
        self.judge = nn.Linear(hidden, hidden)
        self.score = nn.Linear(hidden, 1)
        self.rest = nn.Conv2d(widths[0], 3, 1)  # what is added to depth, log deviation, inlier
        with torch.no_grad():
            for layer in (self.score, self.rest):
                assert layer.bias is not None
                layer.weight.zero_()
                layer.bias.zero_()
            assert self.rest.bias is not None
            self.rest.bias[2] = 2.0  # most points are right

    def forward(self, features: Tensor, about: Tensor, cell: Tensor) -> NetworkOutput:
        """See ``NetworkOutput``; ``extra``: ``log_depth``, ``log_deviation``, ``inlier_logit`` (B, 1, h, w)."""
        batch, _, height, width = features.shape
        x = self.stem(features)
        skips = []
        for level, encoder in enumerate(self.encoders):
            x = encoder(x)
            if level < len(self.down):
                skips.append(x)
                x = self.down[level](x)
        for level in reversed(range(len(self.up))):
            x = F.interpolate(self.up[level](x), scale_factor=2.0, mode="nearest") + skips[level]
            x = self.decoders[level](x)

        cells = height * width
        words = about.reshape(batch, HEARD, ABOUT, cells)
        here, there = (layer(x).flatten(2).transpose(1, 2) for layer in (self.here, self.there))  # (B, n, 2 hidden)
        first = torch.arange(batch, device=cell.device)[:, None, None] * cells
        where = cell.reshape(batch, HEARD, cells).long() + first
        there = there.reshape(batch * cells, -1)
        own, match = (part.reshape(batch * cells, -1) for part in here.chunk(2, -1))
        theirs, matched = there.chunk(2, -1)
        scores = []
        for heard in range(HEARD):  # one after the other stays in the cache: a third faster than all at once
            at = where[:, heard].reshape(-1)
            known = words[:, heard].transpose(1, 2).reshape(-1, ABOUT)
            seen = self.about((known * self.units).clamp(-_LARGEST, _LARGEST))
            judged = F.relu(seen + own + theirs.index_select(0, at) + match * matched.index_select(0, at))
            scores.append(self.score(F.relu(self.judge(judged))).reshape(batch, 1, height, width))
        score = torch.cat(scores, 1).float()
        words = about.float().reshape(batch, HEARD, ABOUT, height, width)
        logit = score + words[:, :, 1]
        # a softmax over candidates, written out: ONNX Runtime's own takes many times as long in this direction
        weight = torch.exp((logit - logit.amax(1, keepdim=True)).clamp(-_SHARPEST, 0.0))
        weight = weight / weight.sum(1, keepdim=True)
        change = (weight * words[:, :, 0]).sum(1, keepdim=True)
        # one step towards the surface most of the weight is on: a mean of two surfaces is on neither
        agreed = weight / (1 + ((words[:, :, 0] - change) * (1 / _AGREEING)) ** 2)
        change = (agreed * words[:, :, 0]).sum(1, keepdim=True) / agreed.sum(1, keepdim=True)
        spread = (weight * (words[:, :, 0] - change).abs()).sum(1, keepdim=True)
        rest = self.rest(x).float()
        log_depth = features[:, 3:4].float() + change + 0.1 * rest[:, :1]
        log_deviation = (torch.log(spread + _NARROWEST) + rest[:, 1:2]).clamp(-9.0, 1.5)
        depth = torch.exp(log_depth.clamp(-12.0, 12.0))
        logit = rest[:, 2:3]
        extra = {"log_depth": log_depth, "log_deviation": log_deviation, "inlier_logit": logit, "weight": weight}
        return NetworkOutput(depth, depth * torch.exp(log_deviation), torch.sigmoid(logit), extra)


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(_Residual(width) for _ in range(count)))


class _Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, width: int):
        super().__init__()
        self.first = _conv(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))
