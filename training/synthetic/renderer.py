"""Pictures with exact depth, normals and instance ids: any number of views of one scene at once."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from depth_perception.frames import CameraModel
from training.synthetic.scene import Scene
from training.synthetic.shading import Surface, albedo, light_rays, shade, sky, surface_at, unit
from training.synthetic.tracer import PACKET, closest_hits, occluded

_TILE = (8, 16)  # rows, columns of pixels that make one packet of rays
_SUBPIXELS = ((-0.1, -0.4), (0.4, 0.1), (-0.3, 0.3))


class View(NamedTuple):
    """B rendered views.

    ``radiance`` (B, H, W, 3) linear; ``depth`` (B, H, W) metres along the optical axis at pixel centres,
    NaN for sky; ``normal`` (B, H, W, 3) in the camera frame, NaN for sky; ``instance`` (B, H, W) int64, 0
    for background and sky.
    """

    radiance: Tensor
    depth: Tensor
    normal: Tensor
    instance: Tensor


def camera_directions(camera: CameraModel, device: torch.device | str = "cpu", shift=(0.0, 0.0)) -> Tensor:
    """Return ray directions (H, W, 3) with z = 1 through the pixel centres moved by ``shift`` (x, y) pixels.

    Raises ValueError for a distorted camera: pictures of these are made from undistorted ones.
    """
    if camera.is_distorted:
        raise ValueError("the renderer draws undistorted cameras only; set D to zero")
    k = camera.K
    x = (torch.arange(camera.width, dtype=torch.float64) + shift[0] - k[0, 2]) / k[0, 0]
    y = (torch.arange(camera.height, dtype=torch.float64) + shift[1] - k[1, 2]) / k[1, 1]
    grid = torch.stack([x.expand(camera.height, -1), y[:, None].expand(-1, camera.width)], -1)
    return torch.cat([grid, torch.ones_like(grid[..., :1])], -1).float().to(device)


def pixel_order(height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Return flat pixel indices (H * W,) tile by tile, so that neighbours share a packet of rays."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    across = math.ceil(width / _TILE[1])
    tile = (rows // _TILE[0]) * across + columns // _TILE[1]
    return torch.argsort(tile.reshape(-1), stable=True).to(device)


def render(scene: Scene, camera: CameraModel, poses: Tensor, antialias: bool = True, shadows: bool = True) -> View:
    """Render the views of ``camera`` at ``poses`` (B, 4, 4), which map its optical frame to the world.

    Depth, normals and ids are exact for the pixel centres; radiance is smoothed along edges if
    ``antialias``. Without ``shadows`` every light reaches every point that faces it.
    """
    device = scene.device
    poses = poses.to(device=device, dtype=torch.float32)
    shape = (len(poses), camera.height, camera.width)
    order = pixel_order(*camera.shape, device)
    back = torch.argsort(order)
    origins, directions = _rays(poses, camera_directions(camera, device).reshape(-1, 3)[order])
    hits = closest_hits(scene, origins, directions, PACKET)

    def image(values: Tensor) -> Tensor:  # tile order -> (B, H, W, ...)
        return values.view(shape[0], -1, *values.shape[1:])[:, back].view(*shape, *values.shape[1:])

    hit = hits.primitive >= 0
    surface = surface_at(scene, origins[hit], directions[hit], hits.t[hit], hits.primitive[hit])
    position, normal = torch.full_like(origins, math.nan), torch.full_like(origins, math.nan)
    position[hit], normal[hit] = surface.position, surface.normal

    visible = torch.ones(len(hit), len(scene.lights) + 1, device=device)
    if shadows:
        seen, sampled = _visibility(scene, surface, hit, order, shape)
        visible = _smooth(image(seen), image(sampled), image(position), image(normal))
        visible = visible.view(shape[0], -1, visible.shape[-1])[:, order].reshape(len(hit), -1)

    pixel_angle = 2.0 / float(camera.K[0, 0] + camera.K[1, 1])
    radiance = torch.empty_like(origins)
    color = albedo(scene, surface, pixel_angle)
    radiance[hit] = shade(scene, surface, color, visible[hit, :-1], visible[hit, -1])
    radiance[~hit] = sky(scene, unit(directions[~hit]))

    primitive = image(hits.primitive)
    picture = image(radiance)
    if antialias:
        picture = _antialias(scene, camera, poses, picture, primitive, image(normal))
    depth = image(torch.where(hit, hits.t, math.nan))
    in_camera = torch.einsum("bij,bhwi->bhwj", poses[:, :3, :3], image(normal))
    instance = torch.where(primitive >= 0, scene.instance[primitive.clamp_min(0)], 0)
    return View(picture, depth, in_camera, instance)


def _rays(poses: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Return origins and world directions (B * n, 3) of camera directions (n, 3) seen from each pose."""
    turned = torch.einsum("bij,nj->bni", poses[:, :3, :3], directions)
    return poses[:, None, :3, 3].expand_as(turned).reshape(-1, 3), turned.reshape(-1, 3)


