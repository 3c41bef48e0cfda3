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
_OFFERS = 5  # filling, near, far, closest, even
_FINE = _OFFERS + 1  # their weights and what the network adds, for every cell
_COARSE = 2  # log deviation and inlier, for every 2 x 2 cells
_SHARPEST = 12.0  # largest difference of logits; their exponentials must not overflow


class RefinerNetwork(nn.Module):
    """Features (B, 15, H, W), sides multiples of 32, to depth in units of the prepared scale."""

    def __init__(self, config: RefinerConfig):
        super().__init__()
        self.config = config
        widths = config.widths
        self.stem = _conv(CHANNELS, widths[0] + config.detail, kernel=_DOWN, stride=_DOWN)
        self.encoders = nn.ModuleList(_blocks(w, n) for w, n in zip(widths, config.blocks))
        self.down = nn.ModuleList(_conv(a, b, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(_conv(b, a, kernel=1) for a, b in pairwise(widths))
        self.decoders = nn.ModuleList(_blocks(w, n) for w, n in zip(widths[:-1], config.blocks))
        # what each level alone would add; only the objective looks at it
        self.guesses = nn.ModuleList(nn.Conv2d(w, 1, 1) for w in widths)
        self.mix = _conv(widths[0] + config.detail, config.mixed, kernel=1)
        self.fine = nn.Conv2d(config.mixed, _FINE * _DOWN**2, 1)
        self.coarse = nn.Conv2d(config.mixed, _COARSE * (_DOWN // 2) ** 2, 1)
        bias = torch.zeros(_FINE, _DOWN**2)
        bias[0] = 2.0  # trust the filling at first
        believed = torch.tensor([-3.0, 2.0])[:, None].repeat(1, (_DOWN // 2) ** 2)  # small deviation, points are right
        for layer, start in ((self.fine, bias), (self.coarse, believed)):
            nn.init.normal_(layer.weight, std=0.01)
            with torch.no_grad():
                assert layer.bias is not None
                layer.bias.copy_(start.reshape(-1))

    def forward(self, features: Tensor) -> NetworkOutput:
        """See ``NetworkOutput``; ``extra``: ``log_depth``, ``log_deviation``, ``inlier_logit`` (B, 1, H, W).

        Also ``change/S`` (B, 1, H / S, W / S): what level S would add to the log of the filling.
        """
        both = self.stem(features)
        x, content = both[:, : self.config.widths[0]], both[:, self.config.widths[0] :]
        skips, guesses = [], {}
        for level, encoder in enumerate(self.encoders):
            x = encoder(x)
            if level < len(self.down):
                skips.append(x)
                x = self.down[level](x)
        for level in reversed(range(len(self.encoders))):
            if level < len(self.up):
                x = F.interpolate(self.up[level](x), scale_factor=2.0, mode="nearest") + skips[level]
                x = self.decoders[level](x)
            if self.training:
                guesses[f"change/{_DOWN << level}"] = self.guesses[level](x).float()
        x = self.mix(torch.cat([x, content], 1))
        fine = F.pixel_shuffle(self.fine(x).float(), _DOWN)  # (B, 6, H, W)
        coarse = F.pixel_shuffle(self.coarse(x).float(), _DOWN // 2)  # (B, 2, H / 2, W / 2)
        coarse = F.interpolate(coarse, scale_factor=2.0, mode="nearest")
        # a softmax over channels, written out: ONNX Runtime's own takes twenty times as long in this direction
        weights = torch.exp(fine[:, :_OFFERS].clamp(-_SHARPEST, _SHARPEST))
        offers = (weights[:, 1:] * features[:, 4:8].float()).sum(1, keepdim=True) / weights.sum(1, keepdim=True)
        log_depth = features[:, 3:4].float() + offers + fine[:, _OFFERS:]
        log_deviation = coarse[:, :1].clamp(-9.0, 1.5)
        depth = torch.exp(log_depth.clamp(-12.0, 12.0))
        logit = coarse[:, 1:]
        extra = {"log_depth": log_depth, "log_deviation": log_deviation, "inlier_logit": logit, **guesses}
        return NetworkOutput(depth, depth * torch.exp(log_deviation), torch.sigmoid(logit), extra)


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
