"""Cameras: from points to pixels and back, at any crop, binning or size, raw or rectified.

Which frame points are in: that of the camera's ``header.frame_id``. ROS has one frame for the raw and the rectified
image of a camera, and it is the rectified one (``image_geometry`` projects points of that frame with P alone). So a
raw pixel is reached by turning a point back by R, then K and D; and z is always the depth along the axis of the named
frame, raw image or not. R is the identity for all cameras but those of a stereo pair. P's fourth column (the baseline
of a stereo pair) is not used: where a camera stands is told by its transform.

All arithmetic is float64; pixel centres lie at integer coordinates.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from depth_perception.frames import CameraModel
from depth_perception.geometry import distortion

Array = NDArray[np.float64]

_MAPS_KEPT = 8
_maps: OrderedDict[tuple, tuple[NDArray, NDArray]] = OrderedDict()
_maps_lock = threading.Lock()


def check_camera(camera: CameraModel) -> None:
    """Raise ValueError, naming field and value, if nothing can be projected with these numbers."""
    if camera.width <= 0 or camera.height <= 0:
        raise ValueError(f"camera size {camera.width} x {camera.height} is empty")
    K = np.asarray(camera.K, np.float64)
    if K.shape != (3, 3) or not np.isfinite(K).all() or K[0, 0] <= 0.0 or K[1, 1] <= 0.0:
        raise ValueError(f"camera matrix K {K.reshape(-1).tolist()} has no positive focal lengths: is it calibrated?")
    R = np.asarray(camera.R, np.float64)
    if R.shape != (3, 3) or not np.allclose(R @ R.T, np.eye(3), atol=1e-2):
        raise ValueError(f"rectification matrix R {R.reshape(-1).tolist()} is not a rotation")
    distortion.check(camera.distortion_model, camera.D)


def is_pinhole(camera: CameraModel) -> bool:
    """True if pixels are just K times x/z and y/z: no distortion, no rectifying rotation, no skew."""
    return _lens(camera) is None and _is_identity(camera.R) and not camera.K[0, 1]


def project(camera: CameraModel, points: ArrayLike) -> tuple[Array, Array]:
    """Project points (n, 3) in metres of the camera's frame into the image.

    Returns pixels (n, 2) float64 as (column, row) and depth z (n,). Pixels may lie outside the image. They are NaN
    for points that are not ahead of the camera, not finite, or beyond the angle up to which the distortion model
    can be inverted: such a point is not seen, even where the polynomial would fold it back into the image.
    """
    given = np.asarray(points)
    if given.ndim != 2 or given.shape[1] != 3:
        raise ValueError(f"points must have shape (n, 3), got {given.shape}")
    columns = np.ascontiguousarray(given.T, np.float64)  # (3, n)
    pixels = project_columns(camera, columns[0], columns[1], columns[2])
    return np.stack(pixels, axis=1), columns[2]


def project_columns(camera: CameraModel, x: Array, y: Array, z: Array) -> tuple[Array, Array]:
    """Project as project does, on separate float64 arrays (n,) x, y, z; returns columns and rows (n,)."""
    ahead = (z > 0.0) & (z < math.inf)
    if not _is_identity(camera.R):
        R = camera.R  # raw = R transposed times rectified
        x, y, z = (R[0, i] * x + R[1, i] * y + R[2, i] * z for i in range(3))
        ahead &= z > 0.0
    w = np.full_like(z, np.nan)
    np.divide(1.0, z, out=w, where=ahead)
    x, y = x * w, y * w
    lens = _lens(camera)
    if lens is not None:
        x, y = lens.distort(x, y)
    K = camera.K
    u = K[0, 0] * x + K[0, 2]
    if K[0, 1]:
        u += K[0, 1] * y
    v = K[1, 1] * y + K[1, 2]
    unseen = ~(np.isfinite(u) & np.isfinite(v))
    if unseen.any():
        u[unseen] = v[unseen] = np.nan
    return u, v


def unproject(camera: CameraModel, pixels: ArrayLike, z: ArrayLike) -> Array:
    """Return the points (n, 3) float64 seen at ``pixels`` (n, 2), as (column, row), at depth ``z`` (n,) in metres.

    The inverse of project. NaN for a pixel that no ray ahead of the camera reaches.
    """
    at = np.asarray(pixels, np.float64)
    if at.ndim != 2 or at.shape[1] != 2:
        raise ValueError(f"pixels must have shape (n, 2), got {at.shape}")
    K = camera.K
    y = (at[:, 1] - K[1, 2]) / K[1, 1]
    x = (at[:, 0] - K[0, 2] - K[0, 1] * y) / K[0, 0]
    lens = _lens(camera)
    if lens is not None:
        x, y = lens.undistort(x, y)
    directions = np.stack([x, y, np.ones_like(x)], axis=1)
    if not _is_identity(camera.R):
        directions = directions @ np.asarray(camera.R, np.float64).T
        depth = directions[:, 2]
        directions = directions / np.where(depth > 0.0, depth, np.nan)[:, None]
    return directions * np.asarray(z, np.float64)[:, None]


def rays(camera: CameraModel) -> NDArray[np.float32]:
    """Return the viewing ray of every pixel, float32 (height, width, 3), scaled to z = 1; NaN where none reaches.

    ``depth[..., None] * rays(camera)`` are the points of a depth image. It takes a while for distorted
    cameras: keep the result for as long as the camera stays the same.
    """
    if is_pinhole(camera):
        out = np.ones((*camera.shape, 3), np.float32)
        out[..., 0] = (np.arange(camera.width) - camera.K[0, 2]) / camera.K[0, 0]
        out[..., 1] = ((np.arange(camera.height) - camera.K[1, 2]) / camera.K[1, 1])[:, None]
        return out
    return (
        unproject(camera, pixel_grid(camera.shape), np.ones(camera.width * camera.height))
        .reshape(*camera.shape, 3)
        .astype(np.float32)
    )


def pixel_grid(shape: tuple[int, int]) -> Array:
    """Return the (column, row) of every pixel of an image (height, width), row by row: float64 (height * width, 2)."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.stack([columns.reshape(-1), rows.reshape(-1)], axis=1).astype(np.float64)


