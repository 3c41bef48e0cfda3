"""JARRN's network: a U-Net that sees the image, then one that sees only depth and corrects the first per pixel.

Chen et al., *JARRN: Joint Absolute-Relative Relation Network*. With the first branch's depth ``D`` the second predicts
a scale ``s``, an offset ``f`` and a probability ``p``: depth = p (s D + f) + (1 - p) D. The deviation is our addition.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_perception.models.jarrn import CHANNELS, OUTLIER_DENSITY, OUTLIERS, POINT_NOISE, JarrnConfig
from depth_perception.models.networks.output import NetworkOutput
from depth_perception.models.networks.unet_rezero import UNet

_SMALL = 0.05  # of the heads' weights at the start
_MIDDLE = 0.4  # network units
_START = -2.0  # of the probability's logit: p = 0.12, close to the visual branch alone
_NEAREST = 1e-3  # network units; a robot cannot be told a depth of zero or less
_DEVIATIONS = (0.002, 1.0)  # the least and the greatest that can be told, relative to depth
_DEVIATION_START = 1.4  # 0.3 of depth: an untrained network knows little


class JarrnNetwork(nn.Module):
    """Features (B, 5, H, W), sides multiples of ``config.multiple``: colour, points in network units, their mask."""

    def __init__(self, config: JarrnConfig):
        super().__init__()
        self.config = config
        self.visual = UNet(CHANNELS, 1, config.widths, config.bottlenecks)
        self.factors = tuple(
            name
            for name, used in (("s", config.use_scale), ("f", config.use_offset), ("p", config.use_probability))
            if used and config.use_refine
        )
        self.refine = UNet(3, len(self.factors), config.widths, config.bottlenecks) if self.factors else None
        self._start()
        self.deviation = nn.Conv2d(config.widths[0], 1, 1)
        nn.init.zeros_(self.deviation.weight)
        assert self.deviation.bias is not None
        nn.init.constant_(self.deviation.bias, _DEVIATION_START)

    def forward(self, features: Tensor) -> NetworkOutput:
        """See ``NetworkOutput``; ``extra``: D, s, f, p and unclamped depth ``O``, all float32 (B, 1, H, W)."""
        seen = self.visual.features(features)
        dense = self.visual.head(seen)
        points, mask = features[:, 3:4].float(), features[:, 4:5].float()
        s, f, p = torch.ones_like(dense), torch.zeros_like(dense), torch.ones_like(dense)
        if self.refine is not None:
            seen = self.refine.features(torch.cat([points, mask, dense], 1))
            raw = dict(zip(self.factors, self.refine.head(seen).split(1, 1)))
            if "s" in raw:
                s = 2 * torch.sigmoid(raw["s"])
            if "f" in raw:
                f = self._offset(raw["f"])
            if "p" in raw:
                p = torch.softmax(raw["p"], 2) if self.config.release_softmax else torch.sigmoid(raw["p"])
        output = p * (s * dense + f) + (1 - p) * dense
        depth = output.clamp_min(_NEAREST)
        # on detached features, so that depth learns from nothing but the paper's own objective
        low, high = (math.log(x) for x in _DEVIATIONS)
        share = torch.sigmoid(self.deviation(seen.detach()).float())
        relative = torch.exp(low + (high - low) * share)
        extra = {"D": dense, "s": s, "f": f, "p": p, "O": output}
        inlier = _belief(points, mask, depth, relative)
        return NetworkOutput(depth, relative * depth.detach(), inlier, extra)

    @torch.no_grad()
    def _start(self) -> None:
        """Start with a depth in the middle of the range and factors that leave it as it is.

        With Kaiming-normal heads, as in the release, D starts at several times the range and s and f saturated.
        """
        self.visual.last.weight *= _SMALL
        assert self.visual.last.bias is not None
        self.visual.last.bias.fill_(_MIDDLE)
        if self.refine is not None:
            self.refine.last.weight *= _SMALL
            assert self.refine.last.bias is not None
            if "p" in self.factors and not self.config.release_softmax:
                self.refine.last.bias[-1] = _START

    def _offset(self, raw: Tensor) -> Tensor:
        return F.hardtanh(raw, -0.5, 0.5) if self.config.offset_clamp == "hardtanh" else 0.5 * torch.tanh(raw)


def _belief(points: Tensor, mask: Tensor, depth: Tensor, relative: Tensor) -> Tensor:
    """Return what ``models.jarrn.belief`` does; the share of right points where there is none."""
    width = relative / math.sqrt(2) + POINT_NOISE
    odds = math.log(OUTLIERS / (1 - OUTLIERS) * OUTLIER_DENSITY * 2)
    against = odds + torch.log(width) + ((points - depth) / depth).abs() / width
    return mask * torch.sigmoid(-against) + (1 - mask) * (1 - OUTLIERS)
