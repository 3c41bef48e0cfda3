"""The decoder of monodepth2, for one disparity or for many classes: five levels up, the encoder's features beside.

Godard et al., *Digging Into Self-Supervised Monocular Depth Estimation* (ICCV 2019): 3 x 3 convolutions with reflected
borders and ELU, nearest-neighbour enlargement, concatenated skips. GAM-Depth uses its finest scale only.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Decoder(nn.Module):
    """Five features of an ``Encoder`` of ``encoded`` widths to (B, widths[0], H, W).

    ``widths`` from the full resolution inwards; raises ValueError unless both are five.
    """

    def __init__(self, encoded: Sequence[int], widths: Sequence[int]):
        super().__init__()
        if len(encoded) != 5 or len(widths) != 5:
            raise ValueError(f"a decoder has 5 widths for 5 features, got {tuple(widths)} and {tuple(encoded)}")
        self.reduce = nn.ModuleList()  # before the enlargement of each level
        self.join = nn.ModuleList()  # after it
        for level in range(5):
            above = encoded[4] if level == 4 else widths[level + 1]
            beside = encoded[level - 1] if level else 0
            self.reduce.append(convolution(above, widths[level]))
            self.join.append(convolution(widths[level] + beside, widths[level]))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """(B, encoded[k], H / 2^(k+1), W / 2^(k+1)) for k = 0 to 4 to (B, widths[0], H, W)."""
        x = features[4]
        for level in (4, 3, 2, 1, 0):
            x = F.elu(self.reduce[level](x))
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            if level:
                x = torch.cat([x, features[level - 1]], 1)
            x = F.elu(self.join[level](x))
        return x


class SemanticDecoder(nn.Module):
    """Logits (B, classes, H, W) of each pixel's class from the features of the shared encoder; training only.

    Class 0 means unknown and is ignored by the loss. ``release_softmax``: the released code of GAM-Depth applies a
    softmax here and the loss applies another one, so that the loss hardly moves; for comparison only.
    """

    def __init__(self, encoded: Sequence[int], widths: Sequence[int], classes: int, release_softmax: bool = False):
        super().__init__()
        self.decoder = Decoder(encoded, widths)
        self.last = convolution(widths[0], classes)
        self.release_softmax = release_softmax

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """See the class."""
        logits: Tensor = self.last(self.decoder(features)).float()
        return logits.softmax(1) if self.release_softmax else logits


def convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a 3 x 3 convolution that reflects the border."""
    return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")
