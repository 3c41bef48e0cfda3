"""Colour of surface points: texture, lights with visibility, highlights, reflections, haze; and of the sky."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from training.synthetic.intersect import local_normal, surface_coordinates
from training.synthetic.noise import smoothstep
from training.synthetic.scene import Lamp, Scene, Sun
from training.synthetic.tracer import FAR


class Surface(NamedTuple):
    """n surface points in world coordinates; ``normal`` has unit length and faces where the ray came from.

    ``view`` (n, 3) is the unit direction of travel of the ray, ``distance`` (n,) its length in metres.
    """

    primitive: Tensor  # (n,)
    position: Tensor  # (n, 3)
    normal: Tensor  # (n, 3)
    view: Tensor  # (n, 3)
    distance: Tensor  # (n,)
    local: Tensor  # (n, 3) on the unit shape
    local_normal: Tensor  # (n, 3)


def _floats(values, device) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the products (n,) of vectors (n, 3); several times faster than torch's sum over so few numbers."""
    x, y, z = (a * b).unbind(1)
    return x + y + z


def norm(vectors: Tensor) -> Tensor:
    """Return the lengths (n, 1) of vectors (n, 3)."""
    return dot(vectors, vectors).sqrt()[:, None]


def unit(vectors: Tensor) -> Tensor:
    """Return vectors (n, 3) scaled to length 1."""
    return vectors / norm(vectors).clamp_min(1e-12)


def surface_at(scene: Scene, origins: Tensor, directions: Tensor, t: Tensor, primitive: Tensor) -> Surface:
    """Return the surface points at t along rays (n, 3); every ray must have hit ``primitive`` (n,)."""
    position = origins + t[:, None] * directions
    rotation, half = scene.rotation[primitive], scene.half[primitive]
    local = torch.einsum("nij,ni->nj", rotation, position - scene.center[primitive]) / half
    inner = local_normal(scene.kind[primitive], local)
    normal = unit(torch.einsum("nij,nj->ni", rotation, inner / half))
    length = norm(directions)[:, 0]
    view = directions / length[:, None]
    normal = torch.where(dot(normal, view)[:, None] > 0, -normal, normal)
    return Surface(primitive, position, normal, view, t * length, local, inner)


def albedo(scene: Scene, surface: Surface, pixel_angle: float | Tensor) -> Tensor:
    """Return the diffuse reflectance (n, 3) as seen by pixels that span ``pixel_angle`` radians, one number or (n,)."""
    primitive = surface.primitive
    material = scene.material[primitive]
    metric, size = surface_coordinates(
        scene.kind[primitive], surface.local, surface.local_normal, scene.half[primitive]
    )
    tile = scene.tile[material]
    stretched = (tile <= 0)[:, None]
    period = torch.where(stretched, size, tile[:, None].clamp_min(1e-6))
    shifted = torch.where(stretched, metric + 0.5 * size, metric + scene.offset[primitive])
    uv = shifted / period
    cosine = dot(surface.normal, surface.view).abs().clamp_min(0.05)
    footprint = surface.distance * pixel_angle / cosine.sqrt() / period.prod(1).sqrt()
    color = scene.textures.sample(scene.texture[material], uv[:, 0], uv[:, 1], footprint)
    # Broad patches lighter and darker, so that large tiled surfaces do not look tiled.
    x, y, z = surface.position.unbind(1)
    broad = torch.sin(0.61 * x + 1.7 * torch.sin(0.37 * y)) * torch.sin(0.53 * y + 1.3 * torch.sin(0.41 * x + 0.7 * z))
    broad = torch.where(stretched[:, 0], 1.0, 1.0 + 0.09 * broad)
    return (color * scene.tint[material] * broad[:, None]).clamp(0.0, 1.0)


