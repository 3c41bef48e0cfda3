"""The refiner's network: a U-Net from a quarter of the working grid down, and a choice per cell at its full size.

All work is done at 1/4 and below; sub-pixel convolution (Shi et al., CVPR 2016) brings its answer back, from what the
U-Net says of a block of 4 x 4 cells and what is in it. Each cell weighs the surfaces offered to it, as a small residual
on a good filling learns slowly what a choice says at once.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_perception.models.networks.output import NetworkOutput
from depth_perception.models.refiner import CHANNELS, RefinerConfig

_DOWN = 4
_OFFERS = 6  # filling, near, far, closest, even, the network's own
_OUTPUTS = _OFFERS + 3  # their weights, what the network itself says, log deviation, inlier


class RefinerNetwork(nn.Module):
    """Features (B, 15, H, W), sides multiples of 32, to depth in units of the prepared scale."""

    def __init__(self, config: RefinerConfig):
        super().__init__()
        self.config = config
        widths = config.widths
        self.stem = _conv(CHANNELS, widths[0], kernel=_DOWN, stride=_DOWN)
        self.content = _conv(CHANNELS, config.detail, kernel=_DOWN, stride=_DOWN)
        self.encoders = nn.ModuleList(_blocks(w, n) for w, n in zip(widths, config.blocks))
        self.down = nn.ModuleList(_conv(a, b, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(_conv(b, a, kernel=1) for a, b in pairwise(widths))
        self.decoders = nn.ModuleList(_blocks(w, n) for w, n in zip(widths[:-1], config.blocks))
        self.mix = _conv(widths[0] + config.detail, config.mixed, kernel=1)
        self.last = nn.Conv2d(config.mixed, _OUTPUTS * _DOWN**2, 1)
        nn.init.normal_(self.last.weight, std=0.01)
        bias = torch.zeros(_OUTPUTS, _DOWN**2)
        bias[0] = 2.0  # trust the filling at first
        bias[-2] = -3.0  # log of relative deviation
        bias[-1] = 2.0  # most points are right
        with torch.no_grad():
            assert self.last.bias is not None
            self.last.bias.copy_(bias.reshape(-1))

    def forward(self, features: Tensor) -> NetworkOutput:
        """See ``NetworkOutput``; ``extra``: ``log_depth``, ``log_deviation``, ``inlier_logit`` (B, 1, H, W)."""
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
        x = self.last(self.mix(torch.cat([x, self.content(features)], 1)))
        out = F.pixel_shuffle(x.float(), _DOWN)  # (B, 9, H, W)
        weights = torch.softmax(out[:, :_OFFERS], 1)
        center = features[:, 3:4].float()
        change = (weights[:, 1:5] * features[:, 4:8].float()).sum(1, keepdim=True)
        change = change + weights[:, 5:6] * out[:, _OFFERS : _OFFERS + 1]
        log_depth = center + change
        log_deviation = out[:, -2:-1].clamp(-9.0, 1.5)
        depth = torch.exp(log_depth.clamp(-12.0, 12.0))
        extra = {"log_depth": log_depth, "log_deviation": log_deviation, "inlier_logit": out[:, -1:]}
        return NetworkOutput(depth, depth * torch.exp(log_deviation), torch.sigmoid(out[:, -1:]), extra)


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    padding = (kernel - 1) // 2 if kernel != stride else 0
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
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
        nn.init.zeros_(self.second[1].weight)  # starts as the identity

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))
