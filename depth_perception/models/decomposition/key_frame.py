"""A key frame as a fit keeps it: measured points with the labels of their image, numbered from 0."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import PosedDepth
from depth_perception.geometry import camera as cameras

_BORDER = 2  # pixels
_INNER = 0.3  # share of a mask away from borders from which those are not sure


@dataclass(frozen=True, eq=False)
class LabelledPoints:
    """Points float32 (n, 3) of one image in the world, and the group int32 (n,) of each: its place in ``labels`` (g,).

    ``labels`` are the image's own numbers in rising order. Points whose label is unknown (-1) are not here. ``sure``
    (n,) are those with one label all around in the image, and all of a label that has few such ones.
    """

    points: NDArray[np.float32]
    groups: NDArray[np.int32]
    labels: NDArray[np.int32]
    sure: NDArray[np.bool_]

    @property
    def objects(self) -> int:
        """Number of labels that are objects."""
        return int((self.labels > 0).sum())


def check_frame(frame: PosedDepth) -> None:
    """Raise ValueError naming the field and its value if a frame cannot be a key frame."""
    cameras.check_camera(frame.camera)
    shape = frame.camera.shape
    if not cameras.is_pinhole(frame.camera):
        raise ValueError(f"camera must be an undistorted pinhole, got {frame.camera.distortion_model!r}")
    if frame.depth.shape != shape:
        raise ValueError(f"depth has shape {frame.depth.shape}, its camera {shape}")
    if frame.image.shape != (*shape, 3) or frame.image.dtype != np.uint8:
        raise ValueError(f"image must be uint8 of shape {(*shape, 3)}, got {frame.image.dtype} {frame.image.shape}")
    if frame.labels is None:
        raise ValueError("labels are None: a key frame needs labels")
    if frame.labels.shape != shape or not np.issubdtype(frame.labels.dtype, np.integer):
        raise ValueError(f"labels must be integers of shape {shape}, got {frame.labels.dtype} {frame.labels.shape}")
    if frame.labels.size and int(frame.labels.min()) < -1:
        raise ValueError(f"labels must be -1, 0 or object numbers, got {int(frame.labels.min())}")
    T = np.asarray(frame.T_world_camera, np.float64)
    if T.shape != (4, 4) or not np.isfinite(T).all() or not np.allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-3):
        raise ValueError(f"T_world_camera {T.tolist()} is not a rigid transform")


def labelled_points(
    frame: PosedDepth, low: NDArray, high: NDArray, most: int, rng: np.random.Generator
) -> LabelledPoints:
    """Return up to ``most`` measured points of a checked frame inside the box from ``low`` to ``high`` (3,)."""
    assert frame.labels is not None
    usable = np.isfinite(frame.depth) & (frame.depth > 0) & (frame.labels >= 0)
    rays = cameras.rays(frame.camera)[usable]
    T = np.asarray(frame.T_world_camera, np.float64)
    points = (rays * frame.depth[usable][:, None]) @ T[:3, :3].T + T[:3, 3]
    numbers, inner = frame.labels[usable], inner_pixels(frame.labels)[usable]
    inside = ((points >= low) & (points <= high)).all(1)
    points, numbers, inner = points[inside], numbers[inside], inner[inside]
    if len(points) > most:
        chosen = np.sort(rng.permutation(len(points))[:most])
        points, numbers, inner = points[chosen], numbers[chosen], inner[chosen]
    labels, groups = np.unique(numbers, return_inverse=True)
    share = np.bincount(groups, inner, len(labels)) >= _INNER * np.bincount(groups, minlength=len(labels))
    sure = inner | ~share[groups]  # masks are wrong at their borders, but of thin things those are all there is
    return LabelledPoints(points.astype(np.float32), groups.astype(np.int32), labels.astype(np.int32), sure)


def inner_pixels(labels: NDArray) -> NDArray[np.bool_]:
    """Return (height, width) True where all pixels up to two away have the same label."""
    values = labels.astype(np.float32)  # exact up to 2^24
    side = np.ones((2 * _BORDER + 1, 2 * _BORDER + 1), np.uint8)
    return cv2.erode(values, side) == cv2.dilate(values, side)
