"""A key frame as the reference path keeps it: one ray for each pixel that has a label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, PosedDepth
from depth_perception.geometry import camera as cameras


@dataclass(frozen=True, eq=False)
class RayImage:
    """Rays of one image whose camera stood at ``T`` (4, 4) in the world, with matrix ``K`` (3, 3).

    ``image_depth`` float32 (height, width) is what it measured, NaN unknown. Rays of the labelled pixels: unit
    ``directions`` float32 (n, 3) in the world, ``along`` (n,) that turns a ray's length into depth z, ``color`` (n, 3)
    in [0, 1], ``depth`` (n,) in metres or NaN, ``normals`` (n, 3) in the world or NaN. ``groups`` int32 (n,) is each
    ray's place in ``labels`` (g,), the image's own numbers in rising order.
    """

    T: NDArray[np.float64]
    K: NDArray[np.float64]
    image_depth: NDArray[np.float32]
    directions: NDArray[np.float32]
    along: NDArray[np.float32]
    color: NDArray[np.float32]
    depth: NDArray[np.float32]
    normals: NDArray[np.float32]
    groups: NDArray[np.int32]
    labels: NDArray[np.int32]

    @property
    def origin(self) -> NDArray[np.float32]:
        """Where the rays start (3,)."""
        return self.T[:3, 3].astype(np.float32)

    @property
    def objects(self) -> int:
        """Number of labels that are objects."""
        return int((self.labels > 0).sum())


FIELDS = ("T", "K", "image_depth", "directions", "along", "color", "depth", "normals", "groups", "labels")


def ray_image(frame: PosedDepth, normals: NDArray[np.float32]) -> RayImage:
    """Return the rays of a checked frame; ``normals`` (height, width, 3) in the camera's frame may be NaN."""
    assert frame.labels is not None
    known = frame.labels >= 0
    T = np.asarray(frame.T_world_camera, np.float64)
    directions, along = unit_rays(frame.camera, T, known)
    labels, groups = np.unique(frame.labels[known], return_inverse=True)
    depth = np.where(frame.depth > 0, frame.depth, np.nan).astype(np.float32)
    return RayImage(
        T,
        np.asarray(frame.camera.K, np.float64),
        depth,
        directions,
        along,
        frame.image[known].astype(np.float32) / 255.0,
        depth[known],
        (normals[known] @ T[:3, :3].T).astype(np.float32),
        groups.astype(np.int32),
        labels.astype(np.int32),
    )


def unit_rays(
    camera: CameraModel, T: NDArray[np.float64], chosen: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return unit directions (n, 3) in the world of the chosen pixels (height, width), and z over length (n,)."""
    rays = cameras.rays(camera)[chosen]
    length = np.linalg.norm(rays, axis=1)
    world = (rays / length[:, None]) @ T[:3, :3].T
    return world.astype(np.float32), (1.0 / length).astype(np.float32)


def sees(frame: RayImage, points: NDArray, slack: float) -> NDArray[np.bool_]:
    """Return which points (n, 3) of the world the image shows: no more than ``slack`` metres behind what it measured.

    Where it measured nothing, a point in view counts as seen.
    """
    local = (points - frame.T[:3, 3]) @ frame.T[:3, :3]
    z = np.where(local[:, 2] > 1e-6, local[:, 2], np.nan)
    column = np.rint(frame.K[0, 0] * local[:, 0] / z + frame.K[0, 2])
    row = np.rint(frame.K[1, 1] * local[:, 1] / z + frame.K[1, 2])
    height, width = frame.image_depth.shape
    out = (column >= 0) & (row >= 0) & (column < width) & (row < height)
    depth = frame.image_depth[row[out].astype(int), column[out].astype(int)]
    out[out] = ~(z[out] > depth + slack)
    return out
