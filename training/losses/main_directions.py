"""The three axes along which a room's walls and floor face, from normals: for video whose axes nobody knows.

StructDepth and GAM-Depth take them from vanishing points of lines in the image. Here they are the turned cross of axes
that most normals agree with, found by turns of assigning normals to axes and fitting the cross to them (Procrustes).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from depth_perception.geometry.warping import se3

_STARTS = 24  # turned crosses to start from; a cross looks the same after a quarter turn, so few reach all
_TURNS = 8
_CLOSE = math.cos(math.radians(20))  # normals farther from every axis do not pull
_AGREEING = 0.4  # share of normals that must lie close, else a room has no such axes
_MOST = 1_500  # normals looked at


def main_directions(normal: Tensor) -> Tensor:
    """Return the axes (B, 6, 3), both signs, of unit normals (B, 3, H, W), 0 where unknown; all 0 without agreement."""
    with torch.no_grad(), torch.autocast(normal.device.type, enabled=False):
        return torch.stack([_of_one(n) for n in normal.float()])


def _of_one(normal: Tensor) -> Tensor:
    values = normal.flatten(1).T  # (n, 3)
    values = values[values.square().sum(1) > 0.5]
    values = values[:: max(1, len(values) // _MOST)]
    if len(values) < 3:
        return normal.new_zeros(6, 3)
    turned = _starts(normal)
    for _ in range(_TURNS):
        pull, _, _ = _assigned(values, turned)
        # the turn whose axes lie closest to the normals that were given to them
        u, _, vt = torch.linalg.svd(torch.einsum("sna,nb->sab", pull, values))
        sign = torch.linalg.det(u @ vt)
        u = torch.cat([u[..., :2], u[..., 2:] * sign[:, None, None]], 2)
        turned = u @ vt  # (starts, axis, 3)
    _, share, fit = _assigned(values, turned)
    best = int(fit.argmax())
    if share[best] < _AGREEING:
        return normal.new_zeros(6, 3)
    return torch.cat([turned[best], -turned[best]])


def _assigned(values: Tensor, turned: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return how each normal pulls at each axis (starts, n, 3), the share close to one, how close (starts,) each."""
    cosine = torch.einsum("nb,sab->sna", values, turned)
    size, axis = cosine.abs().max(2, keepdim=True)
    close = size > _CLOSE
    pull = torch.zeros_like(cosine).scatter(2, axis, torch.where(close, cosine.gather(2, axis).sign(), 0.0))
    return pull, close.float().mean((1, 2)), (size - _CLOSE).clamp_min(0).mean((1, 2))


def _starts(like: Tensor) -> Tensor:
    """Return turns (starts, 3, 3) spread over those that differ for a cross; the same ones each time."""
    generator = torch.Generator().manual_seed(0)
    axis = torch.randn(_STARTS, 3, generator=generator)
    axis = axis / axis.norm(dim=1, keepdim=True)
    angle = torch.linspace(0, math.radians(60), _STARTS)[:, None]
    return se3(axis * angle, torch.zeros(_STARTS, 3))[:, :3, :3].to(like.device)