def crop_and_bin(
    camera_full: CameraModel,
    x_offset: int = 0,
    y_offset: int = 0,
    width: int = 0,
    height: int = 0,
    binning_x: int = 1,
    binning_y: int = 1,
) -> CameraModel:
    """Return the camera of a region of interest, given in pixels of the full sensor, then binned (REP 104).

    A width or height of 0 takes the rest of the image, and binning 0 is 1, as in ``sensor_msgs/CameraInfo``. Binning
    joins blocks of pixels into one; its centre is that of the block, half a pixel from where scaling the
    principal point alone would put it. Raises ValueError when the region leaves the image.
    """
    bx, by = max(binning_x, 1), max(binning_y, 1)
    right = x_offset + width if width else camera_full.width
    bottom = y_offset + height if height else camera_full.height
    if not (0 <= x_offset < right <= camera_full.width and 0 <= y_offset < bottom <= camera_full.height):
        raise ValueError(
            f"region of interest {width} x {height} at ({x_offset}, {y_offset}) leaves the image of "
            f"{camera_full.width} x {camera_full.height}"
        )
    columns, rows = (right - x_offset) // bx, (bottom - y_offset) // by
    if not columns or not rows:
        raise ValueError(f"binning {bx} x {by} leaves nothing of {right - x_offset} x {bottom - y_offset} pixels")
    return _map_pixels(camera_full, columns, rows, 1.0 / bx, 1.0 / by, x_offset, y_offset)