def light_rays(light: Sun | Lamp, position: Tensor, jitter: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return directions (n, 3) from points to a place on the light, and how far it is in their lengths (n,).

    ``jitter`` (n, 2) in the unit disc picks the place (None: the middle); averaging over it makes soft shadow edges.
    """
    if isinstance(light, Sun):
        axis = F.normalize(_floats(light.direction, position.device), dim=0).expand_as(position)
        spread, reach = light.radius, torch.full_like(position[:, 0], FAR)
    else:
        axis = _floats(light.position, position.device) - position
        spread, reach = light.radius, torch.ones_like(position[:, 0])
    if jitter is None:
        return axis, reach
    helper = torch.where(axis[:, 2:].abs() < 0.9 * norm(axis), 1.0, 0.0)
    up = torch.cat([1 - helper, torch.zeros_like(helper), helper], 1)
    first = unit(torch.linalg.cross(up, axis, dim=1))
    second = unit(torch.linalg.cross(axis, first, dim=1))
    return axis + spread * (jitter[:, :1] * first + jitter[:, 1:] * second), reach


def _received(light: Sun | Lamp, position: Tensor) -> tuple[Tensor, Tensor]:
    """Return unit directions to the light's middle (n, 3) and its irradiance (n, 3)."""
    color = _floats(light.color, position.device)
    if isinstance(light, Sun):
        direction = F.normalize(_floats(light.direction, position.device), dim=0)
        return direction.expand_as(position), color.expand_as(position)
    away = _floats(light.position, position.device) - position
    square = dot(away, away)[:, None]
    return away / square.sqrt(), color / (square + light.radius**2)


def sky(scene: Scene, direction: Tensor) -> Tensor:
    """Return the radiance (n, 3) from unit directions (n, 3) in which there is no surface."""
    around = scene.surroundings
    device = direction.device
    zenith, horizon, ground = (_floats(c, device) for c in (around.zenith, around.horizon, around.ground))
    height = direction[:, 2]
    color = torch.lerp(horizon, zenith, (1 - torch.exp(-3.0 * height.clamp_min(0.0)))[:, None])
    if around.cloud_texture is not None and around.clouds > 0:
        lift = height.clamp_min(0.0) + 0.12
        index = torch.full_like(height, around.cloud_texture, dtype=torch.int64)
        u, v = direction[:, 0] / lift * 0.16, direction[:, 1] / lift * 0.16
        thick = scene.textures.sample(index, u, v, 0.002 / lift).mean(1)
        cover = smoothstep(1.0 - around.clouds, 1.25 - 0.7 * around.clouds, thick) * smoothstep(0.0, 0.12, height)
        bright = (1.25 - 0.45 * thick)[:, None] * _floats([0.95, 0.96, 1.0], device)
        color = torch.lerp(color, bright, 0.85 * cover[:, None])
    for light in scene.lights:
        if isinstance(light, Sun):
            toward = F.normalize(_floats(light.direction, device), dim=0)
            angle = (direction @ toward).clamp(0.0, 1.0)
            glow = 0.12 * angle.pow(12) + 0.5 * angle.pow(300)
            color = color + glow[:, None] * _floats(light.color, device) * 0.3
    return torch.lerp(color, ground * 0.6 + horizon * 0.4, smoothstep(0.0, -0.1, height)[:, None])


def shade(scene: Scene, surface: Surface, color: Tensor, visible: Tensor, openness: Tensor) -> Tensor:
    """Return radiance (n, 3) towards the viewer.

    ``color`` (n, 3) from ``albedo``; ``visible`` (n, lights) share of each light that reaches the point;
    ``openness`` (n,) share of the surroundings that does (ambient occlusion).
    """
    around = scene.surroundings
    device = color.device
    material = scene.material[surface.primitive]
    normal, view = surface.normal, surface.view
    above = 0.5 * (_floats(around.zenith, device) + _floats(around.horizon, device))
    below = _floats(around.ground, device)
    radiance = color * torch.lerp(below, above, (0.5 * normal[:, 2:] + 0.5)) * (around.ambient * openness[:, None])
    specular, shininess = scene.specular[material], scene.shininess[material]
    for index, light in enumerate(scene.lights):
        toward, irradiance = _received(light, surface.position)
        facing = dot(normal, toward).clamp_min(0.0)
        middle = unit(toward - view)
        highlight = dot(normal, middle).clamp(0.0, 1.0).pow(shininess) * specular * (shininess + 2) / 8
        strength = visible[:, index] * facing
        radiance = radiance + irradiance * strength[:, None] * (color + highlight[:, None]) / math.pi
    mirror = scene.mirror[material]
    along = dot(normal, view)
    cosine = along.abs().clamp(0.0, 1.0)
    fresnel = torch.where(mirror > 0, mirror + (1 - mirror) * (1 - cosine).pow(5), 0.0)
    bounced = view - 2 * along[:, None] * normal
    radiance = torch.lerp(radiance, sky(scene, bounced), (fresnel * (0.4 + 0.6 * openness))[:, None])
    radiance = radiance + color * scene.emission[material][:, None]
    if around.haze > 0:
        lost = 1 - torch.exp(-around.haze * surface.distance)
        radiance = torch.lerp(radiance, _floats(around.horizon, device), lost[:, None])
    return radiance
