"""Which surface does a ray meet first: rays in packets, primitives culled by packet.

Neighbouring rays go together in packets of S. All segments of a packet lie inside the convex hull
of two balls, one around their starts and one around their ends. A primitive whose bounding sphere
or box stays clear of that hull is never tested ray by ray. Survivors are tried nearest first, all
packets in step, and a packet drops out once everything left lies behind what it has found.
The same code runs on CPU and CUDA.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from training.synthetic.intersect import HIT
from training.synthetic.scene import BOX, KINDS, Scene

PACKET = 64
T_MIN = 1e-3
FAR = 1e3  # metres; nothing is farther
_GROUP = 8  # packets culled together first
_CHUNK = 1 << 20  # rays handled at once
_PAIRS = 1 << 11  # packets times primitives worth one round


class Hits(NamedTuple):
    """``t`` (n,) ray parameter, infinity for a miss; ``primitive`` (n,) int64, -1 for a miss."""

    t: Tensor
    primitive: Tensor


def closest_hits(scene: Scene, origins: Tensor, directions: Tensor, packet: int = PACKET) -> Hits:
    """Return the first surface along each ray.

    ``origins``, ``directions`` (n, 3) in world coordinates; directions need not be unit length, t counts
    in their lengths. Any order is right, but rays that lie together should come together.
    """
    parts = [_trace(scene, o, d, None, packet, False) for o, d in zip(origins.split(_CHUNK), directions.split(_CHUNK))]
    return Hits(torch.cat([p.t for p in parts]), torch.cat([p.primitive for p in parts]))


def occluded(scene: Scene, origins: Tensor, directions: Tensor, reach: Tensor, packet: int = PACKET) -> Tensor:
    """Return True (n,) where something that casts shadows lies at t < ``reach`` (n,) along the ray."""
    parts = [
        _trace(scene, o, d, r, packet, True).primitive >= 0
        for o, d, r in zip(origins.split(_CHUNK), directions.split(_CHUNK), reach.split(_CHUNK))
    ]
    return torch.cat(parts)


def _trace(scene: Scene, origins: Tensor, directions: Tensor, reach: Tensor | None, packet: int, any_hit: bool) -> Hits:
    n = len(origins)
    if n == 0:
        return Hits(origins.new_zeros(0), torch.zeros(0, dtype=torch.int64, device=origins.device))
    pad = -n % packet
    count = (n + pad) // packet

    def packets(rays: Tensor) -> Tensor:  # (n, 3) -> (P, 3, S), the last ray repeated as padding
        full = torch.cat([rays, rays[-1:].expand(pad, 3)]) if pad else rays
        return full.view(count, packet, 3).transpose(1, 2).contiguous()

    origin, direction = packets(origins), packets(directions)
    best = torch.full((count, packet), math.inf, device=origins.device)
    if reach is not None:
        best = (
            torch.cat([reach, reach[-1:].expand(pad)]).view(count, packet).clone()
            if pad
            else reach.view(count, packet).clone()
        )
    found = torch.full((count, packet), -1, dtype=torch.int64, device=origins.device)
    rows, primitives, entry = _candidates(scene, origin, direction, best, any_hit)
    if len(rows):
        _narrow(scene, origin, direction, best, found, rows, primitives, entry, any_hit)
    t = torch.where(found >= 0, best, math.inf)
    return Hits(t.reshape(-1)[:n], found.reshape(-1)[:n])


class _Hull(NamedTuple):
    """Hulls of two balls, one a row: balls at ``start`` (P, 3) + s * ``unit`` of radius ``radius`` + s * ``slope``."""

    start: Tensor
    unit: Tensor
    radius: Tensor
    slope: Tensor
    along: Tensor  # largest s


def _hull(origin: Tensor, ends: Tensor) -> _Hull:
    """Return hulls around the segments of packets (P, 3, S)."""
    start, end = origin.mean(2), ends.mean(2)
    start_radius = _norm(origin - start[..., None]).amax(1)
    end_radius = _norm(ends - end[..., None]).amax(1)
    axis = end - start
    along = _norm(axis).clamp_min(1e-6)
    slope = (end_radius - start_radius) / along
    # Rays that point everywhere: one ball around all of it.
    wide = slope.abs() > 0.95
    start_radius = torch.where(wide, torch.maximum(start_radius, end_radius) + along, start_radius)
    slope = torch.where(wide, 0.0, slope)
    return _Hull(start, axis / along[:, None], start_radius, slope, along)


def _clear_of(hull: _Hull, offset: Tensor, across: Tensor) -> Tensor:
    """Return the distance from hulls to points at ``offset`` along and ``across`` from their axes; negative inside."""
    s = (offset + across * (hull.slope / (1 - hull.slope.square()).sqrt())).clamp_min(0.0)
    s = torch.minimum(s, hull.along)
    return ((offset - s).square() + across.square()).sqrt() - hull.radius - s * hull.slope


def _candidates(scene: Scene, origin: Tensor, direction: Tensor, best: Tensor, any_hit: bool):
    """Return pairs (packet, primitive) that may meet, and the entry t, sorted by packet, then entry."""
    far = torch.minimum(best, FAR / _norm(direction))  # (P, S)
    ends = origin + far[:, None] * direction
    half, center = scene.half, scene.center
    round_bound = (half[:, :2].amax(1).square() + half[:, 2].square()).sqrt()
    bound = torch.where(scene.kind == BOX, _norm(half), round_bound) * 1.001 + 1e-3
    allowed = scene.shadow if any_hit else torch.ones_like(scene.shadow)

    # Groups of packets against bounding spheres, every group with every primitive.
    count, _, packet = origin.shape
    pad = -count % _GROUP
    together = [
        torch.cat([x, x[-1:].expand(pad, -1, -1)])
        .view(-1, _GROUP, 3, packet)
        .transpose(1, 2)
        .reshape(-1, 3, _GROUP * packet)
        for x in (origin, ends)
    ]
    big = _hull(*together)
    offset = (center @ big.unit.T) - (big.start * big.unit).sum(1)  # (N, groups)
    square = center.square().sum(1)[:, None] - 2 * center @ big.start.T + big.start.square().sum(1)
    slack = 1e-3 * (1.0 + square.abs().sqrt())  # cancellation in the line above
    across = (square - offset * offset).clamp_min(0.0).sqrt()
    groups, primitives = ((_clear_of(big, offset, across) <= bound[:, None] + slack) & allowed[:, None]).T.nonzero(
        as_tuple=True
    )

    # The packets of these groups, one by one.
    rows = (groups[:, None] * _GROUP + torch.arange(_GROUP, device=groups.device)).view(-1)
    primitives = primitives[:, None].expand(-1, _GROUP).reshape(-1)
    inside = rows < count
    rows, primitives = rows[inside], primitives[inside]
    every = _hull(origin, ends)
    hull = _Hull(*(x[rows] for x in every))
    away = center[primitives] - hull.start
    offset = (away * hull.unit).sum(1)
    across = (away.square().sum(1) - offset * offset).clamp_min(0.0).sqrt()
    close = (_clear_of(hull, offset, across) <= bound[primitives]).nonzero()[:, 0]
    rows, primitives, away = rows[close], primitives[close], away[close]
    hull = _Hull(*(x[close] for x in hull))

    # Against the box around each surviving primitive: six linear limits on s.
    rotation = scene.rotation[primitives]
    local = -torch.einsum("kij,ki->kj", rotation, away)
    step = torch.einsum("kij,ki->kj", rotation, hull.unit)
    room = half[primitives] * 1.0001 + 1e-3 + hull.radius[:, None]
    grow = hull.slope[:, None]
    lower, upper = torch.zeros(len(rows), device=half.device), hull.along
    for sign in (1.0, -1.0):
        # sign * (local + s * step) <= room + s * grow
        rate, limit = sign * step - grow, room - sign * local  # (K, 3): s * rate <= limit
        quotient = limit / torch.where(rate.abs() < 1e-9, 1e-9, rate)
        upper = torch.minimum(upper, torch.where(rate > 1e-9, quotient, math.inf).amin(1))
        lower = torch.maximum(lower, torch.where(rate < -1e-9, quotient, -math.inf).amax(1))
        lower = torch.where(((rate.abs() <= 1e-9) & (limit < 0)).any(1), math.inf, lower)
    keep = (lower <= upper + 1e-3).nonzero()[:, 0]
    rows, primitives, lower = rows[keep], primitives[keep], lower[keep]
    # A ray is inside the ball at share lower / along of the hull when it has run that share of its own length.
    entry = (lower / hull.along[keep]) * far.amin(1)[rows]
    # One sort by packet, then entry: a float that is not negative sorts like the integer of its bits.
    order = torch.argsort(rows << 32 | (entry + 0.0).view(torch.int32).long(), stable=True)
    return rows[order], primitives[order], entry[order]


def _narrow(scene, origin, direction, best, found, rows, primitives, entry, any_hit) -> None:
    """Test candidates ray by ray, the nearest of every packet, then the second, and so on; fills best and found."""
    count, packet = best.shape
    to_local = (scene.rotation / scene.half[:, None, :]).transpose(1, 2).contiguous()  # (N, 3, 3)
    shift = -torch.einsum("nij,nj->ni", to_local, scene.center)
    per_packet = torch.bincount(rows, minlength=count)
    first = per_packet.cumsum(0) - per_packet
    active = per_packet.nonzero()[:, 0]
    kinds = scene.kind[primitives]
    both = torch.cat([origin, direction], 2)  # (P, 3, 2 S)
    done = 0  # candidates tried of every packet still active
    while len(active):
        # The fewer packets are left, the more candidates of each are tried at once.
        width = max(1, min(_PAIRS // len(active), 64))
        turn = torch.arange(done, done + width, device=active.device)
        valid = turn < per_packet[active, None]  # (A, width)
        pairs = (first[active, None] + turn).clamp_max(len(entry) - 1)
        reached = best[active].amax(1) if not any_hit else torch.where(found[active] < 0, best[active], 0.0).amax(1)
        valid &= entry[pairs] < reached[:, None]
        going = valid[:, 0]
        active, valid, pairs = active[going], valid[going], pairs[going]
        if not len(active):
            return
        t = torch.full((*pairs.shape, packet), math.inf, device=best.device)
        flat, kind_of = t.view(-1, packet), torch.where(valid, kinds[pairs], -1).view(-1)
        for kind in KINDS:
            chosen = (kind_of == kind).nonzero()[:, 0]
            if not len(chosen):
                continue
            who, what = active[chosen // width], primitives[pairs.view(-1)[chosen]]
            local = torch.bmm(to_local[what], both[who])
            here = local[..., :packet] + shift[what, :, None]
            flat[chosen] = HIT[kind](here, local[..., packet:], T_MIN)
        if width > 1:
            t, which = t.min(1)
            nearest = primitives[pairs.gather(1, which)]
        else:
            t, nearest = t[:, 0], primitives[pairs]
        before = best[active]
        better = t < before
        best[active] = torch.where(better, t, before)
        found[active] = torch.where(better, nearest, found[active])
        done += width
        active = active[per_packet[active] > done]


def _norm(vectors: Tensor) -> Tensor:
    """Return lengths over dimension 1, of size 3; several times faster than torch's norm over so few numbers."""
    x, y, z = vectors.unbind(1)
    return (x * x + y * y + z * z).sqrt()
