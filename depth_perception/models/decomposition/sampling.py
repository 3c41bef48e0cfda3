"""Where along a ray to look: samples whose error of opacity is bounded (VolSDF, Yariv et al., NeurIPS 2021).

A signed distance changes by at most the way gone, so that between two samples it stays above a known bound. From
that follows how wrong the opacity can be; samples are added where it can be most, and the density is softened as
far as needed for the bound to hold. All in the units of the distances; none of it needs gradients.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from depth_perception.models.decomposition.density import laplace_density

_LEAST = 1e-5


def error_bounded_samples(
    scene: Callable[[Tensor], Tensor],
    origins: Tensor,
    directions: Tensor,
    near: Tensor,
    far: Tensor,
    b: float,
    rng: np.random.Generator | None,
    *,
    first: int = 128,
    samples: int = 64,
    extra: int = 32,
    error: float = 0.1,
    rounds: int = 5,
    bisections: int = 10,
) -> Tensor:
    """Return sorted ray lengths (r, samples + extra + 2) from ``near`` to ``far`` (r,), ends included.

    ``scene`` gives signed distances (n,) at points (n, 3); ``directions`` (r, 3) are unit. ``samples`` follow the
    opacity, ``extra`` are picked from all places looked at. Without ``rng`` they are evenly spread.
    """
    with torch.no_grad():
        t = near[:, None] + (far - near)[:, None] * torch.linspace(0, 1, first, device=near.device)
        if rng is not None:
            t = _jitter(t, rng)
        distance = _at(scene, origins, directions, t)
        gaps = t.diff(dim=1)
        soft = torch.sqrt((gaps**2).sum(1) / (4 * np.log(1 + error)))  # with this b the bound surely holds
        for turn in range(rounds):
            gaps, nearest = t.diff(dim=1), _nearest(distance, t.diff(dim=1))
            done = _bound(distance, gaps, nearest, torch.full_like(soft, b)).amax(1) <= error
            low, high = torch.full_like(soft, b), soft.clamp_min(b)
            for _ in range(bisections):
                middle = (low + high) / 2
                fine = _bound(distance, gaps, nearest, middle).amax(1) <= error
                high, low = torch.where(fine, middle, high), torch.where(fine, low, middle)
            soft = torch.where(done, torch.full_like(soft, b), high)
            if bool(done.all()) or turn == rounds - 1:
                break
            new = inverse_cdf(t, _bound(distance, gaps, nearest, soft) + _LEAST, first, rng)
            t, order = torch.cat([t, new], 1).sort(1)
            distance = torch.cat([distance, _at(scene, origins, directions, new)], 1).gather(1, order)
        gaps = t.diff(dim=1)
        density = laplace_density(distance[:, :-1], soft[:, None])
        weights = _transmittance(density * gaps) * (1 - torch.exp(-density * gaps))
        chosen = inverse_cdf(t, weights + _LEAST, samples, rng)
        return torch.cat([near[:, None], chosen, _pick(t, extra, rng), far[:, None]], 1).sort(1).values


def inverse_cdf(edges: Tensor, weights: Tensor, count: int, rng: np.random.Generator | None) -> Tensor:
    """Return ``count`` places (r, count) spread over bins with ``edges`` (r, n + 1) in proportion to ``weights``."""
    total = weights.cumsum(1)
    cdf = torch.cat([torch.zeros_like(total[:, :1]), total / total[:, -1:]], 1)
    if rng is None:
        u = (torch.arange(count, dtype=edges.dtype, device=edges.device) + 0.5).expand(len(edges), -1) / count
    else:
        u = torch.from_numpy(rng.random((len(edges), count))).to(edges)
    u = u.contiguous()
    bins = (torch.searchsorted(cdf, u, right=True) - 1).clamp(0, weights.shape[1] - 1)
    low, high = cdf.gather(1, bins), cdf.gather(1, bins + 1)
    part = ((u - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)
    start, end = edges.gather(1, bins), edges.gather(1, bins + 1)
    return start + part * (end - start)


def opacity_error(distance: Tensor, gaps: Tensor, b: Tensor) -> Tensor:
    """Return bounds (r, n - 1) on the error of the opacity up to each interval's end.

    ``distance`` (r, n) are signed distances, ``gaps`` (r, n - 1) the lengths between, ``b`` (r,) the density's.
    """
    return _bound(distance, gaps, _nearest(distance, gaps), b)


def _bound(distance: Tensor, gaps: Tensor, nearest: Tensor, b: Tensor) -> Tensor:
    b = b[:, None]
    passed = laplace_density(distance[:, :-1], b) * gaps
    integral = ((gaps**2) * torch.exp(-nearest / b)).cumsum(1) / (4 * b**2)
    return (torch.exp(integral.clamp_max(20.0)) - 1) * _transmittance(passed)


def _nearest(distance: Tensor, gaps: Tensor) -> Tensor:
    """Return the least the absolute distance can be in each interval (r, n - 1), if it changes no faster than 1."""
    a, c = distance[:, :-1].abs(), distance[:, 1:].abs()
    half = (a + c + gaps) / 2
    area = (half * (half - a) * (half - c) * (half - gaps)).clamp_min(0).sqrt()
    height = 2 * area / gaps.clamp_min(1e-12)
    obtuse = (a**2 - c**2).abs() >= gaps**2
    out = torch.where(obtuse, torch.minimum(a, c), height)
    crossing = (a + c <= gaps) | (distance[:, :-1].sign() != distance[:, 1:].sign())
    return torch.where(crossing, 0.0, out)


def _transmittance(passed: Tensor) -> Tensor:
    """Return what light is left (r, n) at the start of each interval, whose optical depths are ``passed``."""
    return torch.exp(passed - passed.cumsum(1))


def _at(scene: Callable[[Tensor], Tensor], origins: Tensor, directions: Tensor, t: Tensor) -> Tensor:
    points = origins[:, None] + t[..., None] * directions[:, None]
    return scene(points.reshape(-1, 3)).reshape(t.shape)


def _jitter(t: Tensor, rng: np.random.Generator) -> Tensor:
    middle = (t[:, 1:] + t[:, :-1]) / 2
    low, high = torch.cat([t[:, :1], middle], 1), torch.cat([middle, t[:, -1:]], 1)
    return low + (high - low) * torch.from_numpy(rng.random(t.shape)).to(t)


def _pick(t: Tensor, count: int, rng: np.random.Generator | None) -> Tensor:
    if rng is None:
        return t[:, torch.linspace(0, t.shape[1] - 1, count, device=t.device).long()]
    return t[:, torch.from_numpy(rng.permutation(t.shape[1])[:count]).to(t.device)]
