"""The refiner's network: a U-Net from a quarter of the working grid down, and a choice per cell at its full size.

All heavy work is done at 1/4 and below; sub-pixel convolution (Shi et al., CVPR 2016) brings its answer back. Each cell
then weighs the surfaces offered to it, as a small residual on a good filling learns slowly what a choice says at once.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_perception.models.networks.output import NetworkOutput
from depth_perception.models.refiner import CHANNELS, RefinerConfig

_DOWN = 4
_OFFERS = 5  # filling, near, far, closest, the network's own
_SHARED = 10  # channels from 1/4 for every cell


class RefinerNetwork(nn.Module):
    """Features (B, 12, H, W), sides multiples of 32, to depth in units of the prepared scale."""

    def __init__(self, config: RefinerConfig):
        super().__init__()
        self.config = config
        widths, detail = config.widths, config.detail
        self.detail = _conv(CHANNELS, detail)
        self.stem = _conv(CHANNELS + detail, widths[0], kernel=_DOWN, stride=_DOWN)
        self.encoders = nn.ModuleList(_blocks(w, n) for w, n in zip(widths, config.blocks))
        self.down = nn.ModuleList(_conv(a, b, stride=2) for a, b in zip(widths, widths[1:]))
        self.up = nn.ModuleList(_conv(b, a, kernel=1) for a, b in zip(widths, widths[1:]))
        self.decoders = nn.ModuleList(_blocks(w, n) for w, n in zip(widths[:-1], config.blocks))
        self.spread = nn.Conv2d(widths[0], _SHARED * _DOWN**2, 1)
        self.mix = _conv(_SHARED + detail, 16)
        self.last = nn.Conv2d(16, _OFFERS + 3, 1)
        nn.init.normal_(self.last.weight, std=0.01)
        with torch.no_grad():
            assert self.last.bias is not None
            self.last.bias.zero_()
            self.last.bias[0] = 2.0  # trust the filling at first
            self.last.bias[-2] = -3.0  # log of relative deviation
            self.last.bias[-1] = 2.0  # most points are right

    def forward(self, features: Tensor) -> NetworkOutput:
        """See ``NetworkOutput``; ``extra``: ``log_depth`` and ``log_deviation`` (B, 1, H, W)."""
        fine = self.detail(features)
        x = self.stem(torch.cat([features, fine], 1))
        skips = []
        for level, encoder in enumerate(self.encoders):
            x = encoder(x)
            if level < len(self.down):
                skips.append(x)
                x = self.down[level](x)
        for level in reversed(range(len(self.up))):
            x = F.interpolate(self.up[level](x), scale_factor=2.0, mode="nearest") + skips[level]
            x = self.decoders[level](x)
        shared = F.pixel_shuffle(self.spread(x), _DOWN)
        out = self.last(self.mix(torch.cat([shared, fine], 1))).float()
        weights = torch.softmax(out[:, :_OFFERS], 1)
        center = features[:, 3:4].float()
        own = shared[:, :1].float() * 0.1
        offers = torch.cat([torch.zeros_like(center), features[:, 4:7].float(), own], 1)
        log_depth = center + (weights * offers).sum(1, keepdim=True) + 0.1 * out[:, _OFFERS : _OFFERS + 1]
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
