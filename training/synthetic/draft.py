"""Cheaper views for training: hard shadows, thinly sampled ambient occlusion, no smoothing along edges.

Depth, normals and ids are as exact as those of ``renderer.render``; only the light is coarser.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from depth_perception.frames import CameraModel
from training.synthetic.renderer import View, camera_directions, disc, dither, hemisphere
from training.synthetic.renderer import pixel_order as _pixel_order
from training.synthetic.scene import Scene
from training.synthetic.shading import Surface, albedo, dot, light_rays, shade, sky, surface_at, unit
from training.synthetic.tracer import PACKET, closest_hits, occluded


@cache
def pixel_order(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return flat pixel indices (H * W,) tile by tile, and where each pixel is among them."""
    order = _pixel_order(height, width, device)
    return order, torch.argsort(order)


def render_draft(scene: Scene, cameras: Sequence[CameraModel], poses: Tensor, shadows: bool = True) -> View:
    """Render B views at once: camera k at pose k of ``poses`` (B, 4, 4), which map optical frames to the world.

    All cameras must have one image size; raises ValueError otherwise.
    """
    device = scene.device
    origins, turned, poses = _rays(cameras, poses, device)
    shape = (len(poses), *cameras[0].shape)
    order, back = pixel_order(*cameras[0].shape, device)
    hits = closest_hits(scene, origins, turned, PACKET)
    hit = hits.primitive >= 0
    full = bool(hit.all())

    def image(values: Tensor) -> Tensor:  # tile order -> (B, H, W, ...)
        return values.view(shape[0], -1, *values.shape[1:])[:, back].view(*shape, *values.shape[1:])

    def spread(values: Tensor, fill: float) -> Tensor:  # hits -> all rays
        if full:
            return values
        out = values.new_full((len(hit), *values.shape[1:]), fill)
        out[hit] = values
        return out

    seen = (origins, turned, hits.t, hits.primitive)
    surface = surface_at(scene, *(seen if full else (x[hit] for x in seen)))
    primitive = image(hits.primitive)
    if shadows:
        visible = _visibility(scene, surface, hit, order, back, primitive)
    else:
        visible = torch.ones(len(surface.position), len(scene.lights) + 1, device=device)
    angles = torch.tensor([2.0 / float(c.K[0, 0] + c.K[1, 1]) for c in cameras], device=device)
    color = albedo(scene, surface, angles.repeat_interleave(len(order))[hit])
    lit = shade(scene, surface, color, visible[:, :-1], visible[:, -1])
    radiance = spread(lit, 0.0)
    if not full:
        radiance[~hit] = sky(scene, unit(turned[~hit]))
    normal = torch.einsum("bij,bni->bnj", poses[:, :3, :3], spread(surface.normal, math.nan).view(shape[0], -1, 3))
    depth = image(torch.where(hit, hits.t, math.nan))
    instance = torch.where(primitive >= 0, scene.instance[primitive.clamp_min(0)], 0)
    return View(image(radiance), depth, image(normal.reshape(-1, 3)), instance)


def depth_of(scene: Scene, cameras: Sequence[CameraModel], poses: Tensor) -> Tensor:
    """Return only the depths (B, H, W) in metres along the optical axes, NaN for sky; arguments as ``render_draft``."""
    origins, turned, poses = _rays(cameras, poses, scene.device)
    back = pixel_order(*cameras[0].shape, scene.device)[1]
    t = closest_hits(scene, origins, turned, PACKET).t
    depth = torch.where(torch.isfinite(t), t, math.nan).view(len(poses), -1)
    return depth[:, back].view(len(poses), *cameras[0].shape)


