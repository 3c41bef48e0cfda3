"""The coloured cloud of a depth image, seen from a place where the camera was not.

A shifted view shows at once what a depth picture hides: bent walls, points hanging behind edges,
a scale that is off.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, FloatImage
from depth_perception.geometry.camera import rays
from depth_perception.geometry.clouds import depth_to_points, flying_pixels
from depth_perception.geometry.transforms import apply

BACKGROUND = (228, 231, 236)  # RGB


def orbit(depth: FloatImage, yaw: float = 13.0, pitch: float = 10.0, back: float = 0.15) -> NDArray[np.float64]:
    """Return T_view_camera of a viewer who circles around the middle of the scene.

    The pivot lies on the optical axis at the median depth; ``yaw`` moves the viewer to the left,
    ``pitch`` upwards (degrees), ``back`` away by that share of the pivot's distance.
    """
    valid = depth[np.isfinite(depth) & (depth > 0)]
    distance = float(np.median(valid)) if valid.size else 1.0
    cy, sy = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    cp, sp = np.cos(np.radians(pitch)), np.sin(np.radians(pitch))
    around_y = np.array([[cy, 0.0, -sy], [0.0, 1.0, 0.0], [sy, 0.0, cy]])
    around_x = np.array([[1.0, 0.0, 0.0], [0.0, cp, -sp], [0.0, sp, cp]])
    T = np.eye(4)
    T[:3, :3] = around_x @ around_y
    pivot = np.array([0.0, 0.0, distance])
    T[:3, 3] = pivot - T[:3, :3] @ pivot + np.array([0.0, 0.0, back * distance])
    return T


def render_cloud(
    depth: FloatImage,
    image: NDArray[np.uint8],
    camera: CameraModel,
    T_view_camera: NDArray[np.float64] | None = None,
    flying_threshold: float = 0.05,
) -> NDArray[np.uint8]:
    """Return RGB (height, width, 3): the pixels of ``image`` as points at ``depth`` [m], seen from elsewhere.

    The viewer's camera is ``camera`` without distortion; default place is ``orbit(depth)``. Points
    cover as much of the view as their pixel did; nearer points hide farther ones. Pixels between
    two surfaces are left out. Raises ValueError if the sizes differ.
    """
    if depth.shape != image.shape[:2] or depth.shape != camera.shape:
        raise ValueError(f"depth {depth.shape}, image {image.shape[:2]} and camera {camera.shape} differ in size")
    T = orbit(depth) if T_view_camera is None else T_view_camera
    out = np.empty((*depth.shape, 3), np.uint8)
    out[:] = BACKGROUND
    keep = np.isfinite(depth) & (depth > 0) & ~flying_pixels(depth, flying_threshold)
    if not keep.any():
        return out
    points = apply(T, depth_to_points(depth, rays(camera))[keep].astype(np.float64))
    colors, own_depth = image[keep], depth[keep]
    front = points[:, 2] > 0.05
    points, colors, own_depth = points[front], colors[front], own_depth[front]
    K = camera.K
    z = points[:, 2]
    columns = np.round(K[0, 0] * points[:, 0] / z + K[0, 2]).astype(np.int64)
    rows = np.round(K[1, 1] * points[:, 1] / z + K[1, 2]).astype(np.int64)
    # a pixel of width w at depth d has width w d / z in the view; a little more closes rounding gaps
    half = np.clip(np.ceil(0.75 * own_depth / z - 0.25), 0, 3).astype(np.int64)
    nearest = np.full(depth.shape, np.inf)
    source = np.full(depth.shape, -1, np.int64)
    order = np.argsort(-z, kind="stable")  # far to near, so that the last write is the nearest
    rows, columns, z, half, colors = rows[order], columns[order], z[order], half[order], colors[order]
    height, width = depth.shape
    reach = int(half.max(initial=0))
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            drawn = half >= max(abs(dy), abs(dx))
            y, x = rows[drawn] + dy, columns[drawn] + dx
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            index = np.nonzero(drawn)[0][inside]
            flat = y[inside] * width + x[inside]
            # np.put keeps the last value, which is the nearest of this offset
            layer = np.full(height * width, -1, np.int64)
            layer[flat] = index
            hit = layer >= 0
            layer_z = np.where(hit, z[layer], np.inf).reshape(height, width)
            # a footprint must not grow over a surface that is really there, hence the small penalty
            layer_z *= 1.0 + 0.002 * (abs(dy) + abs(dx))
            closer = layer_z < nearest
            nearest[closer] = layer_z[closer]
            source[closer] = layer.reshape(height, width)[closer]
    seen = source >= 0
    out[seen] = colors[source[seen]]
    return out
