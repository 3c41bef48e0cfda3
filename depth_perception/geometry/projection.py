"""From a range scan to measured pixels: undo the motion during the scan, project, keep the nearest of each pixel.

``occlusion.remove_hidden``, the step after these, is given here too, so that the whole way stands in one place.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from depth_perception.frames import CameraModel, PointCloud, SparseDepth
from depth_perception.geometry import camera as cameras
from depth_perception.geometry import transforms
from depth_perception.geometry.occlusion import remove_hidden

__all__ = ["deskew", "project_cloud", "remove_hidden"]


def project_cloud(
    cloud: PointCloud,
    T_camera_lidar: ArrayLike,
    camera: CameraModel,
    min_depth: float = 0.1,
    max_depth: float = np.inf,
) -> SparseDepth:
    """Return the depth that a cloud measures at single pixels of a camera.

    ``T_camera_lidar`` (4, 4) maps the cloud's frame to the camera's (see geometry.camera for which frame that is).
    Points outside the image, not finite, or with depth outside [min_depth, max_depth] are left out. Where several
    fall on one pixel the nearest stays (the first of equals), so the result does not depend on the
    order of memory. ``source`` is the index into the cloud, in ascending order; ``ring`` is carried along.
    """
    T = np.asarray(T_camera_lidar, np.float64)
    if T.shape != (4, 4):
        raise ValueError(f"T_camera_lidar must have shape (4, 4), got {T.shape}")
    points = cloud.points
    # float32 is ample to decide what lies ahead; half the cloud or more ends here
    z = points @ T[2, :3].astype(np.float32) + np.float32(T[2, 3])
    slack = np.float32(1e-4)
    source = np.flatnonzero((z >= min_depth * (1 - slack) - slack) & (z <= max_depth * (1 + slack) + slack))
    chosen = np.ascontiguousarray(points[source].T, np.float64)  # (3, k)
    x, y, z = (T[i, 0] * chosen[0] + T[i, 1] * chosen[1] + T[i, 2] * chosen[2] + T[i, 3] for i in range(3))
    u, v = cameras.project_columns(camera, x, y, z)
    # pixel i covers [i - 0.5, i + 0.5): comparisons with NaN are False, so unseen points go as well
    seen = (u >= -0.5) & (u < camera.width - 0.5) & (v >= -0.5) & (v < camera.height - 0.5)
    seen &= (z >= min_depth) & (z <= max_depth)
    picked = np.flatnonzero(seen)
    columns = np.floor(u[picked] + 0.5).astype(np.int32)
    rows = np.floor(v[picked] + 0.5).astype(np.int32)
    depth = z[picked].astype(np.float32)
    front = _nearest_of_each(rows * np.int32(camera.width) + columns, depth, camera.width * camera.height)
    index = source[picked[front]].astype(np.int32)
    ring = None if cloud.ring is None else cloud.ring[index]
    return SparseDepth(camera.shape, rows[front], columns[front], depth[front], index, ring)


def deskew(cloud: PointCloud, T_fixed_lidar_at: Callable[[int], ArrayLike], stamp: int, bins: int = 32) -> PointCloud:
    """Return the cloud as if all its points had been measured at ``stamp``.

    ``T_fixed_lidar_at(stamp)`` (4, 4) is where the sensor was, in a frame in which the world stands still; what it
    raises is passed on. It is asked at ``bins`` + 1 stamps over the scan, and matrices are blended between them:
    exact for straight motion, and for a turn off by an eighth of the squared angle of one bin (at 1 rad/s, a
    10 Hz scan and 32 bins: 0.1 mm at 100 m). A cloud without times moves as one piece. The result carries no times.
    """
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    back = transforms.invert(T_fixed_lidar_at(stamp))
    if cloud.time is None or not len(cloud):
        poses, place, share = [back @ np.asarray(T_fixed_lidar_at(cloud.stamp))], None, None
    else:
        first, last = float(cloud.time.min()), float(cloud.time.max())
        if not np.isfinite(last - first):
            raise ValueError(f"point times from {first} to {last} are not finite")
        bins = bins if last > first else 1
        edges = [cloud.stamp + round((first + (last - first) * i / bins) * 1e9) for i in range(bins + 1)]
        poses = [back @ np.asarray(T_fixed_lidar_at(edge)) for edge in edges]
        at = (cloud.time - first) * (bins / (last - first) if last > first else 0.0)
        place = np.minimum(at.astype(np.intp), bins - 1)
        share = (at - place)[:, None]
    if place is None or share is None:
        points = transforms.apply(poses[0], cloud.points)
    else:
        stack = np.stack(poses)[:, :3]  # (bins + 1, 3, 4)
        flat = stack.reshape(len(stack), 12)
        steps = np.diff(flat, axis=0)
        M = (flat[place] + share * steps[place]).reshape(-1, 3, 4)
        points = np.einsum("nij,nj->ni", M[:, :, :3], cloud.points) + M[:, :, 3]
    return PointCloud(stamp, cloud.frame_id, points.astype(np.float32), cloud.intensity, cloud.ring, None)


def _nearest_of_each(pixel: NDArray[np.int32], depth: NDArray[np.float32], size: int) -> NDArray[np.intp]:
    """Indices, ascending, of the values that win their pixel: the least depth, then the first."""
    buffer = np.full(size, np.inf, np.float32)
    np.minimum.at(buffer, pixel, depth)
    front = np.flatnonzero(depth == buffer[pixel])
    owner = np.empty(size, np.intp)
    owner[pixel[front[::-1]]] = front[::-1]  # of repeated indices the last assignment holds: the first point
    return front[owner[pixel[front]] == front]
