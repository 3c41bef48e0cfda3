"""From signed distance to density, and what a surface's opacity is when another surface lies a margin behind it.

Laplace density of VolSDF (Yariv et al., NeurIPS 2021): inside is negative and dense.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


def laplace_density(distance: Tensor, b: Tensor | float) -> Tensor:
    """Return the density in 1/m at signed distances in metres; ``b`` in metres is how soft the surface is.

    It is ``1/b`` times the Laplace distribution function of the negated distance: 1/b deep inside, 1/(2b) on the
    surface, 0 far outside. Written with expm1 so that neither side overflows.
    """
    return (0.5 + 0.5 * distance.sign() * torch.expm1(-distance.abs() / b)) / b


class LaplaceDensity(nn.Module):
    """The density with a ``b`` that is learned and stays above a floor."""

    def __init__(self, start: float = 0.1, floor: float = 1e-4):
        super().__init__()
        if not start > 0.0 or not floor > 0.0:
            raise ValueError(f"start and floor must be more than 0, got {start} and {floor}")
        self.floor = floor
        self.raw = nn.Parameter(torch.tensor(start))

    @property
    def b(self) -> Tensor:
        """How soft the surface is, in the unit of the distances."""
        return self.raw.abs() + self.floor

    def forward(self, distance: Tensor) -> Tensor:
        """Return the density at signed distances of any shape."""
        return laplace_density(distance, self.b)


def margin_of_opacity(opacity: NDArray) -> NDArray[np.float32]:
    """Return how far behind the scene's surface, in units of b, a channel must lie to have this opacity.

    A ray crosses the scene's flat surface head-on; a channel's distance is the scene's plus a margin. Its occlusion-
    aware opacity is the integral of transmittance times the channel's density: 1 at margin 0, and falling from there.
    Opacities are clipped to what margins of up to 12 b give.
    """
    margins, opacities = _margin_table()
    return np.interp(-np.asarray(opacity, np.float64), -opacities, margins).astype(np.float32)


@functools.cache
def _margin_table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    margins = np.linspace(0.0, 12.0, 241)
    t = np.linspace(-16.0, 40.0, 2801)  # distance behind the surface, in b
    density = np.where(t < 0, 0.5 * np.exp(np.minimum(t, 0)), 1 - 0.5 * np.exp(-np.maximum(t, 0)))
    crossed = np.where(t < 0, 0.5 * np.exp(np.minimum(t, 0)), t + 0.5 * np.exp(-np.maximum(t, 0)))
    seen = np.exp(-crossed)
    later = t[None] - margins[:, None]
    other = np.where(later < 0, 0.5 * np.exp(np.minimum(later, 0)), 1 - 0.5 * np.exp(-np.maximum(later, 0)))
    opacities = np.trapezoid(seen * other, t, axis=1)
    return margins, opacities / np.trapezoid(seen * density, t)
