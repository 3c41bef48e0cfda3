"""Scale and shift of depth maps over valid pixels: to compare two maps up to either, or to fit one to the other.

``mean``: Wang et al., G2-MonoDepth (T-PAMI 2024); ``trimmed`` and ``median``: Ranftl et al., MiDaS (T-PAMI 2022).
Everything is computed in float32 whatever the caller's autocast: half-precision sums overflow on large crops.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

STANDARDS = ("mean", "trimmed", "median")
FITS = ("least_squares", "scale")

_SMALLEST = 1e-6  # spread or variance below which a map is constant
_TRIM = 0.1  # share cut off at each end


class Affine(NamedTuple):
    """``scale`` and ``shift`` (B, 1, 1, 1): x becomes scale * x + shift."""

    scale: Tensor
    shift: Tensor

    def apply(self, values: Tensor) -> Tensor:
        """Return float32 ``values`` (B, 1, h, w) scaled and shifted."""
        return self.scale * values.float() + self.shift


def fit(values: Tensor, valid: Tensor, kind: str = "mean", target: Tensor | None = None) -> Affine:
    """Return, for each of the (B, 1, h, w) maps, the scale and shift over its ``valid`` (bool) pixels.

    Standards make a map comparable to others: centre 0, spread 1. ``mean``: mean and mean absolute deviation;
    ``trimmed``: mean and standard deviation without the lowest and highest tenth; ``median``: median and mean absolute
    deviation from it. Fits bring ``values`` to ``target`` in the sense of least squares: ``least_squares`` by scale and
    shift, ``scale`` by scale alone. A map with nothing valid gets scale 1 and shift 0, a constant one no larger scale
    than 1e6. Gradients flow through the statistics. Raises ValueError for an unknown kind or a missing target.
    """
    values = values.float()
    if kind in FITS:
        if target is None:
            raise ValueError(f"{kind} fits values to a target: give one")
        return _fit_to(values, target.float(), valid, kind == "least_squares")
    if kind not in STANDARDS:
        raise ValueError(f"unknown kind {kind!r}; known: {', '.join(STANDARDS + FITS)}")
    if kind == "mean":
        center = masked_mean(values, valid)
        spread = masked_mean((values - center).abs(), valid)
    elif kind == "median":
        center = _quantile(values, valid, 0.5)
        spread = masked_mean((values - center).abs(), valid)
    else:
        inside = (values >= _quantile(values, valid, _TRIM)) & (values <= _quantile(values, valid, 1 - _TRIM)) & valid
        center = masked_mean(values, inside)
        spread = masked_mean((values - center).square(), inside).clamp_min(_SMALLEST**2).sqrt()
    some = valid.flatten(1).any(1).view(-1, 1, 1, 1)
    scale = torch.where(some, 1 / spread.clamp_min(_SMALLEST), 1.0)
    return Affine(scale, torch.where(some, -center * scale, 0.0))


def standardise(values: Tensor, valid: Tensor, kind: str = "mean") -> Tensor:
    """Return (B, 1, h, w) float32 with centre 0 and spread 1 over ``valid``; see ``fit``."""
    return fit(values, valid, kind).apply(values)


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Return means (B, 1, 1, 1) float32 over the ``valid`` of (B, 1, h, w); 0 where nothing is."""
    total = torch.where(valid, values.float(), 0.0).sum((1, 2, 3), keepdim=True)
    return total / valid.float().sum((1, 2, 3), keepdim=True).clamp_min(1)


def _quantile(values: Tensor, valid: Tensor, at: float) -> Tensor:
    """Return a valid value (B, 1, 1, 1) below which a share ``at`` of the valid ones lies."""
    ordered = torch.where(valid, values, torch.inf).flatten(1).sort(1).values
    count = valid.flatten(1).sum(1, keepdim=True)
    index = ((count - 1).clamp_min(0).double() * at).floor().long()
    value = ordered.gather(1, index)
    return torch.where(count > 0, value, 0.0).view(-1, 1, 1, 1)


def _fit_to(values: Tensor, target: Tensor, valid: Tensor, shifted: bool) -> Affine:
    mean_v = masked_mean(values, valid) if shifted else torch.zeros_like(values[:, :1, :1, :1])
    mean_t = masked_mean(target, valid) if shifted else torch.zeros_like(mean_v)
    square = masked_mean((values - mean_v).square(), valid)
    product = masked_mean((values - mean_v) * (target - mean_t), valid)
    # a constant map has no scale of its own: it keeps 1
    scale = torch.where(square > _SMALLEST**2, product / square.clamp_min(_SMALLEST**2), 1.0)
    return Affine(scale, mean_t - scale * mean_v)
