"""The encoder that depth, semantics and poses share: a residual network with five features, of any widths.

He et al., *Deep Residual Learning for Image Recognition* (CVPR 2016). With widths (64, 64, 128, 256, 512) and two
blocks a stage it is ResNet-18 without its classifier, which GAM-Depth (Cheng et al., ICRA 2024) and monodepth2 (Godard
et al., ICCV 2019) use. Weights start at random: nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

_MEAN, _SPREAD = 0.45, 0.225  # of colours in [0, 1], as monodepth2 takes them for all channels


class Encoder(nn.Module):
    """``images`` RGB pictures of [0, 1] one after the other, (B, 3 images, H, W), to five features.

    Feature k is (B, widths[k], H / 2^(k+1), W / 2^(k+1)); H and W are multiples of 32. ``blocks`` residual blocks at
    each of the last four sizes. Raises ValueError unless there are five widths and four counts of blocks.
    """

    def __init__(self, widths: Sequence[int], blocks: Sequence[int] = (2, 2, 2, 2), images: int = 1):
        super().__init__()
        if len(widths) != 5 or len(blocks) != 4:
            raise ValueError(f"an encoder has 5 widths and 4 counts of blocks, got {tuple(widths)} and {tuple(blocks)}")
        self.first = nn.Sequential(*_conv(3 * images, widths[0], 7, 2), nn.ReLU())
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.stages = nn.ModuleList()
        for k, count in enumerate(blocks):
            stride = 1 if k == 0 else 2  # the pool before the first has halved already
            layers = [Block(widths[k] if i == 0 else widths[k + 1], widths[k + 1], stride if i == 0 else 1)
                      for i in range(count)]  # fmt: skip
            self.stages.append(nn.Sequential(*layers))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the five features, finest first."""
        features = [self.first((images - _MEAN) / _SPREAD)]
        x = self.pool(features[0])
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__()
        self.first = nn.Sequential(*_conv(inputs, outputs, 3, stride), nn.ReLU())
        self.second = nn.Sequential(*_conv(outputs, outputs, 3, 1))
        changes = stride != 1 or inputs != outputs
        self.shortcut = nn.Sequential(*_conv(inputs, outputs, 1, stride)) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, h / stride, w / stride)."""
        return F.relu(self.shortcut(x) + self.second(self.first(x)))


def _conv(inputs: int, outputs: int, kernel: int, stride: int) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv, nn.BatchNorm2d(outputs)
