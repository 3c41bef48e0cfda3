"""How much a residual changes from pixel to pixel, at several resolutions."""

from __future__ import annotations

import torch
from torch import Tensor


def sobel(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return Sobel derivatives per pixel along x and y, each (B, 1, h - 2, w - 2), of (B, 1, h, w) in float32.

    Sums of slices instead of a convolution, which autocast would compute in half precision. The kernels are divided by
    8, so that they tell slopes: with plain ones JARRN's gradient term starts out 10 to 20 times as steep as its others.
    """
    values = values.float() / 8
    rows = values[..., :-2, :] + 2 * values[..., 1:-1, :] + values[..., 2:, :]
    columns = values[..., :-2] + 2 * values[..., 1:-1] + values[..., 2:]
    return rows[..., 2:] - rows[..., :-2], columns[..., 2:, :] - columns[..., :-2, :]


def gradient_loss(residual: Tensor, valid: Tensor, scales: int = 4) -> Tensor:
    """Return (B,): absolute Sobel derivatives of ``residual`` (B, 1, h, w), summed over ``scales`` halvings.

    The residual counts as 0 where not ``valid``, and each sum is divided by the number of valid pixels at full
    resolution, as in G2-MonoDepth. Halving keeps every second pixel. Resolutions below 3 pixels are left out.
    """
    residual = torch.where(valid, residual.float(), 0.0)
    total = residual.new_zeros(len(residual))
    for k in range(scales):
        small = residual[..., :: 2**k, :: 2**k]
        if min(small.shape[2:]) < 3:
            break
        total = total + sum(d.abs().sum((1, 2, 3)) for d in sobel(small))
    return total / valid.float().sum((1, 2, 3)).clamp_min(1)
