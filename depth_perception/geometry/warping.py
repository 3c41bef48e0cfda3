"""Views of one camera from another in torch: lift pixels to points, move them, project them, fetch colours there.

Everything can be differentiated and is computed in float32 or better, whatever the caller's autocast: pixel positions
in half precision would be off by whole pixels. Pixel centres lie at integer coordinates; points are (x right, y down,
z forward) as REP 103 says. No distortion: K (B, 3, 3) is all of the camera.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_NEAREST = 1e-4  # depth below which a point is projected as if it lay there: behind the camera there is no pixel
_SMALL_ANGLE = 1e-2  # squared radians; below, the series is the more exact one


def pixel_grid(height: int, width: int, like: Tensor) -> Tensor:
    """Return column and row of every pixel, (2, H, W), with the dtype and device of ``like``."""
    rows = torch.arange(height, dtype=like.dtype, device=like.device)
    columns = torch.arange(width, dtype=like.dtype, device=like.device)
    return torch.stack(torch.broadcast_tensors(columns[None, :], rows[:, None]))


def rays(K: Tensor, height: int, width: int) -> Tensor:
    """Return K^-1 (u, v, 1) of every pixel, (B, 3, H, W): the points at depth 1."""
    u, v = pixel_grid(height, width, K)
    inverse = torch.linalg.inv(K)[..., None, None]  # (B, 3, 3, 1, 1)
    return inverse[:, :, 0] * u + inverse[:, :, 1] * v + inverse[:, :, 2]


def unproject(depth: Tensor, K: Tensor) -> Tensor:
    """Return the points (B, 3, H, W) in the camera's frame of ``depth`` (B, 1, H, W) along the optical axis.

    Units are those of the depth. Raises ValueError for other shapes.
    """
    if depth.ndim != 4 or depth.shape[1] != 1 or K.shape != (len(depth), 3, 3):
        raise ValueError(f"depth (B, 1, H, W) and K (B, 3, 3) wanted, got {tuple(depth.shape)} and {tuple(K.shape)}")
    depth = _exact(depth)
    return rays(K.to(depth.dtype), *depth.shape[2:]) * depth


def transform(points: Tensor, T: Tensor) -> Tensor:
    """Return ``points`` (B, 3, H, W) of frame b in frame a; ``T`` = T_a_b (B, 4, 4)."""
    points = _exact(points)
    T = T.to(points.dtype)[..., None, None]  # (B, 4, 4, 1, 1)
    turned = T[:, :3, 0] * points[:, :1] + T[:, :3, 1] * points[:, 1:2] + T[:, :3, 2] * points[:, 2:]
    return turned + T[:, :3, 3]


def project(points: Tensor, K: Tensor) -> tuple[Tensor, Tensor]:
    """Return where ``points`` (B, 3, H, W) appear: column and row (B, 2, H, W) in pixels, and z (B, 1, H, W).

    A point behind the camera has z <= 0, and its pixel means nothing; it is finite all the same.
    """
    points = _exact(points)
    K = K.to(points.dtype)[..., None, None]  # (B, 3, 3, 1, 1)
    z = points[:, 2:]
    flat = points[:, :2] / z.clamp_min(_NEAREST)
    return K[:, :2, 0] * flat[:, :1] + K[:, :2, 1] * flat[:, 1:] + K[:, :2, 2], z


def warp(
    source_image: Tensor, target_depth: Tensor, K: Tensor, T_source_target: Tensor, padding: str = "border"
) -> tuple[Tensor, Tensor]:
    """Return what the source shows at the surface that each target pixel sees, (B, C, H, W), and where that is so.

    ``source_image`` (B, C, h, w) may be anything that is given per pixel; ``target_depth`` (B, 1, H, W); both cameras
    have the intrinsics ``K`` (B, 3, 3). Values between pixels are bilinear. ``valid`` bool (B, 1, H, W): the depth is
    positive and finite, the surface lies in front of the source camera, and its pixel within the centres of the outer
    ones. Whether something nearer hides it there is not looked at. ``padding``: border repeats the outermost pixels,
    zeros is 0 outside, reflection mirrors. Gradients flow to image, depth and pose. Raises ValueError for other
    shapes.
    """
    if source_image.ndim != 4 or len(source_image) != len(target_depth):
        raise ValueError(f"as many images (B, C, h, w) as depths wanted, got {tuple(source_image.shape)}")
    known = torch.isfinite(target_depth) & (target_depth > 0)
    points = unproject(torch.where(known, target_depth, 1.0), K)
    pixels, z = project(transform(points, T_source_target), K)
    height, width = source_image.shape[2:]
    u, v = pixels[:, :1], pixels[:, 1:]
    valid = known & (z > _NEAREST) & (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)
    kind = torch.promote_types(_exact(source_image).dtype, pixels.dtype)
    # align_corners=True: -1 and 1 are the centres of the outermost pixels
    grid = torch.cat([2 * u / max(width - 1, 1) - 1, 2 * v / max(height - 1, 1) - 1], 1).permute(0, 2, 3, 1)
    image = F.grid_sample(source_image.to(kind), grid.to(kind), "bilinear", padding, align_corners=True)
    return image, valid


def se3(axis_angle: Tensor, translation: Tensor) -> Tensor:
    """Return rigid motions (B, 4, 4): turn by ``axis_angle`` (B, 3) radians, then move by ``translation`` (B, 3).

    Rodrigues' formula, whose gradient is right at angle 0 too.
    """
    if axis_angle.shape != translation.shape or axis_angle.ndim != 2 or axis_angle.shape[1] != 3:
        raise ValueError(f"(B, 3) twice wanted, got {tuple(axis_angle.shape)} and {tuple(translation.shape)}")
    w, t = _exact(axis_angle), _exact(translation)
    square = w.square().sum(1, keepdim=True)  # (B, 1)
    small = square < _SMALL_ANGLE
    angle = torch.where(small, 1.0, square).sqrt()  # the root of 0 has no gradient
    sine = torch.where(small, 1 - square / 6 + square.square() / 120, angle.sin() / angle)
    half = (0.5 * angle).sin() / angle
    cosine = torch.where(small, 0.5 - square / 24 + square.square() / 720, 2 * half.square())  # (1 - cos) / angle^2
    x, y, z = w[:, 0:1], w[:, 1:2], w[:, 2:3]
    zero = torch.zeros_like(x)
    cross = torch.cat([zero, -z, y, z, zero, -x, -y, x, zero], 1)  # (B, 9)
    outer = torch.cat([x * x, x * y, x * z, x * y, y * y, y * z, x * z, y * z, z * z], 1)
    unit = torch.eye(3, dtype=w.dtype, device=w.device).reshape(1, 9)
    rotation = (unit + sine * cross + cosine * (outer - square * unit)).view(-1, 3, 3)
    top = torch.cat([rotation, t[:, :, None]], 2)
    bottom = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=w.dtype, device=w.device).expand(len(w), 1, 4)
    return torch.cat([top, bottom], 1)


def _exact(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()
