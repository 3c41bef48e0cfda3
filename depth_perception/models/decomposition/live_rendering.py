"""What a camera would see of the live path's surface: rays that step through the fused distances."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from depth_perception.frames import CameraModel
from depth_perception.geometry import camera as cameras
from depth_perception.models.decomposition.live import LiveScene

_STEPS = 400
_BOLD = 0.8  # share of the distance that a ray steps on, as distances are not exact


def render_surface(
    scene: LiveScene, camera: CameraModel, T: NDArray[np.float64], stride: int
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]]:
    """Return channels, confidence, depth z and colour of each ``stride``-th pixel; -1, 0, NaN and black unseen."""
    rays = cameras.rays(camera)[::stride, ::stride]
    shape = rays.shape[:2]
    R, t = (torch.from_numpy(x).to(scene.device, torch.float32) for x in (T[:3, :3].copy(), T[:3, 3].copy()))
    directions = torch.from_numpy(np.ascontiguousarray(rays.reshape(-1, 3))).to(scene.device) @ R.T
    depth = _meet(scene, t, directions)
    hit = torch.isfinite(depth)
    points = t + directions[hit] * depth[hit, None]
    channel, confidence, _ = scene.assign(points)
    labels = np.full(shape, -1, np.int32)
    sure = np.zeros(shape, np.float32)
    color = np.zeros((*shape, 3), np.uint8)
    at = hit.cpu().numpy().reshape(shape)
    labels[at], sure[at] = channel.cpu().numpy(), confidence.cpu().numpy()
    color[at] = scene.field.colors(points).cpu().numpy()
    return labels, sure, depth.cpu().numpy().reshape(shape), color


def _meet(scene: LiveScene, origin: Tensor, directions: Tensor) -> Tensor:
    """Return the depth z (n,) at which rays, scaled to z = 1, pass from outside to inside; NaN where they do not."""
    grid, surface = scene.grid, scene.surface
    low = torch.tensor(grid.low, dtype=torch.float32, device=origin.device)
    high = low + grid.cell * (torch.tensor(grid.shape, dtype=torch.float32, device=origin.device) - 1)
    safe = torch.where(directions.abs() < 1e-9, torch.full_like(directions, 1e-9), directions)
    ends = torch.stack([(low - origin) / safe, (high - origin) / safe])
    near, far = ends.amin(0).amax(1).clamp_min(1e-3), ends.amax(0).amin(1)
    length = directions.norm(dim=1)
    out = torch.full_like(near, float("nan"))
    ray = torch.nonzero(far > near)[:, 0]
    depth = near[ray] + 1e-4
    before = torch.full_like(depth, float("nan"))  # the last distance, NaN where the last place was not observed
    last = depth.clone()
    for _ in range(_STEPS):
        if not len(ray):
            break
        points = origin + directions[ray] * depth[:, None]
        distance, known = surface.sample(points)
        crossed = known & (distance <= 0) & (before > 0)
        if crossed.any():
            part = before[crossed] / (before[crossed] - distance[crossed])
            out[ray[crossed]] = last[crossed] + part * (depth[crossed] - last[crossed])
        step = torch.where(known & (distance > 0), _BOLD * distance, surface.front * 0.5).clamp_min(0.3 * grid.cell)
        stuck = known & (distance <= 0) & ~crossed  # inside, coming from where nothing was seen: a back side
        last, before = depth, torch.where(known, distance, torch.nan)
        depth = depth + step / length[ray]
        go = ~crossed & ~stuck & (depth < far[ray])
        ray, depth, last, before = ray[go], depth[go], last[go], before[go]
    return out
