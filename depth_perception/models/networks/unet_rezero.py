"""A recursive U-Net of ReZero bottlenecks without any normalisation, so that absolute values pass through it.

The network of Chen et al., JARRN, and of Wang et al., G2-MonoDepth (T-PAMI 2024). ReZero: Bachlechner et al., *ReZero
is All You Need* (UAI 2021): each residual starts with the factor 0, which takes the place of normalisation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2  # of the leaky ReLUs


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution at a quarter of the width, times a learned factor, beside a shortcut."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        middle = max(inputs // 4, 1)
        self.reduce = convolution(inputs, middle, 1)
        self.spread = convolution(middle, middle, 3)
        self.expand = convolution(middle, outputs, 1)
        self.shortcut = convolution(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.alpha = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, h, w)."""
        y = self.reduce(F.leaky_relu(x, SLOPE))
        y = self.spread(F.leaky_relu(y, SLOPE))
        # the factor on the weights, not on the image: a pass over memory less, and nothing at all once exported
        assert self.expand.bias is not None
        y = F.conv2d(F.leaky_relu(y, SLOPE), self.alpha * self.expand.weight, self.alpha * self.expand.bias)
        return self.shortcut(x) + y


class Level(nn.Module):
    """Half the resolution, whatever is further in, and back; the result stands beside the input: twice its channels."""

    def __init__(self, widths: Sequence[int], bottlenecks: Sequence[int]):
        super().__init__()
        outer, own = widths[0], widths[1]
        self.down = convolution(outer, own, 3, stride=2)
        self.innermost = len(widths) == 2
        if self.innermost:
            self.decode = stack(own, outer, bottlenecks[1])
        else:
            self.encode = stack(own, own, bottlenecks[1])
            self.inner = Level(widths[1:], bottlenecks[1:])
            self.decode = stack(2 * own, outer, bottlenecks[1])

    def forward(self, x: Tensor) -> Tensor:
        """(B, widths[0], h, w) with even h, w to (B, 2 widths[0], h, w)."""
        y = self.down(x)
        if not self.innermost:
            y = self.inner(self.encode(y))
        y = F.interpolate(self.decode(y), scale_factor=2.0, mode="nearest")
        return torch.cat([y, x], 1)


class UNet(nn.Module):
    """``widths`` from the full resolution inwards, one per resolution; ``bottlenecks`` in the stacks at each, or all.

    Sides of its input must be multiples of 2 ** (len(widths) - 1). Raises ValueError for fewer than two widths, or
    another number of bottleneck counts than of widths.
    """

    def __init__(self, inputs: int, outputs: int, widths: Sequence[int], bottlenecks: int | Sequence[int] = 3):
        super().__init__()
        if isinstance(bottlenecks, int):
            bottlenecks = [bottlenecks] * len(widths)
        if len(widths) < 2 or len(bottlenecks) != len(widths):
            raise ValueError(
                f"a U-Net needs two or more widths and as many counts of bottlenecks, got {tuple(widths)} and "
                f"{tuple(bottlenecks)}"
            )
        self.first = convolution(inputs, widths[0], 3)
        self.encode = stack(widths[0], widths[0], bottlenecks[0])
        self.inner = Level(widths, bottlenecks)
        self.decode = stack(2 * widths[0], widths[0], bottlenecks[0])
        self.last = convolution(widths[0], outputs, 3)

    def features(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, widths[0], H, W), from which ``head`` tells the outputs."""
        return self.decode(self.inner(self.encode(self.first(x))))

    def head(self, features: Tensor) -> Tensor:
        """Features to float32 outputs (B, outputs, H, W), never in half precision.

        Eight bits of mantissa would round depth to one part in 256 even where all before it was right.
        """
        if not torch.is_autocast_enabled(features.device.type):
            return self.last(features.float())
        with torch.autocast(features.device.type, enabled=False):
            return self.last(features.float())

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to float32 (B, outputs, H, W)."""
        return self.head(self.features(x))


def stack(inputs: int, outputs: int, bottlenecks: int) -> nn.Sequential:
    """Return bottlenecks of which the first changes the width."""
    return nn.Sequential(*(Bottleneck(inputs if i == 0 else outputs, outputs) for i in range(bottlenecks)))


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Return a convolution that keeps the size (up to the stride), Kaiming-normal for leaky ReLU, biases zero."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
    nn.init.kaiming_normal_(conv.weight, a=SLOPE)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv
