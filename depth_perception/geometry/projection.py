"""From a range scan to measured pixels: undo the motion during the scan, project, keep the nearest of each pixel.

``occlusion.remove_hidden``, the step after these, is given here too, so that the whole way stands in one place.
"""

from __future__ import annotations

import itertools
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
    source = _roughly_in_view(cloud.points, T, camera, min_depth, max_depth)
    chosen = cloud.points if len(source) == len(cloud) else np.take(cloud.points, source, axis=0)
    x, y, z = T[:3, :3] @ chosen.T.astype(np.float64) + T[:3, 3:]  # each (k,)
    u, v = cameras.project_columns(camera, x, y, z)
    # pixel i covers [i - 0.5, i + 0.5): comparisons with NaN are False, so unseen points go as well
    u += 0.5
    v += 0.5
    seen = (u >= 0.0) & (u < camera.width) & (v >= 0.0) & (v < camera.height)
    seen &= (z >= min_depth) & (z <= max_depth)
    if not seen.all():
        source, u, v, z = source[seen], u[seen], v[seen], z[seen]
    columns, rows, depth = u.astype(np.int32), v.astype(np.int32), z.astype(np.float32)  # all >= 0, so this rounds down
    front = _nearest_of_each(rows * np.int32(camera.width) + columns, depth, camera.width * camera.height)
    index = source[front].astype(np.int32)
    ring = None if cloud.ring is None else cloud.ring[index]
    return SparseDepth(camera.shape, rows[front], columns[front], depth[front], index, ring)


def deskew(cloud: PointCloud, T_fixed_lidar_at: Callable[[int], ArrayLike], stamp: int, bins: int = 32) -> PointCloud:
    """Return the cloud as if all its points had been measured at ``stamp``.

    ``T_fixed_lidar_at(stamp)`` (4, 4) is where the sensor was, in a frame in which the world stands still; what it
    raises is passed on. It is asked at ``bins`` + 1 stamps over the scan, and matrices are blended between them:
    exact for straight motion, and for a turn off by an eighth of the squared angle of one bin (at 1 rad/s, a
    10 Hz scan and 32 bins: 0.1 mm at 100 m). A cloud without times moves as one piece. The result carries no times.
    """
    if not 1 <= bins <= 10_000:
        raise ValueError(f"bins must lie between 1 and 10000, got {bins}")
    back = transforms.invert(T_fixed_lidar_at(stamp))
    if cloud.time is None or not len(cloud):
        points = transforms.apply(back @ np.asarray(T_fixed_lidar_at(cloud.stamp)), cloud.points)
        return PointCloud(stamp, cloud.frame_id, points.astype(np.float32), cloud.intensity, cloud.ring, None)
    first, last = float(cloud.time.min()), float(cloud.time.max())
    if not np.isfinite(last - first):
        raise ValueError(f"point times from {first} to {last} are not finite")
    bins = bins if last > first else 1
    edges = [cloud.stamp + round((first + (last - first) * i / bins) * 1e9) for i in range(bins + 1)]
    poses = [(back @ np.asarray(T_fixed_lidar_at(edge)))[:3] for edge in edges]
    at = (cloud.time - first) * (bins / (last - first) if last > first else 0.0)
    points = _move_by_bins(cloud.points, at, poses)
    return PointCloud(stamp, cloud.frame_id, points, cloud.intensity, cloud.ring, None)


def _move_by_bins(
    points: NDArray[np.float32], at: NDArray[np.float64], poses: list[NDArray[np.float64]]
) -> NDArray[np.float32]:
    """Move each point by the pose (3, 4) that lies at ``at`` in the list, blended between its two neighbours."""
    place = np.minimum(at.astype(np.int16), len(poses) - 2)
    order = np.argsort(place, kind="stable")  # a radix sort: cheap next to gathering a matrix for every point
    sorted_points, sorted_at = points[order], at[order]
    bounds = np.searchsorted(place[order], np.arange(len(poses)))
    moved = np.empty((3, len(points)), np.float32)
    for i, (start, stop) in enumerate(itertools.pairwise(bounds.tolist())):
        if start == stop:
            continue
        columns = sorted_points[start:stop].T.astype(np.float64)  # (3, k)
        step = poses[i + 1] - poses[i]
        turned = step[:, :3] @ columns + step[:, 3:]
        moved[:, start:stop] = poses[i][:, :3] @ columns + poses[i][:, 3:] + (sorted_at[start:stop] - i) * turned
    out = np.empty_like(points, np.float32)
    out[order] = moved.T
    return out


def _roughly_in_view(
    points: NDArray[np.float32], T: NDArray[np.float64], camera: CameraModel, min_depth: float, max_depth: float
) -> NDArray[np.intp]:
    """Indices of the points that may fall into the image; float32 with a margin is ample to drop the most of a scan."""
    x, y, z = T[:3, :3].astype(np.float32) @ points.T + T[:3, 3:].astype(np.float32)
    slack = np.float32(1e-3)
    keep = (z >= min_depth * (1 - slack) - slack) & (z <= max_depth * (1 + slack) + slack)
    if cameras.is_pinhole(camera):
        # without division: column * z and row * z against the image's border and two pixels more
        u = camera.K[0, 0] * x + (camera.K[0, 2] + 2.0) * z
        v = camera.K[1, 1] * y + (camera.K[1, 2] + 2.0) * z
        keep &= (u >= 0.0) & (u <= (camera.width + 4.0) * z) & (v >= 0.0) & (v <= (camera.height + 4.0) * z)
    return np.flatnonzero(keep)


def _nearest_of_each(pixel: NDArray[np.int32], depth: NDArray[np.float32], size: int) -> NDArray[np.intp]:
    """Indices, ascending, of the values that win their pixel: the least depth, then the first."""
    buffer = np.full(size, np.inf, np.float32)
    np.minimum.at(buffer, pixel, depth)
    front = np.flatnonzero(depth == buffer[pixel])
    owner = np.empty(size, np.intp)
    owner[pixel[front[::-1]]] = front[::-1]  # of repeated indices the last assignment holds: the first point
    return front[owner[pixel[front]] == front]
