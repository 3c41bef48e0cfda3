"""How much each pixel's photometric error counts: GAM-Depth's gradient-aware mask, and what it is compared with.

Cheng et al., *GAM-Depth* (ICRA 2024). Pixels on strong image gradients count fully, all others a little, never nothing:
that floor is what keeps walls supervised.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KINDS = ("gradient", "averaging", "keypoints")
_GREY = (0.299, 0.587, 0.114)
_TAPS = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)  # OpenCV's Gaussian of 5 pixels
_GREATEST = math.hypot(1020, 1020)  # no Sobel magnitude of 8-bit grey is greater
_BINS = 1024
_KEPT = 0.999  # of the histogram after each batch: it follows a camera over some thousand batches
_FEWEST = 20.0  # grey levels; a knee below would take noise for edges


def gradient_magnitude(image: Tensor) -> Tensor:
    """Return the Sobel magnitude (B, 1, H, W), 0 to about 1400, of RGB images (B, 3, H, W) in [0, 1].

    3 x 3 Sobel of the grey 8-bit image after a 5 x 5 Gaussian. It belongs to a size: take the resized image.
    """
    with torch.autocast(image.device.type, enabled=False):
        grey = sum(weight * image[:, k : k + 1].float() for k, weight in enumerate(_GREY))
        grey = (255 * torch.as_tensor(grey)).round()
        taps = torch.tensor(_TAPS, device=grey.device)
        grey = F.conv2d(F.pad(grey, (2, 2, 0, 0), mode="reflect"), taps.view(1, 1, 1, 5))
        grey = F.conv2d(F.pad(grey, (0, 0, 2, 2), mode="reflect"), taps.view(1, 1, 5, 1)).round()
        x = F.pad(grey, (1, 1, 1, 1), mode="reflect")
        rows = x[..., :-2, :] + 2 * x[..., 1:-1, :] + x[..., 2:, :]
        columns = x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:]
        dx, dy = rows[..., 2:] - rows[..., :-2], columns[..., 2:, :] - columns[..., :-2, :]
        return (dx.square() + dy.square()).sqrt()


def gradient_aware_mask(magnitude: Tensor, floor: float = 0.1, g1: float = 0.1, g2: float = 40.0) -> Tensor:
    """Return M = b + (1 - b) sigmoid(g1 m - g2) of magnitudes m of 8-bit grey levels; the knee lies at g2 / g1."""
    return floor + (1 - floor) * torch.sigmoid(g1 * magnitude - g2)


def keypoints(magnitude: Tensor, block: int = 8, margin: float = 28.0) -> Tensor:
    """Return 1.0 around chosen points and 0.0 elsewhere, (B, 1, H, W): the strongest gradient of each block.

    As P2Net (Yu et al., ECCV 2020) after DSO (Engel et al., PAMI 2018): a block has a point if it exceeds the image's
    median by ``margin``; patches of 3 x 3 around points count.
    """
    size = magnitude.shape[2:]
    best = F.max_pool2d(magnitude, block, ceil_mode=True)
    best = F.interpolate(best, scale_factor=float(block), mode="nearest")[..., : size[0], : size[1]]
    median = magnitude.flatten(1).median(1).values.view(-1, 1, 1, 1)
    point = (magnitude == best) & (magnitude > median + margin)
    return F.max_pool2d(point.float(), 3, 1, 1)


class GradientMask(nn.Module):
    """Weights (B, 1, H, W) of photometric errors, of one of three kinds.

    ``gradient``: ``gain`` times the gradient-aware mask with ``floor``, ``g1`` and ``g2``. With ``percentile`` (say
    97) the knee follows the camera instead: it stands at that percentile of the gradients of all images seen while
    training, and g1 = g2 / knee, which keeps the slope relative to the knee. Of indoor pictures at the paper's size
    0 to 2 % of the pixels lie above its knee of 400. ``averaging``: 1 everywhere.
    ``keypoints``: 1 around points, scaled so that their mean is 1.
    """

    histogram: Tensor

    def __init__(
        self,
        kind: str = "gradient",
        floor: float = 0.1,
        g1: float = 0.1,
        g2: float = 40.0,
        gain: float = 10.0,
        percentile: float | None = None,
    ):
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"unknown kind of mask {kind!r}; known: {', '.join(KINDS)}")
        if percentile is not None and not 0 < percentile < 100:
            raise ValueError(f"percentile must lie between 0 and 100, got {percentile}")
        self.kind = kind
        self.floor = floor
        self.g1 = g1
        self.g2 = g2
        self.gain = gain
        self.percentile = percentile
        self.register_buffer("histogram", torch.zeros(_BINS))  # in checkpoints: a resumed run keeps its knee

    def forward(self, image: Tensor) -> Tensor:
        """Return the weights for ``image`` (B, 3, H, W) in [0, 1], before colours are changed; learns its knee."""
        if self.kind == "averaging":
            return torch.ones_like(image[:, :1])
        magnitude = gradient_magnitude(image)
        if self.kind == "keypoints":
            chosen = keypoints(magnitude)
            return chosen / chosen.mean().clamp_min(1e-3)
        g1 = self.g1
        if self.percentile is not None:
            if self.training:
                self._observe(magnitude)
            g1 = self.g2 / self.knee()
        return self.gain * gradient_aware_mask(magnitude, self.floor, g1, self.g2)

    def knee(self) -> float:
        """Return the magnitude at which the mask stands half-way between its floor and 1."""
        total = float(self.histogram.sum())
        if self.percentile is None or total == 0:
            return self.g2 / self.g1
        below = self.histogram.cumsum(0) / total
        index = int(torch.searchsorted(below, self.percentile / 100))
        return max(_FEWEST, (min(index, _BINS - 1) + 0.5) * _GREATEST / _BINS)

    @torch.no_grad()
    def _observe(self, magnitude: Tensor) -> None:
        bins = (magnitude * (_BINS / _GREATEST)).long().clamp(0, _BINS - 1).reshape(-1)
        counts = torch.bincount(bins, minlength=_BINS) / len(bins)
        self.histogram.mul_(_KEPT).add_(counts)
