"""A depth image with colours as seen from another place: points splatted softly on pixels, in torch, differentiable.

After the method of Zhang et al., Robust geometry-preserving depth estimation using differentiable rendering (ICCV
2023), who render the lifted image from virtual views. How they splat is not published; here a point falls on its four
neighbouring pixels with bilinear weight b, and counts there as w = b exp(-alpha (z - front) / front), where front is
the depth of the first surface at that pixel, found in a pass before without gradient. Colours and depths are means
under w; where the sum of w is not above one half is a hole.

Two things go beyond that. z is the depth of the point's surface *at the pixel*, not at the point: on a floor seen at a
grazing angle the points above and below a pixel differ by more than 1 / alpha, and without it the nearer would win
always, which makes every slanted surface too near. And what is jump of depth is told from what is slant.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from depth_perception.geometry.warping import pixel_grid, project, transform, unproject

ALPHA = 50.0  # how fast what lies behind the first surface fades, per its depth
JUMP = 0.05  # relative step of depth between neighbours that is no surface
NEAR = 0.05  # share of the median depth below which a point is not rendered

_LEAST_WEIGHT = 0.5  # sum of weights that makes a pixel known
_CLAIM = 0.1  # bilinear weight from which a point can be the first surface of a pixel
_STEEPEST = 2.0  # a surface's depth may change by this factor from a point to a pixel it falls on
_TINY = 1e-12


class Rendering(NamedTuple):
    """``image`` (B, C, H, W) and ``depth`` (B, 1, H, W), 0 in holes; ``mask`` bool (B, 1, H, W), False in holes."""

    image: Tensor
    depth: Tensor
    mask: Tensor


def render(
    image: Tensor,
    depth: Tensor,
    K: Tensor,
    T_target_source: Tensor,
    keep: Tensor | None = None,
    alpha: float = ALPHA,
    jump: float = JUMP,
    slanted: bool = True,
) -> Rendering:
    """Return what a camera with the same ``K`` (B, 3, 3) sees of ``image`` (B, C, H, W) on ``depth`` (B, 1, H, W).

    ``T_target_source`` (B, 4, 4) takes points of the given view to the rendered one. Pixels without positive finite
    depth, outside ``keep`` (bool, as depth) or at a jump of depth are not used, nor those that come nearer to the
    camera than a twentieth of the median depth. Gradients flow to image, depth, K and pose: through the colours, the
    depths, and the places where points fall. ``slanted=False`` takes each point as a disc that faces the camera.
    Everything in float32 or better. On a GPU sums are made in no fixed order, so the last digits vary.
    """
    depth = depth if depth.dtype == torch.float64 else depth.float()
    usable = torch.isfinite(depth) & (depth > 0)
    if keep is not None:
        usable = usable & keep
    whole = torch.where(usable, depth, 1.0)
    near = NEAR * masked_median(depth.detach(), usable)
    points = transform(unproject(whole, K), T_target_source)
    pixels, z = project(torch.cat([points[:, :2], torch.maximum(points[:, 2:], near)], 1), K)
    usable = usable & ~discontinuities(depth.detach(), jump) & (points[:, 2:].detach() > near)
    slope = slopes(points.detach(), K.detach()) if slanted else None
    return splat(pixels, z, image, usable, (depth.shape[2], depth.shape[3]), alpha, slope)


def splat(
    pixels: Tensor,
    z: Tensor,
    colors: Tensor,
    usable: Tensor,
    size: tuple[int, int],
    alpha: float = ALPHA,
    slope: Tensor | None = None,
    front: Tensor | None = None,
) -> Rendering:
    """Splat points at ``pixels`` (B, 2, h, w) with depths ``z`` (B, 1, h, w) and ``colors`` (B, C, h, w).

    ``usable`` bool (B, 1, h, w) chooses points; ``size`` is (height, width) of the picture. ``slope`` (B, 2, h, w) is
    how the inverse depth of the point's surface changes per column and row, without it surfaces face the camera.
    ``front`` (B, height * width) are the depths of the first surfaces, inf where none is; by default those found here.
    """
    kind = torch.promote_types(torch.promote_types(pixels.dtype, colors.dtype), torch.float32)
    flat = [x.to(kind).flatten(2) for x in (pixels, z, colors)]
    falls = _falls(flat[0], flat[1], usable.flatten(2), size, None if slope is None else slope.to(kind).flatten(2))
    if front is None:
        front = first_surfaces(falls, size)
    batch, channels = colors.shape[:2]
    total = flat[0].new_zeros(batch, channels + 2, size[0] * size[1] + 1)  # the last cell takes what falls outside
    ahead = torch.cat([front.to(kind), front.new_full((batch, 1), math.inf, dtype=kind)], 1)
    for cell, share, at in falls:
        first = ahead.gather(1, cell)  # (B, N)
        real = torch.isfinite(first) & (at.detach() > first * (1 - 1 / alpha))  # else the rim of something nearer
        first = torch.where(real, first, 1.0)
        behind = torch.where(real, (at - first) / first, 0.0)
        weight = torch.where(real, share * torch.exp(-alpha * behind), 0.0)[:, None]  # (B, 1, N)
        values = torch.cat([flat[2] * weight, at[:, None] * weight, weight], 1)
        total = total.scatter_add(2, cell[:, None].expand(-1, channels + 2, -1), values)
    total = total[:, :, :-1].unflatten(2, size)
    mask = total[:, -1:].detach() > _LEAST_WEIGHT
    mean = torch.where(mask, total[:, :-1] / torch.where(mask, total[:, -1:], 1.0), 0.0)
    return Rendering(mean[:, :channels], mean[:, channels:], mask)


class Fall(NamedTuple):
    """N points on one of their four pixels: ``cell`` (B, N) int64, ``share`` and the ``depth`` of the surface there."""

    cell: Tensor
    share: Tensor
    depth: Tensor


def _falls(pixels: Tensor, z: Tensor, usable: Tensor, size: tuple[int, int], slope: Tensor | None) -> list[Fall]:
    """Return where points (B, 2, N) fall; what is not usable or outside goes to the cell after the last."""
    height, width = size
    # far outside is as good as just outside, and fits an integer
    low = torch.floor(pixels.detach()).clamp(-2, max(height, width) + 1)
    part = pixels - low  # (B, 2, N)
    z, usable = z[:, 0], usable[:, 0]
    falls = []
    for right in (0, 1):
        for down in (0, 1):
            column, row = low[:, 0].long() + right, low[:, 1].long() + down
            away = torch.stack([right - part[:, 0], down - part[:, 1]], 1)  # from the point to the pixel
            share = (1 - away[:, 0].abs()) * (1 - away[:, 1].abs())
            inside = usable & (column >= 0) & (column < width) & (row >= 0) & (row < height)
            inside &= share.detach() > _TINY
            depth = z
            if slope is not None:  # inverse depth is linear in pixels on a plane
                depth = z / (1 + z * (slope * away).sum(1)).clamp(1 / _STEEPEST, _STEEPEST)
            cell = torch.where(inside, row * width + column, height * width)
            falls.append(Fall(cell, torch.where(inside, share, 0.0), depth))
    return falls


def first_surfaces(falls: list[Fall], size: tuple[int, int]) -> Tensor:
    """Return the least depth (B, height * width) that a point has at each pixel, inf where none falls; no gradient.

    A point counts at a pixel from a tenth of its weight on: the mere rim of something near must not empty a pixel.
    """
    first = falls[0].depth.detach()
    front = first.new_full((len(first), size[0] * size[1] + 1), math.inf)
    for cell, share, depth in falls:
        claims = torch.where(share.detach() >= _CLAIM, depth.detach(), math.inf)
        front = front.scatter_reduce(1, cell, claims, "amin")
    return front[:, :-1]


def slopes(points: Tensor, K: Tensor) -> Tensor:
    """Return how inverse depth changes per column and row, (B, 2, H, W), on the surface that a grid of points makes.

    ``points`` (B, 3, H, W) are neighbours as in the picture they were lifted from, in the frame of the camera ``K``
    (B, 3, 3) that looks at them now. Towards each side the step that changes depth less is taken, so that surfaces end
    at their edges. 0 where the points lie in no plane, or in one that contains the camera.
    """
    along, down = _step(points, 3), _step(points, 2)
    normal = torch.linalg.cross(along, down, dim=1)
    distance = (normal * points).sum(1, keepdim=True)
    # 1 / z = normal . K^-1 (u, v, 1) / distance
    inverse = torch.linalg.inv(K.to(points.dtype))[..., None, None]  # (B, 3, 3, 1, 1)
    turned = inverse[:, 0, :2] * normal[:, :1] + inverse[:, 1, :2] * normal[:, 1:2] + inverse[:, 2, :2] * normal[:, 2:]
    size = normal.norm(dim=1, keepdim=True) * points.norm(dim=1, keepdim=True)
    flat = distance.abs() > 1e-3 * size
    return torch.where(flat, turned / torch.where(flat, distance, 1.0), 0.0)


def _step(points: Tensor, axis: int) -> Tensor:
    """Return the smaller in depth of the steps to the pixels before and after along an axis."""
    count = points.shape[axis]
    if count < 2:
        return torch.zeros_like(points)
    steps = points.narrow(axis, 1, count - 1) - points.narrow(axis, 0, count - 1)
    after = torch.cat([steps, steps.narrow(axis, count - 2, 1)], axis)
    before = torch.cat([steps.narrow(axis, 0, 1), steps], axis)
    return torch.where(after[:, 2:].abs() <= before[:, 2:].abs(), after, before)


def discontinuities(depth: Tensor, jump: float = JUMP) -> Tensor:
    """Say which pixels (B, 1, H, W) have a neighbour, left, right, above or below, on another surface.

    That is one whose depth differs by more than the share ``jump`` of the nearer, and by more than that from where the
    plane of either would have it: inverse depth is linear on a plane, so a floor up to the horizon has no jumps.
    Pixels without positive finite depth neither have nor make one.
    """
    known = torch.isfinite(depth) & (depth > 0)
    inverse = 1 / torch.where(known, depth, 1.0)
    out = torch.zeros_like(known)
    for axis in (2, 3):
        count = depth.shape[axis]
        if count < 2:
            continue
        first, second = inverse.narrow(axis, 0, count - 1), inverse.narrow(axis, 1, count - 1)
        step, most, least = second - first, torch.maximum(first, second), torch.minimum(first, second)
        both = known.narrow(axis, 0, count - 1) & known.narrow(axis, 1, count - 1)
        none = torch.full_like(step.narrow(axis, 0, 1), math.inf)
        bent = torch.where(both, step, math.inf)
        earlier = torch.cat([none, bent.narrow(axis, 0, count - 2)], axis)
        later = torch.cat([bent.narrow(axis, 1, count - 2), none], axis)
        off = torch.minimum((step - earlier).abs(), (step - later).abs())
        edge = both & (most - least > jump * least) & (off > jump * least)
        out.narrow(axis, 0, count - 1).logical_or_(edge)
        out.narrow(axis, 1, count - 1).logical_or_(edge)
    return out


def fill_holes(image: Tensor, mask: Tensor) -> Tensor:
    """Return ``image`` (B, C, H, W) with the nearest colour where ``mask`` bool (B, 1, H, W) is False.

    By jump flooding (Rong and Tan, I3D 2006): pixels pass on the nearest known place they have heard of over steps
    that halve, so the colour is the nearest but for rare near-ties. Without any known pixel the image stays as it is.
    Gradients go to the colour that was taken.
    """
    height, width = mask.shape[2:]
    place = pixel_grid(height, width, torch.zeros(1, device=image.device))  # (2, H, W)
    nowhere = 4.0 * max(height, width)
    seed = torch.where(mask, place, nowhere)  # (B, 2, H, W): column and row of the nearest known pixel so far
    halvings = (max(height, width) - 1).bit_length()
    for step in [1 << k for k in reversed(range(halvings))] + [1]:  # one more step of 1 mends most near-ties
        best = (seed - place).square().sum(1, keepdim=True)
        padded = F.pad(seed, (step,) * 4, value=nowhere)
        for dy in (0, step, 2 * step):
            for dx in (0, step, 2 * step):
                other = padded[..., dy : dy + height, dx : dx + width]
                far = (other - place).square().sum(1, keepdim=True)
                nearer = far < best
                seed, best = torch.where(nearer, other, seed), torch.where(nearer, far, best)
    seed = torch.where(seed < nowhere, seed, place)
    index = (seed[:, 1:] * width + seed[:, :1]).long().flatten(2)
    return image.flatten(2).gather(2, index.expand(-1, image.shape[1], -1)).view_as(image)


def masked_median(values: Tensor, valid: Tensor) -> Tensor:
    """Return (B, 1, 1, 1): the lower median over the ``valid`` of (B, 1, H, W); 0 where nothing is."""
    ordered = torch.where(valid, values, math.inf).flatten(1).sort(1).values
    count = valid.flatten(1).sum(1, keepdim=True)
    middle = ordered.gather(1, ((count - 1).clamp_min(0) // 2))
    return torch.where(count > 0, middle, 0.0).view(-1, 1, 1, 1)
