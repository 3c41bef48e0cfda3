"""Volume rendering of a scene of many signed distances: colour, depth, normal, and the opacity of each object."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from depth_perception.models.decomposition.network import SceneNetwork, gradient


class RayValues(NamedTuple):
    """What rays see: ``color`` (r, 3), ``length`` (r,) along the ray, ``normal`` (r, 3), ``opacity`` (r, c)."""

    color: Tensor
    length: Tensor
    normal: Tensor
    opacity: Tensor


def transmittance(density: Tensor, gaps: Tensor) -> Tensor:
    """Return the light (r, n) left at the start of intervals of ``density`` (r, n) and length ``gaps`` (r, n)."""
    passed = density * gaps
    return torch.exp(passed - passed.cumsum(1))


def scene_weights(density: Tensor, gaps: Tensor) -> Tensor:
    """Return what each interval (r, n) adds to the picture; the sum over a ray is its opacity, at most 1."""
    return transmittance(density, gaps) * -torch.expm1(-density * gaps)


def object_opacity(density: Tensor, scene_density: Tensor, gaps: Tensor) -> Tensor:
    """Return how much of each channel a ray sees, (r, c): occlusion-aware, about [0, 1], and no distribution.

    ``density`` (r, n, c) of the channels, ``scene_density`` (r, n) of all together, whose transmittance hides what
    lies behind (ObjectSDF++, Wu et al., ICCV 2023).
    """
    left = transmittance(scene_density, gaps)
    return (left[..., None] * -torch.expm1(-density * gaps[..., None])).sum(1)


def render_rays(network: SceneNetwork, origins: Tensor, directions: Tensor, t: Tensor, color: bool = True) -> RayValues:
    """Render rays (r, 3), unit directions, sampled at sorted lengths ``t`` (r, n + 1), in the network's unit.

    Interval i is taken at its start; the last sample only ends it. Without ``color`` colour and normal are zeros.
    """
    gaps = t.diff(dim=1)
    at = t[:, :-1]
    rays, count = at.shape
    points = (origins[:, None] + at[..., None] * directions[:, None]).reshape(-1, 3)
    points.requires_grad_(color)
    distances, features = network(points)
    scene = distances.amin(1)
    density = network.density(distances).reshape(rays, count, -1)
    scene_density = network.density(scene).reshape(rays, count)
    weights = scene_weights(scene_density, gaps)
    opacity = object_opacity(density, scene_density, gaps)
    total = weights.sum(1)
    length = (weights * at).sum(1) / total.clamp_min(1e-6)
    if not color:
        return RayValues(origins.new_zeros(rays, 3), length, origins.new_zeros(rays, 3), opacity)
    slope = gradient(scene, points)
    along = directions[:, None].expand(-1, count, -1).reshape(-1, 3)
    painted = network.color(points, along, slope, features).reshape(rays, count, 3)
    unit = torch.nn.functional.normalize(slope, dim=1).reshape(rays, count, 3)
    return RayValues(
        (weights[..., None] * painted).sum(1),
        length,
        (weights[..., None] * unit).sum(1),
        opacity,
    )