def dither(rows: Tensor, columns: Tensor) -> Tensor:
    """Return 0..15 (H, W), each number once in every 4 x 4 pixels, neighbours far apart (ordered dither)."""
    square = torch.tensor([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], device=rows.device)
    return square[rows % 4, columns % 4]


def disc(pattern: Tensor) -> Tensor:
    """Return the 16 points (n, 2) of a spiral that fills the unit disc evenly."""
    angle = pattern * (math.pi * (3 - math.sqrt(5)))
    radius = ((pattern + 0.5) / 16).sqrt()
    return torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], 1)


def _lifted(surface: Surface) -> Tensor:
    """Return the points moved off their surface, so that rays from them do not meet it again."""
    return surface.position + surface.normal * (2e-3 + 5e-5 * surface.distance[:, None])


def _visibility(scene: Scene, surface: Surface, hit: Tensor, order: Tensor, shape) -> tuple[Tensor, Tensor]:
    """Return (n, lights + 1) in tile order: 1.0 where a light is seen, last the openness; and which were sampled.

    Lights are sampled at every second pixel in a chequer and openness at every fourth, each pixel with
    one of 16 places on the light or directions; ``_smooth`` fills in the rest.
    """
    batch, height, width = shape

    def tiled(image: Tensor) -> Tensor:  # (H, W) -> (n,)
        return image.expand(height, width).reshape(-1)[order].repeat(batch)

    rows = torch.arange(height, device=order.device)[:, None]
    columns = torch.arange(width, device=order.device)[None]
    at = hit.nonzero()[:, 0]
    seen = torch.zeros(len(hit), len(scene.lights) + 1, device=order.device)
    sampled = torch.zeros_like(seen)
    spot = disc(tiled(dither(rows, columns)))[hit]
    for index, light in enumerate(scene.lights):
        if not light.shadows:
            seen[:, index] = sampled[:, index] = 1.0
            continue
        chosen = tiled((rows + columns + index) % 2 == 0)[hit]
        part = Surface(*(field[chosen] for field in surface))
        toward, reach = light_rays(light, part.position, spot[chosen])
        facing = (part.normal * toward).sum(1) > 0
        clear = torch.zeros(len(facing), device=order.device)
        clear[facing] = 1.0 - occluded(scene, _lifted(part)[facing], toward[facing], reach[facing] * 0.999).float()
        seen[at[chosen], index] = clear
        sampled[at[chosen], index] = 1.0
    chosen = tiled((rows % 2 == 0) & (columns % 2 == 0))[hit]
    part = Surface(*(field[chosen] for field in surface))
    code = tiled(dither(rows // 2, columns // 2))[hit][chosen]
    toward = hemisphere(part.normal, disc(code))
    # Lengths differ, so that near things darken more than far ones.
    reach = scene.surroundings.occlusion_range * (0.25 + 0.75 * ((code * 7) % 16) / 15.0)
    seen[at[chosen], -1] = 1.0 - occluded(scene, _lifted(part), toward, reach).float()
    sampled[at[chosen], -1] = 1.0
    return seen, sampled


def hemisphere(normal: Tensor, disc: Tensor) -> Tensor:
    """Return directions (n, 3) about the normals, as likely as the cosine to them, from points of the unit disc."""
    helper = torch.where(normal[:, 2:].abs() < 0.9, 0.0, 1.0)
    side = torch.cat([helper, torch.zeros_like(helper), 1 - helper], 1)
    first = unit(torch.linalg.cross(side, normal, dim=1))
    second = torch.linalg.cross(normal, first, dim=1)
    lift = (1 - disc.square().sum(1, keepdim=True)).clamp_min(0.02).sqrt()
    return disc[:, :1] * first + disc[:, 1:] * second + lift * normal


def _smooth(values: Tensor, sampled: Tensor, position: Tensor, normal: Tensor) -> Tensor:
    """Average what was sampled (B, H, W, lights + 1) over pixels of the same surface: rows, then columns.

    The windows hold each of the 16 samples once: 4 x 4 pixels for lights, 8 x 8 for openness (the
    outermost taps count half). Neighbours count if their normal agrees and they lie in the plane of the
    centre; a loose average of everything nearby weighs in as one more sample, for thin things.
    """
    position, normal = torch.nan_to_num(position, nan=1e6), torch.nan_to_num(normal)
    count = values.shape[-1]
    sums = torch.cat([values * sampled, sampled], -1)
    loose = sums.permute(0, 3, 1, 2)
    loose = torch.nn.functional.avg_pool2d(loose, 7, 1, 3, count_include_pad=False).permute(0, 2, 3, 1)
    prior = torch.where(loose[..., count:] > 0, loose[..., :count] / loose[..., count:].clamp_min(1e-6), 1.0)
    for axis in (2, 1):
        total = sums.clone()
        for step in (-4, -3, -2, -1, 1, 2, 3, 4):
            channels = slice(None) if abs(step) <= 2 else slice(count - 1, None, count)  # far ones: openness only
            n, p, v = (torch.roll(x, step, axis) for x in (normal, position, sums[..., channels]))
            inside = torch.ones(sums.shape[axis], 1, device=sums.device)
            inside[:step] = 0.0 if step > 0 else inside[:step]
            if step < 0:
                inside[step:] = 0.0
            level = ((p - position) * normal).sum(-1, keepdim=True).abs() < 0.03
            same = level & ((n * normal).sum(-1, keepdim=True) > 0.85)
            tap = torch.ones(v.shape[-1], device=sums.device)
            if abs(step) == 2:
                tap = torch.where(torch.arange(2 * count, device=sums.device) % count == count - 1, 1.0, 0.5)
            elif abs(step) == 4:
                tap *= 0.5
            total[..., channels] += tap * same * (inside if axis == 2 else inside[:, None]) * v
        sums = total
    return (sums[..., :count] + prior) / (sums[..., count:] + 1.0)


def _antialias(scene, camera, poses, picture: Tensor, primitive: Tensor, normal: Tensor) -> Tensor:
    """Trace three more rays in pixels on edges; each takes its colour from the neighbour with the same surface."""
    edge = torch.zeros_like(primitive, dtype=torch.bool)
    flat = torch.nan_to_num(normal)
    for axis in (1, 2):
        size = primitive.shape[axis] - 1
        a, b = (primitive.narrow(axis, s, size) for s in (0, 1))
        bend = (flat.narrow(axis, 0, size) * flat.narrow(axis, 1, size)).sum(-1) < 0.7
        differ = (a != b) | (bend & (a >= 0) & (b >= 0))
        edge.narrow(axis, 0, size).logical_or_(differ)
        edge.narrow(axis, 1, size).logical_or_(differ)
    batch, height, width = primitive.shape
    order = pixel_order(height, width, picture.device)
    which = torch.arange(batch, device=picture.device)[:, None] * (height * width) + order[None]
    at = which.reshape(-1)[edge.reshape(-1)[which.reshape(-1)]]  # flat indices of edge pixels, tile by tile
    if not len(at):
        return picture
    view, row, column = at // (height * width), (at // width) % height, at % width
    center = camera_directions(camera, picture.device)[row, column]
    focal = torch.tensor([camera.K[0, 0], camera.K[1, 1]], dtype=torch.float32, device=picture.device)
    rotation, origin = poses[view, :3, :3], poses[view, :3, 3]
    colors, owners = picture.reshape(-1, 3), primitive.reshape(-1)
    shifts = torch.tensor(_SUBPIXELS, device=picture.device) / focal  # (4, 2)
    moved = center[:, None].repeat(1, len(shifts), 1)
    moved[..., :2] += shifts
    turned = torch.einsum("nij,nkj->nki", rotation, moved)
    starts = origin[:, None].expand_as(turned).reshape(-1, 3)
    found = closest_hits(scene, starts, turned.reshape(-1, 3), PACKET).primitive.view(-1, len(shifts))
    source = at[:, None].repeat(1, len(shifts))
    missing = owners[source] != found
    for dy, dx in ((0, -1), (0, 1), (-1, 0), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)):
        r, c = row + dy, column + dx
        inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
        near = (at + torch.where(inside, dy * width + dx, 0))[:, None]
        take = missing & (owners[near] == found)
        source = torch.where(take, near, source)
        missing &= ~take
    out = colors.clone()
    out[at] = (colors[at] + colors[source].sum(1)) / (1 + len(shifts))
    return out.view_as(picture)
