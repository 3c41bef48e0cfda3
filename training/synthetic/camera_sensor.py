"""From radiance to the picture a camera gives: exposure, lens, tone curve, noise, 8 bits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class CameraSensor:
    """How a camera falsifies what it sees.

    ``exposure`` multiplies radiance (see ``metered``); ``blur`` is the lens' Gaussian in pixels; ``vignette``
    the loss in the corners; ``shot`` and ``read`` are noise in grey levels at white and black.
    """

    exposure: float = 1.0
    blur: float = 0.45
    vignette: float = 0.18
    shot: float = 1.1
    read: float = 0.6


def metered(radiance: Tensor, key: float = 0.6) -> float:
    """Return the exposure that puts the geometric mean of the radiance (..., 3) at ``key``."""
    grey = radiance.mean(-1)
    return float(key / torch.exp(torch.log(grey.clamp(1e-3, 1e3)).mean()))


def develop(radiance: Tensor, sensor: CameraSensor, generator: torch.Generator | None = None) -> Tensor:
    """Return uint8 (B, H, W, 3) from linear radiance (B, H, W, 3); without ``generator`` no noise is added."""
    height, width = radiance.shape[1:3]
    light = radiance.permute(0, 3, 1, 2) * sensor.exposure
    light = light.clamp(0.0, 16.0)
    if sensor.blur > 0:
        x = torch.arange(-2, 3, device=light.device, dtype=light.dtype)
        taps = torch.exp(-0.5 * (x / sensor.blur).square())
        taps = taps / taps.sum()
        kernel = (taps[:, None] * taps).expand(3, 1, 5, 5)
        light = F.conv2d(F.pad(light, (2, 2, 2, 2), mode="replicate"), kernel, groups=3)
    y = torch.linspace(-1, 1, height, device=light.device)[:, None]
    x = torch.linspace(-1, 1, width, device=light.device)[None]
    light = light * (1 - sensor.vignette * (0.5 * (x * x + y * y)).square())
    # Highlights roll off smoothly instead of clipping, then the usual gamma.
    tone = (1 - torch.exp(-light)).clamp(0.0, 1.0).pow(1 / 2.2) * 255.0
    if generator is not None:
        sigma = (sensor.read**2 + sensor.shot**2 * tone / 255.0).sqrt()
        tone = tone + sigma * torch.randn(tone.shape, generator=generator, device=tone.device)
    return tone.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
