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
        _, ny, nz = grid.shape
        strides = torch.tensor([ny * nz, nz, 1], device=device)
        self._brick_node, self._inside_node = (self._bricks * strides).sum(1), (self._inside * strides).sum(1)

    def add(self, frame: PosedDepth) -> tuple[Tensor, Tensor]:
        """Fuse one frame; return the nodes (m,) it saw near a surface, and the pixel (m,) each was seen at."""
        device = self.distance.device
        depth = torch.from_numpy(np.nan_to_num(frame.depth, nan=0.0, posinf=0.0)).to(device)
        height, width = frame.depth.shape
        R, t, K = _pose(frame, device)
        bricks = self._in_view(depth, R, t, K)
        low = torch.tensor(self.grid.low, dtype=torch.float32, device=device)
        origin = (low + self._bricks[bricks] * self.grid.cell - t) @ R
        offset = (self._inside * self.grid.cell).float() @ R
        x, y, z = (origin[:, None, k] + offset[None, :, k] for k in range(3))  # (bricks, nodes of each)
        near = 1.0 / z.clamp_min(1e-3)
        u = torch.round((K[0, 0] * x).mul_(near).add_(K[0, 2]))
        v = torch.round((K[1, 1] * y).mul_(near).add_(K[1, 2]))
        seen = (u.clamp(0, width - 1) == u) & (v.clamp(0, height - 1) == v) & (z > 1e-3)
        left = torch.tensor(self.grid.shape, device=device) - self._bricks[bricks]
        edge = (left < _BRICK).any(1)
        seen[edge] &= (self._inside[None] < left[edge][:, None]).all(2)
        pixel = torch.where(seen, v.mul_(width).add_(u), 0.0).to(torch.int32)  # exact up to 2^24
        measured = depth.reshape(-1)[pixel.reshape(-1)].reshape(z.shape)
        seen &= (measured > 0) & (measured - z > -self.behind / _STEEPEST)
        chosen = torch.nonzero(seen.reshape(-1))[:, 0]  # selecting once is much faster than with masks again and again
        nodes = self._brick_node[bricks][chosen // len(offset)] + self._inside_node[chosen % len(offset)]
        z, measured = z.reshape(-1)[chosen], measured.reshape(-1)[chosen]
        pixel = pixel.reshape(-1)[chosen].long()
        cosine, stretch = (torch.from_numpy(x).to(device).reshape(-1) for x in _angles(frame))
        distance = (measured - z) * stretch[pixel] * cosine[pixel].clamp_min(_STEEPEST)
        fits = torch.nonzero(distance > -self.behind)[:, 0]
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

    def _in_view(self, depth: Tensor, R: Tensor, t: Tensor, K: Tensor) -> Tensor:
        """Return the indices (n,) of the bricks that may hold nodes in front of what was measured, or just behind."""
        half = 0.5 * (_BRICK - 1) * self.grid.cell
        low = torch.tensor(self.grid.low, dtype=torch.float32, device=R.device)
        x, y, z = ((low + self._bricks * self.grid.cell + half - t) @ R).unbind(1)
        radius = half * 3**0.5 + self.grid.cell
        height, width = depth.shape
        keep = (z > -radius) & (z < float(depth.max()) + self.behind / _STEEPEST + radius)
        for value, focal, middle, size in ((x, K[0, 0], K[0, 2], width), (y, K[1, 1], K[1, 2], height)):
            for edge, sign in ((-0.5, 1.0), (size - 0.5, -1.0)):
                slope = (edge - middle) / focal  # inside this side of the frustum: sign * (value - slope z) > 0
                keep &= sign * (value - slope * z) > -radius * torch.sqrt(1 + slope**2)
        bricks = torch.nonzero(keep)[:, 0]
        ball = x[bricks], y[bricks], z[bricks], K, radius
        farthest, nearest = _largest(depth, *ball), -_largest(-depth, *ball)
        keep = (farthest > 0) & (ball[2] - radius < farthest + self.behind / _STEEPEST)
        empty = keep & (nearest - ball[2] - radius > self.front / _STEEPEST)
        keep[empty] = ~self._known_empty(bricks[empty])
        return bricks[keep]

    def _known_empty(self, bricks: Tensor) -> Tensor:
        """Return which bricks (n,) were seen as empty in all their nodes: seeing so again would change nothing."""
        nodes = (self._brick_node[bricks][:, None] + self._inside_node).clamp_max(self.grid.size - 1)
        return ((self.weight[nodes] > 0) & (self.distance[nodes] >= self.front)).all(1)


def _largest(image: Tensor, x: Tensor, y: Tensor, z: Tensor, K: Tensor, radius: float) -> Tensor:
    """Return the largest value (n,) of an image (h, w) where balls around (x, y, z) (n,) appear, or a larger one."""
    height, width = image.shape
    ahead = (z - radius).clamp_min(1e-3)
    # of a ball beside the axis the picture is wider; far to the side, or around the camera, everything counts
    tilt = 1 + torch.maximum(x.abs(), y.abs()) / ahead
    pixels = torch.maximum(K[0, 0], K[1, 1]) * radius / ahead * tilt + 1
    levels = int(np.ceil(np.log2(max(height, width))))
    level = torch.ceil(torch.log2(pixels)).clamp(0, levels).long()
    out = torch.full_like(z, float(image.max()))
    largest = image[None, None]
    for k in range(levels):
        here = level == k
        if here.any():
            u = (torch.round(K[0, 0] * x[here] / z[here] + K[0, 2]) / 2**k).floor().long()
            v = (torch.round(K[1, 1] * y[here] / z[here] + K[1, 2]) / 2**k).floor().long()
            around = torch.nn.functional.max_pool2d(largest, 3, 1, 1)[0, 0]
            rows, columns = around.shape
            # what lies outside of the image is seen, if at all, through the tile at its edge
            out[here] = around[v.clamp(0, rows - 1), u.clamp(0, columns - 1)]
        largest = torch.nn.functional.max_pool2d(largest, 2, 2, ceil_mode=True)
    return out


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
