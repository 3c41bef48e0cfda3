"""Geometry straight from measured depth: signed distances fused into a grid of nodes.

Truncated signed distances of many views are averaged (Curless and Levoy, SIGGRAPH 1996). The distance along a ray is
turned into one from the surface with the cosine of the angle to its normal. Behind a surface the weight fades, so
that thin things keep both their sides.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from depth_perception.frames import PosedDepth
from depth_perception.geometry import camera as cameras
from depth_perception.models.decomposition.grid import NodeGrid

_BRICK = 8  # nodes along a side that are culled together
_EDGE = 0.02  # share of the usual depth by which neighbours of one surface may differ
_STEEPEST = 0.25  # least cosine that a ray distance is multiplied by
_MOST = 60.0  # weight a node keeps at most, so that it can still change
BAND = 1.8  # cells around a surface in which nodes have colour and channels: all corners of its cells


class FusedSurface:
    """Signed distances ``distance`` (n,) in metres of a grid's nodes, NaN-free, with ``weight`` (n,), 0 unobserved."""

    def __init__(self, grid: NodeGrid, front: float, behind: float, device: str = "cpu"):
        self.grid = grid
        self.front, self.behind = front * grid.cell, behind * grid.cell
        self.distance = torch.full((grid.size,), self.front, device=device)
        self.weight = torch.zeros(grid.size, device=device)
        bricks = [torch.arange(0, n, _BRICK, device=device) for n in grid.shape]
        self._bricks = torch.stack([b.reshape(-1) for b in torch.meshgrid(*bricks, indexing="ij")], 1)
        inside = torch.arange(_BRICK, device=device)
        self._inside = torch.stack([b.reshape(-1) for b in torch.meshgrid(inside, inside, inside, indexing="ij")], 1)

    def add(self, frame: PosedDepth) -> tuple[Tensor, Tensor]:
        """Fuse one frame; return the nodes (m,) it saw near a surface, and the pixel (m,) each was seen at."""
        device = self.distance.device
        depth = torch.from_numpy(np.nan_to_num(frame.depth, nan=0.0, posinf=0.0)).to(device)
        farthest = float(depth.max()) + self.behind
        R, t, K = _pose(frame, device)
        nodes = self._in_view(frame, R, t, K, farthest)
        points = (self.grid.points(nodes) - t) @ R  # (n, 3) in the camera
        z = points[:, 2]
        safe = z.clamp_min(1e-3)
        u = torch.round(K[0, 0] * points[:, 0] / safe + K[0, 2])
        v = torch.round(K[1, 1] * points[:, 1] / safe + K[1, 2])
        height, width = frame.depth.shape
        seen = (z > 1e-3) & (u >= 0) & (v >= 0) & (u < width) & (v < height)
        nodes, z, pixel = nodes[seen], z[seen], (v[seen] * width + u[seen]).long()
        measured = depth.reshape(-1)[pixel]
        cosine, stretch = (torch.from_numpy(x).to(device).reshape(-1) for x in _angles(frame))
        distance = (measured - z) * stretch[pixel] * cosine[pixel].clamp_min(_STEEPEST)
        fits = (measured > 0) & (distance > -self.behind)
        nodes, distance, pixel = nodes[fits], distance[fits], pixel[fits]
        trust = cosine[pixel].clamp_min(_STEEPEST) * (1.0 + distance / self.behind).clamp(0.0, 1.0)
        new = distance.clamp_max(self.front)
        old = self.weight[nodes]
        total = old + trust
        self.distance[nodes] = (self.distance[nodes] * old + new * trust) / total.clamp_min(1e-9)
        self.weight[nodes] = total.clamp_max(_MOST)
        near = distance.abs() <= BAND * self.grid.cell
        return nodes[near], pixel[near]

    def sample(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return signed distances (n,) in metres at points (n, 3), and whether all corners were observed (n,)."""
        nodes, weights, inside = self.grid.corners(points)
        distance = (self.distance[nodes] * weights).sum(1)
        return distance, inside & (self.weight[nodes] > 0).all(1)

    def _in_view(self, frame: PosedDepth, R: Tensor, t: Tensor, K: Tensor, farthest: float) -> Tensor:
        """Return the nodes (n,) of all bricks that the camera may see, up to a depth."""
        nx, ny, nz = self.grid.shape
        half = 0.5 * (_BRICK - 1) * self.grid.cell
        low = torch.tensor(self.grid.low, dtype=torch.float32, device=R.device)
        centers = (low + self._bricks * self.grid.cell + half - t) @ R
        radius = half * 3**0.5 + self.grid.cell
        x, y, z = centers.unbind(1)
        height, width = frame.depth.shape
        keep = (z > -radius) & (z < farthest + radius)
        for value, focal, middle, size in ((x, K[0, 0], K[0, 2], width), (y, K[1, 1], K[1, 2], height)):
            for edge, sign in ((-0.5, 1.0), (size - 0.5, -1.0)):
                slope = (edge - middle) / focal  # inside this side of the frustum: sign * (value - slope z) > 0
                keep &= sign * (value - slope * z) > -radius * torch.sqrt(1 + slope**2)
        at = (self._bricks[keep][:, None] + self._inside[None]).reshape(-1, 3)
        at = at[(at[:, 0] < nx) & (at[:, 1] < ny) & (at[:, 2] < nz)]
        return (at[:, 0] * ny + at[:, 1]) * nz + at[:, 2]


def _pose(frame: PosedDepth, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    T = torch.from_numpy(np.asarray(frame.T_world_camera, np.float64)).to(device, torch.float32)
    return T[:3, :3], T[:3, 3], torch.from_numpy(np.asarray(frame.camera.K, np.float64)).to(device, torch.float32)


def image_normals(frame: PosedDepth) -> NDArray[np.float32]:
    """Return unit normals (height, width, 3) in the camera's frame, towards it; NaN where there is no depth.

    They are those of depth smoothed within surfaces; of the differences to both sides the smaller one counts, so
    that they hold up to the edge of a surface.
    """
    rays = cameras.rays(frame.camera)
    known = np.isfinite(frame.depth) & (frame.depth > 0)
    depth = np.where(known, frame.depth, 0.0).astype(np.float32)
    scale = _EDGE * float(np.median(depth[known])) if known.any() else 1.0
    points = rays * cv2.bilateralFilter(depth, 5, scale, 2.0)[..., None]
    normals = np.cross(_slope(points, depth, 0), _slope(points, depth, 1))
    length = np.linalg.norm(normals, axis=-1)
    away = (normals * rays).sum(-1) > 0
    length = np.where(known & (length > 0), np.where(away, -length, length), np.nan)
    return (normals / length[..., None]).astype(np.float32)


def _angles(frame: PosedDepth) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (height, width) the cosine between viewing ray and surface normal, and ray length over z."""
    rays = cameras.rays(frame.camera)
    stretch = np.linalg.norm(rays, axis=-1).astype(np.float32)
    cosine = -(image_normals(frame) * rays).sum(-1) / stretch
    return np.nan_to_num(cosine, nan=1.0).astype(np.float32), stretch


def _slope(points: NDArray[np.float32], depth: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Return differences (height, width, 3) to the next but one pixel, on the side where depth changes less."""
    width = [(0, 0)] * 2
    width[axis] = (2, 2)
    wide = np.pad(points, [*width, (0, 0)], mode="edge")
    far = np.pad(depth, width, constant_values=1e6)
    far[far == 0] = 1e6
    size = depth.shape[axis]
    here, before, after = (tuple(slice(k, k + size) if a == axis else slice(None) for a in (0, 1)) for k in (2, 0, 4))
    forward = np.abs(far[after] - far[here]) < np.abs(far[here] - far[before])
    return np.where(forward[..., None], wide[after] - wide[here], wide[here] - wide[before])
