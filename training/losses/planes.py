"""What rooms are made of: planes, mostly at right angles. Optional terms that GAM-Depth takes from StructDepth.

Li et al., *StructDepth: Leveraging the structural regularities for self-supervised indoor depth estimation* (ICCV
2021).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from depth_perception.geometry.warping import rays, unproject

_RIDGE = 5e-5  # of the sum of squared depths, added to the fit: the paper's 0.01 for its smallest regions at depth 1
_REACH = 3  # pixels to the neighbours that a normal is taken from


def plane_depth(depth: Tensor, K: Tensor, segment: Tensor, nearest: float, farthest: float) -> Tensor:
    """Return depth (B, 1, H, W) of the plane fitted to each region of ``segment`` (B, H, W), 0 where there is none.

    For each region n with n . X = 1 by least squares over its points X, with a small ridge that follows the unit of
    depth; the plane's depth along the ray r of a pixel is then 1 / (n . r), clamped to the range. Regions are numbered
    from 1 in each image.
    """
    batch, _, height, width = depth.shape
    points = unproject(depth.float(), K).permute(0, 2, 3, 1).reshape(-1, 3)  # (B H W, 3)
    most = int(segment.max()) + 1
    first = most * torch.arange(batch, device=depth.device)[:, None, None]
    index = (segment.long() + first).reshape(-1)
    outer = (points[:, :, None] * points[:, None]).reshape(-1, 9)
    square = depth.new_zeros(batch * most, 9, dtype=torch.float32).index_add(0, index, outer).view(-1, 3, 3)
    total = depth.new_zeros(batch * most, 3, dtype=torch.float32).index_add(0, index, points)
    ridge = (_RIDGE * square[:, 2, 2] + 1e-9)[:, None, None] * torch.eye(3, device=depth.device)
    normal = torch.linalg.solve((square + ridge).double(), total.double()).float()  # (B most, 3)
    ray = rays(K.float(), height, width).permute(0, 2, 3, 1).reshape(-1, 3)
    inverse = (normal[index] * ray).sum(1).clamp(1 / farthest, 1 / nearest)
    found = (1 / inverse).view(batch, 1, height, width)
    return torch.where(segment[:, None] > 0, found, 0.0)


def coplanarity(depth: Tensor, K: Tensor, segment: Tensor, nearest: float = 0.1, farthest: float = 10.0) -> Tensor:
    """Return the mean of |depth - depth of the fitted plane| over all pixels that are in a region, 0 without any."""
    inside = segment[:, None] > 0
    if not bool(inside.any()):
        return depth.sum() * 0
    away = (depth.float() - plane_depth(depth, K, segment, nearest, farthest)).abs()
    return away[inside].mean()


def normals(depth: Tensor, K: Tensor) -> Tensor:
    """Return unit normals (B, 3, H, W) of depth (B, 1, H, W), towards the camera; 3 pixels at the border repeat.

    Each is the mean of four cross products over the 8 neighbours at a distance of 3 pixels.
    """
    points = unproject(depth.float(), K)
    height, width = depth.shape[2:]
    r = _REACH
    middle = points[..., r:-r, r:-r]

    def toward(dy: int, dx: int) -> Tensor:
        return points[..., r + dy : height - r + dy, r + dx : width - r + dx] - middle

    ring = [(0, r), (r, r), (r, 0), (r, -r), (0, -r), (-r, -r), (-r, 0), (-r, r)]  # clockwise in the image
    total = torch.zeros_like(middle)
    for k, place in enumerate(ring):
        opposite = ring[(k + 2) % 8]  # a quarter turn on
        cross = torch.linalg.cross(toward(*opposite), toward(*place), dim=1)
        total = total + F.normalize(cross, dim=1)
    found = F.normalize(total, dim=1)
    return F.pad(found, (r, r, r, r), mode="replicate")


def manhattan(depth: Tensor, K: Tensor, segment: Tensor, directions: Tensor, epoch: int = 0) -> Tensor:
    """Return the mean of 1 - cosine between normals and the nearest main direction, where that is close already.

    ``directions`` (B, 6, 3) unit vectors in the camera's frame, all zero where unknown: such an image counts for
    nothing. Close is a cosine above 0.9 + 0.001633 ``epoch``, within a region of ``segment`` (B, H, W).
    """
    normal = normals(depth, K)
    # written out: in half precision, as autocast would have it, cosines near 1 are all alike
    cosine = (normal[:, None] * directions.float()[..., None, None]).sum(2).amax(1)  # (B, H, W)
    close = (cosine.detach() > 0.9 + 0.001633 * epoch) & (segment > 0)
    if not bool(close.any()):
        return depth.sum() * 0
    return (1 - cosine)[close].mean()
