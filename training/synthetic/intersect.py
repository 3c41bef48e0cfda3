"""Where a ray meets a primitive, in the primitive's own scaled frame, in closed form.

Rays come in packets: origins and directions (P, 3, S), one primitive a packet, already taken into
the frame in which the shape is the unit box, sphere, cylinder or cone. Scaling keeps the ray
parameter t, so t is the one of the world's ray. A miss is infinity. A ray that starts inside a
shape meets its far side.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training.synthetic.scene import BOX, CONE, CYLINDER, ELLIPSOID

_TINY = 1e-12


def hit_box(origin: Tensor, direction: Tensor, t_min: float) -> Tensor:
    """Return t (P, S) for the box [-1, 1]^3 by the slab method."""
    inverse = 1.0 / torch.where(direction.abs() < _TINY, _TINY, direction)
    middle, reach = -origin * inverse, inverse.abs()  # (P, 3, S)
    near = (middle - reach).amax(1)
    far = (middle + reach).amin(1)
    t = torch.where(near > t_min, near, far)
    return torch.where((near <= far) & (t > t_min), t, math.inf)


def hit_ellipsoid(origin: Tensor, direction: Tensor, t_min: float) -> Tensor:
    """Return t (P, S) for the unit sphere."""
    a = (direction * direction).sum(1)
    b = (origin * direction).sum(1) / a
    # Distance of the line to the centre from its nearest point: no cancellation for far origins.
    nearest = origin - b[:, None] * direction
    square = (1.0 - (nearest * nearest).sum(1)) / a
    root = square.clamp_min(0.0).sqrt()
    near, far = -b - root, -b + root
    t = torch.where(near > t_min, near, far)
    return torch.where((square >= 0) & (t > t_min), t, math.inf)


def _interval(lower: Tensor, upper: Tensor, t_min: float) -> Tensor:
    t = torch.where(lower > t_min, lower, upper)
    return torch.where((lower <= upper) & (t > t_min), t, math.inf)


def hit_cylinder(origin: Tensor, direction: Tensor, t_min: float) -> Tensor:
    """Return t (P, S) for x^2 + y^2 <= 1, |z| <= 1: the overlap of a tube and a slab."""
    ox, oy, oz = origin.unbind(1)
    dx, dy, dz = direction.unbind(1)
    a = (dx * dx + dy * dy).clamp_min(_TINY)
    b = (ox * dx + oy * dy) / a
    px, py = ox - b * dx, oy - b * dy
    square = (1.0 - px * px - py * py) / a
    root = square.clamp_min(0.0).sqrt()
    inverse = 1.0 / torch.where(dz.abs() < _TINY, _TINY, dz)
    middle, reach = -oz * inverse, inverse.abs()
    near = torch.maximum(-b - root, middle - reach)
    far = torch.minimum(-b + root, middle + reach)
    return torch.where(square >= 0, _interval(near, far, t_min), math.inf)


def hit_cone(origin: Tensor, direction: Tensor, t_min: float) -> Tensor:
    """Return t (P, S) for x^2 + y^2 <= ((1 - z) / 2)^2, -1 <= z <= 1; side and base are tried apart."""
    ox, oy, oz = origin.unbind(1)
    dx, dy, dz = direction.unbind(1)
    k, dk = 0.5 * (1.0 - oz), -0.5 * dz  # radius of the side along the ray
    a = dx * dx + dy * dy - dk * dk
    a = torch.where(a.abs() < _TINY, _TINY, a)
    b = (ox * dx + oy * dy - k * dk) / a
    c = (ox * ox + oy * oy - k * k) / a
    square = b * b - c
    root = square.clamp_min(0.0).sqrt()
    best = torch.full_like(a, math.inf)
    for t in (-b - root, -b + root):
        z = oz + t * dz
        good = (square >= 0) & (t > t_min) & (z >= -1) & (z <= 1)
        best = torch.where(good & (t < best), t, best)
    base = (-1.0 - oz) / torch.where(dz.abs() < _TINY, _TINY, dz)
    x, y = ox + base * dx, oy + base * dy
    good = (x * x + y * y <= 1) & (base > t_min) & (base < best)
    return torch.where(good, base, best)


HIT = {BOX: hit_box, ELLIPSOID: hit_ellipsoid, CYLINDER: hit_cylinder, CONE: hit_cone}


def local_normal(kind: Tensor, point: Tensor) -> Tensor:
    """Return the outward normal (n, 3), not yet unit length, of the unit shape at surface points (n, 3).

    The world normal is rotation @ (this / half), made unit length.
    """
    x, y, z = point.unbind(1)
    zero = torch.zeros_like(x)
    magnitude = point.abs()
    face = torch.nn.functional.one_hot(magnitude.argmax(1), 3).to(point.dtype) * point.sign()
    # A cap is where |z| is nearer to 1 than the side's distance from the axis is to the radius there.
    radial = (x * x + y * y).sqrt()
    cap = (1.0 - z.abs()) < (1.0 - radial)
    tube = torch.stack([torch.where(cap, zero, x), torch.where(cap, zero, y), torch.where(cap, z.sign(), zero)], 1)
    bottom = (1.0 + z) < (0.5 * (1.0 - z) - radial).abs()
    side = torch.stack([x, y, 0.5 * radial], 1)
    down = torch.stack([zero, zero, -torch.ones_like(z)], 1)
    cone = torch.where(bottom[:, None], down, side)
    normal = torch.where((kind == ELLIPSOID)[:, None], point, face)
    normal = torch.where((kind == CYLINDER)[:, None], tube, normal)
    return torch.where((kind == CONE)[:, None], cone, normal)


def surface_coordinates(kind: Tensor, point: Tensor, normal: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
    """Return texture coordinates (n, 2) in metres from the face's middle, and the face's size (n, 2) in metres.

    ``point`` and ``normal`` (n, 3) are local to the unit shape. u runs sideways and v upwards; on round
    shapes u follows the circumference.
    """
    axis = normal.abs().argmax(1)
    pick = torch.stack([torch.where(axis == 0, 1, 0), torch.where(axis == 2, 1, 2)], 1)
    flat = (point * half).gather(1, pick)
    size = 2 * half.gather(1, pick)
    angle = torch.atan2(point[:, 1], point[:, 0])
    bent = torch.stack([angle * half[:, 0], point[:, 2] * half[:, 2]], 1)
    bent_size = torch.stack([2 * math.pi * half[:, 0], 2 * half[:, 2]], 1)
    curved = (kind == ELLIPSOID) | ((kind != BOX) & (axis != 2))
    # A hill takes its texture from above, like the plain around it.
    hill = (kind == ELLIPSOID) & (half[:, 2] < 0.4 * half[:, :2].amin(1)) & (half[:, :2].amin(1) > 1.0)
    curved = (curved & ~hill)[:, None]
    flat = torch.where(hill[:, None], (point * half)[:, :2], flat)
    size = torch.where(hill[:, None], 2 * half[:, :2], size)
    return torch.where(curved, bent, flat), torch.where(curved, bent_size, size)