def _rays(cameras: Sequence[CameraModel], poses: Tensor, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return origins and directions (B * H * W, 3) in the world, tile by tile, and the poses on ``device``."""
    if len(cameras) != len(poses) or len({camera.shape for camera in cameras}) != 1:
        raise ValueError(f"{len(poses)} poses need as many cameras of one size, got {[c.shape for c in cameras]}")
    poses = poses.to(device=device, dtype=torch.float32)
    order, _ = pixel_order(*cameras[0].shape, device)
    directions = torch.stack([camera_directions(camera, device).reshape(-1, 3)[order] for camera in cameras])
    turned = torch.einsum("bij,bnj->bni", poses[:, :3, :3], directions).reshape(-1, 3)
    return poses[:, None, :3, 3].expand(-1, len(order), 3).reshape(-1, 3), turned, poses


def _visibility(scene: Scene, surface: Surface, hit: Tensor, order: Tensor, back: Tensor, primitive: Tensor) -> Tensor:
    """Return (hits, lights + 1): the share of each light that arrives, last the openness to the surroundings.

    Lights that cast shadows are asked for at every second pixel in a chequer, the surroundings at one pixel in sixteen.
    """
    batch, height, width = primitive.shape
    device = primitive.device
    rows, columns = torch.arange(height, device=device)[:, None], torch.arange(width, device=device)[None]
    lifted = surface.position + surface.normal * (2e-3 + 5e-5 * surface.distance[:, None])

    def chosen(mask: Tensor) -> Tensor:  # (H, W) -> indices among the hits
        flat = mask.expand(height, width).reshape(-1)[order].repeat(batch)
        return flat[hit].nonzero()[:, 0]

    def as_image(values: Tensor) -> Tensor:  # hits -> (B, H, W)
        out = values.new_zeros(len(hit))
        out[hit] = values
        return out.view(batch, -1)[:, back].view(batch, height, width)

    def as_hits(values: Tensor) -> Tensor:
        return values.view(batch, -1)[:, order].reshape(-1)[hit]

    out = torch.ones(len(lifted), len(scene.lights) + 1, device=device)
    for index, light in enumerate(scene.lights):
        if not light.shadows:
            continue
        at = chosen((rows + columns + index) % 2 == 0)
        toward, reach = light_rays(light, lifted[at], None)
        facing = dot(surface.normal[at], toward) > 0
        at, toward, reach = at[facing], toward[facing], reach[facing]
        clear, asked = torch.zeros(len(lifted), device=device), torch.zeros(len(lifted), device=device)
        clear[at] = 1.0 - _blocked(scene, lifted[at], toward, reach * 0.999).float()
        asked[at] = 1.0
        out[:, index] = as_hits(_fill(as_image(clear), as_image(asked), primitive))
    out[:, -1] = as_hits(_openness(scene, as_image, primitive, lifted, surface.normal))
    return out


def _openness(scene: Scene, as_image, primitive: Tensor, lifted: Tensor, normal: Tensor) -> Tensor:
    """Return (B, H, W): the share of the surroundings that every pixel sees, asked for at every fourth row and column.

    Each point asked for has one of 16 directions, so that a block of 4 x 4 points has them all.
    """
    device = primitive.device
    index = as_image(torch.arange(len(lifted), device=device, dtype=torch.float64)).long()[:, 1::4, 1::4]
    asked = primitive[:, 1::4, 1::4]
    batch, height, width = asked.shape
    rows, columns = torch.arange(height, device=device)[:, None], torch.arange(width, device=device)[None]
    code = (dither(rows, columns)).expand(batch, -1, -1)
    hit = (asked >= 0).reshape(-1)
    at, which = index.reshape(-1)[hit], code.reshape(-1)[hit]
    position, facing = lifted[at], normal[at]
    reach = scene.surroundings.occlusion_range * (0.25 + 0.75 * ((which * 7) % 16) / 15.0)
    clear = torch.ones(len(hit), device=device)
    clear[hit] = 1.0 - _blocked(scene, position, hemisphere(facing, disc(which)), reach).float()
    place, turned = torch.full((len(hit), 3), 1e6, device=device), torch.zeros(len(hit), 3, device=device)
    place[hit], turned[hit] = position, facing
    place, turned = (x.view(batch, height, width, 3) for x in (place, turned))
    clear = clear.view(batch, height, width)
    for axis in (2, 1):  # mean over four points and the halves of two more, where they lie in the plane of the middle
        total, count = clear.clone(), torch.ones_like(clear)
        for step in (-2, -1, 1, 2):
            n, p, v = (torch.roll(x, step, axis) for x in (turned, place, clear))
            level = ((p - place) * turned).sum(-1).abs() < 0.05 + 0.02 * scene.surroundings.occlusion_range
            tap = (level & ((n * turned).sum(-1) > 0.8)) * (0.5 if abs(step) == 2 else 1.0)
            total, count = total + tap * v, count + tap
        clear = total / count
    # Every pixel takes from the four points around it those that show the same primitive.
    full = primitive.shape
    value, weight = torch.zeros(full, device=device), torch.zeros(full, device=device)
    y = (torch.arange(full[1], device=device) - 1) / 4
    x = (torch.arange(full[2], device=device) - 1) / 4
    for dy in (0, 1):
        for dx in (0, 1):
            r, c = (y.floor().long() + dy).clamp(0, height - 1), (x.floor().long() + dx).clamp(0, width - 1)
            wy, wx = 1 - (y - y.floor() - dy).abs(), 1 - (x - x.floor() - dx).abs()
            same = asked[:, r][:, :, c] == primitive
            w = (wy[:, None] * wx) * torch.where(same, 1.0, 1e-3) + 1e-6
            value, weight = value + w * clear[:, r][:, :, c], weight + w
    return value / weight


def _blocked(scene: Scene, origins: Tensor, directions: Tensor, reach: Tensor) -> Tensor:
    """Return ``occluded`` after sorting rays by where they start.

    Neighbours in the picture may lie far apart in the world, and packets of such rays meet too many primitives.
    """
    if not len(origins):
        return torch.zeros(0, dtype=torch.bool, device=origins.device)
    low = origins.amin(0)
    cells = ((origins - low) * (1023.0 / (origins.amax(0) - low).amax().clamp_min(1e-6))).long()
    for shift, mask in ((16, 0x30000FF), (8, 0x300F00F), (4, 0x30C30C3), (2, 0x9249249)):  # bits of x, y, z in turn
        cells = (cells | (cells << shift)) & mask
    order = torch.argsort(cells[:, 0] | cells[:, 1] << 1 | cells[:, 2] << 2, stable=True)
    out = torch.empty(len(origins), dtype=torch.bool, device=origins.device)
    out[order] = occluded(scene, origins[order], directions[order], reach[order], PACKET)
    return out


def _fill(values: Tensor, asked: Tensor, primitive: Tensor) -> Tensor:
    """Return (B, H, W): where not asked, the mean of the four neighbours on the same primitive, else of all."""
    total, count = values * asked, asked.clone()
    for axis, size in ((1, values.shape[1]), (2, values.shape[2])):
        for source, target in ((0, 1), (1, 0)):
            there, light = (x.narrow(axis, source, size - 1) for x in (primitive, values))
            here = primitive.narrow(axis, target, size - 1)
            share = (there == here) * asked.narrow(axis, source, size - 1) * (1 - asked.narrow(axis, target, size - 1))
            total.narrow(axis, target, size - 1).add_(share * light)
            count.narrow(axis, target, size - 1).add_(share)
    loose = F.avg_pool2d(torch.stack([values * asked, asked], 1), 3, 1, 1)
    return torch.where(count > 0, total / count.clamp_min(1e-6), loose[:, 0] / loose[:, 1].clamp_min(1e-6))
