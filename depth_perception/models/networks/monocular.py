"""GAM-Depth's network as it runs on the robot: shared encoder, depth decoder, and how sure it is.

Cheng et al., *GAM-Depth: Self-Supervised Indoor Depth Estimation Leveraging a Gradient-Aware Mask and Semantic
Constraints* (ICRA 2024). The semantic decoder and the pose networks serve training alone and stand in files of their
own. The deviation is our addition.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from depth_perception.models.monocular import MonocularConfig
from depth_perception.models.networks.monocular_decoder import Decoder, convolution
from depth_perception.models.networks.monocular_encoder import Encoder
from depth_perception.models.networks.output import NetworkOutput

_DEVIATIONS = (0.005, 1.0)  # the least and the greatest that can be told, relative to depth
_DEVIATION_START = 1.4  # 0.3 of depth: an untrained network knows little


class MonocularNetwork(nn.Module):
    """Image (B, 3, H, W) in [0, 1], sides multiples of 32 and at least 64, to depth between the configured ends."""

    def __init__(self, config: MonocularConfig):
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.widths, config.blocks)
        self.decoder = Decoder(config.widths, config.decoder)
        self.disparity = convolution(config.decoder[0], 1)
        self.deviation = nn.Conv2d(config.decoder[0], 1, 1)
        nn.init.zeros_(self.deviation.weight)
        assert self.deviation.bias is not None
        nn.init.constant_(self.deviation.bias, _DEVIATION_START)

    def forward(self, image: Tensor) -> NetworkOutput:
        """See ``NetworkOutput``; ``inlier`` is 1 everywhere, as nothing was measured. ``extra``: see ``decode``."""
        return self.decode(self.encoder(image))

    def decode(self, features: list[Tensor]) -> NetworkOutput:
        """Return what ``forward`` does from the encoder's features, which training shares with other decoders.

        ``extra``: ``disparity`` in [0, 1] (B, 1, H, W), linear in inverse depth; ``log_deviation``, the log of the
        deviation over depth.
        """
        seen = self.decoder(features)
        # eight bits of mantissa would round the disparity of far walls to steps: never in half precision
        with torch.autocast(seen.device.type, enabled=False):
            disparity = torch.sigmoid(self.disparity(seen.float()))
            # on detached features, so that depth learns from nothing but the paper's own objective
            share = torch.sigmoid(self.deviation(seen.detach().float()))
        depth = disparity_to_depth(disparity, self.config.nearest, self.config.farthest)
        low, high = (math.log(x) for x in _DEVIATIONS)
        log_deviation = low + (high - low) * share
        deviation = depth.detach() * torch.exp(log_deviation)
        extra = {"disparity": disparity, "log_deviation": log_deviation}
        return NetworkOutput(depth, deviation, torch.ones_like(depth), extra)


def disparity_to_depth(disparity: Tensor, nearest: float, farthest: float) -> Tensor:
    """Return 1 / (1 / farthest + (1 / nearest - 1 / farthest) disparity): ``farthest`` at 0, ``nearest`` at 1."""
    return 1 / (1 / farthest + (1 / nearest - 1 / farthest) * disparity)