def resize(camera: CameraModel, width: int, height: int) -> CameraModel:
    """Return the camera of the image scaled to ``width`` x ``height``, as ``cv2.resize`` does it."""
    if width <= 0 or height <= 0:
        raise ValueError(f"cannot scale an image to {width} x {height}")
    return _map_pixels(camera, width, height, width / camera.width, height / camera.height)


def rectified_view(camera: CameraModel) -> CameraModel:
    """Return the camera of an image that is already rectified: P's left 3 x 3, no distortion, no rotation.

    Without a P (or with the zeros of an uncalibrated one) K takes its place.
    """
    P = camera.P
    has_P = P is not None and np.isfinite(P).all() and P[0, 0] > 0.0 and P[1, 1] > 0.0
    K = np.array(P[:, :3] if P is not None and has_P else camera.K, np.float64)
    return CameraModel(camera.width, camera.height, K, P=np.hstack([K, np.zeros((3, 1))]))


def rectified(camera: CameraModel) -> CameraModel:
    """Return the camera that rectify_image(camera, image) gives; the very camera if there is nothing to rectify."""
    view = rectified_view(camera)
    if _lens(camera) is None and _is_identity(camera.R) and np.array_equal(view.K, camera.K):
        return camera
    return view


def rectify_image(camera: CameraModel, image: NDArray) -> NDArray:
    """Return ``image`` (height, width[, channels]) of the raw camera as rectified(camera) would see it.

    Bilinear, 0 where the raw image has nothing to show; meant for colour, as depth must not be mixed
    across edges. The maps of the last few cameras are kept. Raises ValueError if the sizes differ.
    """
    if image.shape[:2] != camera.shape:
        raise ValueError(
            f"image is {image.shape[1]} x {image.shape[0]} but its camera is {camera.width} x {camera.height}"
        )
    target = rectified(camera)
    if target is camera:
        return image
    first, second = _rectification_maps(camera, target)
    return cv2.remap(image, first, second, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)


def _rectification_maps(camera: CameraModel, target: CameraModel) -> tuple[NDArray, NDArray]:
    fields = (camera.K, camera.D, camera.R, target.K)
    key = (camera.shape, camera.distortion_model, *(np.asarray(f, np.float64).tobytes() for f in fields))
    with _maps_lock:
        if key in _maps:
            _maps.move_to_end(key)
            return _maps[key]
    points = unproject(target, pixel_grid(target.shape), np.ones(target.width * target.height))
    pixels, _ = project(camera, points)
    # far outside but within the 16-bit fixed-point maps that remap is fastest with
    pixels = np.clip(np.nan_to_num(pixels, nan=-1000.0), -1000.0, 31000.0).astype(np.float32)
    at = pixels.reshape(*target.shape, 2)
    maps = cv2.convertMaps(at[..., 0].copy(), at[..., 1].copy(), cv2.CV_16SC2)
    with _maps_lock:
        _maps[key] = maps
        while len(_maps) > _MAPS_KEPT:
            _maps.popitem(last=False)
    return maps


def _map_pixels(
    camera: CameraModel, width: int, height: int, sx: float, sy: float, x: float = 0.0, y: float = 0.0
) -> CameraModel:
    """Shift by (x, y) whole pixels, then scale about the image corner, which lies at (-0.5, -0.5)."""
    move = np.array([[sx, 0.0, (0.5 - x) * sx - 0.5], [0.0, sy, (0.5 - y) * sy - 0.5], [0.0, 0.0, 1.0]])
    P = None if camera.P is None else move @ camera.P
    return CameraModel(width, height, move @ camera.K, camera.D, camera.distortion_model, camera.R, P)


def _lens(camera: CameraModel) -> distortion.BrownLens | distortion.FisheyeLens | None:
    return distortion.lens(camera.distortion_model, distortion.check(camera.distortion_model, camera.D))


def _is_identity(R: Array) -> bool:
    return math.isclose(R[0, 0] + R[1, 1] + R[2, 2], 3.0, rel_tol=0.0, abs_tol=1e-15)
