"""Noise that repeats without a seam: the raw stuff of the textures."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def value_noise(generator: torch.Generator, size: int, cells: tuple[int, int]) -> Tensor:
    """Return (size, size) smooth noise in [0, 1] with ``cells`` (rows, columns) random values, tileable."""
    rows, columns = (min(c, size) for c in cells)
    grid = torch.rand((1, 1, rows, columns), generator=generator)
    padded = F.pad(grid, (2, 2, 2, 2), mode="circular") if min(rows, columns) >= 2 else grid.repeat(1, 1, 5, 5)
    height, width = padded.shape[2:]
    scale = (size * height // rows, size * width // columns)
    smooth = F.interpolate(padded, size=scale, mode="bicubic", align_corners=False)
    top, left = (scale[0] - size) // 2, (scale[1] - size) // 2
    return smooth[0, 0, top : top + size, left : left + size].clamp(0.0, 1.0)


def fractal_noise(
    generator: torch.Generator, size: int, cells: int = 4, octaves: int = 5, gain: float = 0.55, stretch: int = 1
) -> Tensor:
    """Return (size, size) noise in [0, 1]: octaves of value noise, each twice as fine and ``gain`` as strong.

    ``stretch`` squeezes it vertically, which makes streaks along u.
    """
    total = torch.zeros(size, size)
    weight = 1.0
    for octave in range(octaves):
        count = cells << octave
        total += weight * value_noise(generator, size, (min(count * stretch, size), count))
        weight *= gain
    low, high = total.amin(), total.amax()
    return (total - low) / (high - low).clamp_min(1e-6)


def coordinates(size: int) -> tuple[Tensor, Tensor]:
    """Return u (to the right) and v (upwards) of the texel centres in [0, 1), each (size, size)."""
    line = (torch.arange(size) + 0.5) / size
    return line.expand(size, size), line[:, None].expand(size, size)


def cell_values(generator: torch.Generator, row: Tensor, column: Tensor, rows: int, columns: int) -> Tensor:
    """Return one random number in [0, 1) for each cell index (row, column), wrapped to rows x columns."""
    table = torch.rand((rows, columns), generator=generator)
    return table[row.long() % rows, column.long() % columns]


def blend(low: Tensor, high: Tensor, share: Tensor) -> Tensor:
    """Mix two colours, (3,) or (S, S, 3), by ``share`` (S, S)."""
    return low + (high - low) * share[..., None]


def smoothstep(low: float, high: float, x: Tensor) -> Tensor:
    """Return 0 below ``low``, 1 above ``high`` and a smooth ramp between."""
    s = ((x - low) / (high - low)).clamp(0.0, 1.0)
    return s * s * (3 - 2 * s)
