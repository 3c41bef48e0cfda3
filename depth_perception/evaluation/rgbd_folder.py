"""Folders of posed RGB-D images: colour, depth, pose and, where there are some, label images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.evaluation import real_data
from depth_perception.frames import CameraModel, FloatImage

Matrix = NDArray[np.float64]
DEPTH_FORMATS = ("millimetres", "rotated")
LEAST_ROTATED = 0.25  # metres; the source of those files does not trust nearer values


class ConvertError(ValueError):
    """A folder is not what it was taken for; the text names the file or folder and what was expected."""


class RgbdFrame(NamedTuple):
    """One frame of a posed RGB-D folder: files, and T_odom_camera (4, 4) or None where tracking was lost.

    ``labels`` is a picture with one number a pixel for each object, None where there is none.
    """

    name: str
    color: Path
    depth: Path
    pose: Matrix | None
    labels: Path | None = None


class RgbdFolder(NamedTuple):
    """A posed RGB-D folder: its frames, the camera of an image of a shape, and what moves depth onto the colour."""

    frames: list[RgbdFrame]
    camera_of: Callable[..., CameraModel]
    register: Callable[[FloatImage], FloatImage]


def read_rgbd_folder(folder: Path) -> RgbdFolder:
    """Return what a folder holds.

    Two layouts are known: ``frame-N.color.*``, ``frame-N.depth.png``, ``frame-N.pose.txt`` with
    ``camera-intrinsics*.txt`` (7-Scenes and TSDF-fusion), perhaps with labels in ``frame-N.segm.png``; and
    ``images/``, ``depth/``, ``K.txt``, ``frames.txt``, perhaps with ``labels/``. Depth of 7-Scenes is moved onto its
    colour image (its depth camera sits beside the colour camera). Raises ConvertError.
    """
    if next(folder.glob("*.depth.png"), None) is not None:
        return RgbdFolder(*_frame_files(folder))
    if (folder / "frames.txt").is_file():
        return RgbdFolder(*_listed_frames(folder))
    raise ConvertError(f"{folder}: neither frame-*.depth.png nor frames.txt; expected a posed RGB-D folder")


def color_image(path: Path) -> NDArray[np.uint8]:
    """Return RGB uint8 (H, W, 3), or (H, W) of a grey file."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.dtype != np.uint8:
        raise ConvertError(f"{path}: not an 8-bit image that OpenCV reads")
    return np.ascontiguousarray(image if image.ndim == 2 else image[:, :, 2::-1], np.uint8)


def depth_image(path: Path, depth_format: str = "millimetres") -> FloatImage:
    """Return metres (H, W) of a 16-bit picture; what is unknown becomes NaN.

    ``millimetres``: 0 and 65535 are unknown. ``rotated``: tenths of millimetres with their bits rotated left by
    three, as the shelf data of the Amazon Picking Challenge have them (github.com/wkentaro/label-fusion);
    0 is unknown, and what is nearer than LEAST_ROTATED. Raises ConvertError.
    """
    if depth_format not in DEPTH_FORMATS:
        raise ConvertError(f"depth format {depth_format!r} is not one of {', '.join(DEPTH_FORMATS)}")
    raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if raw is None or raw.dtype != np.uint16 or raw.ndim != 2:
        raise ConvertError(f"{path}: not a 16-bit depth image")
    if depth_format == "rotated":
        bits = np.asarray(raw, np.uint16)
        metres = ((bits >> 3) | (bits << 13)).astype(np.float32) / 10000.0
        return np.where(metres < LEAST_ROTATED, np.float32(np.nan), metres)
    return np.where((raw == 0) | (raw == 65535), np.nan, raw / 1000.0).astype(np.float32)


def label_image(path: Path) -> NDArray[np.int32]:
    """Return the labels (H, W) of a picture of one channel, 8 or 16 bits; raises ConvertError."""
    raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if raw is None or raw.ndim != 2 or raw.dtype not in (np.uint8, np.uint16):
        raise ConvertError(f"{path}: not a label picture of one channel with 8 or 16 bits")
    return raw.astype(np.int32)


def _frame_files(
    folder: Path,
) -> tuple[list[RgbdFrame], Callable[..., CameraModel], Callable[[FloatImage], FloatImage]]:
    """Read the layout of one file a frame and kind."""
    frames = []
    for depth in sorted(folder.glob("*.depth.png")):
        name = depth.name[: -len(".depth.png")]
        colors = [folder / f"{name}.color{suffix}" for suffix in (".jpg", ".png")]
        color = next((path for path in colors if path.is_file()), None)
        if color is None:
            raise ConvertError(f"{depth}: no {name}.color.jpg or .png beside it")
        pose = folder / f"{name}.pose.txt"
        matrix = _rigid(np.loadtxt(pose), pose) if pose.is_file() else None
        labels = folder / f"{name}.segm.png"
        frames.append(RgbdFrame(name, color, depth, matrix, labels if labels.is_file() else None))
    listing = next(iter(sorted(folder.glob("camera-intrinsics*.txt"))), None)
    if listing is None:
        raise ConvertError(f"{folder}: no camera-intrinsics.txt in it")
    K = _intrinsics(listing)
    kinect = listing.name == "camera-intrinsics.txt" and np.allclose(K[[0, 1], [0, 1]], 585.0)
    if not kinect:
        return frames, lambda shape: CameraModel(shape[1], shape[0], K), lambda depth: depth

    def camera(shape: tuple[int, int]) -> CameraModel:
        focal = 585.0 * real_data._KITCHEN_SCALE
        x, y = K[0, 2] + real_data._KITCHEN_SHIFT[0], K[1, 2] + real_data._KITCHEN_SHIFT[1]
        return CameraModel.pinhole(focal, focal, x, y, shape[1], shape[0])

    def register(depth: FloatImage) -> FloatImage:
        moved = real_data.register_kitchen(np.nan_to_num(depth))
        return np.where(moved > 0, moved, np.nan).astype(np.float32)

    return frames, camera, register


def _listed_frames(
    folder: Path,
) -> tuple[list[RgbdFrame], Callable[..., CameraModel], Callable[[FloatImage], FloatImage]]:
    """Read the layout with one list of names and poses."""
    frames = []
    for number, line in enumerate((folder / "frames.txt").read_text().splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 17:
            raise ConvertError(f"{folder}/frames.txt line {number}: {len(words)} words, expected a name and 16 numbers")
        stem = Path(words[0]).stem
        matrix = _rigid(np.array(words[1:], np.float64).reshape(4, 4), folder / "frames.txt")
        labels = folder / "labels" / f"{stem}.png"
        known = labels if labels.is_file() else None
        frames.append(
            RgbdFrame(stem, folder / "images" / f"{stem}.png", folder / "depth" / f"{stem}.png", matrix, known)
        )
    if not (folder / "K.txt").is_file():
        raise ConvertError(f"{folder}: no K.txt in it")
    K = _intrinsics(folder / "K.txt")
    return frames, lambda shape: CameraModel(shape[1], shape[0], K), lambda depth: depth


def _intrinsics(path: Path) -> Matrix:
    numbers = np.loadtxt(path)
    if numbers.shape != (3, 3):
        raise ConvertError(f"{path}: {numbers.shape}, expected a 3 x 3 matrix")
    return numbers


def _rigid(matrix: Matrix, path: Path) -> Matrix | None:
    """Return the pose with its rotation made exactly orthonormal; None where tracking was lost (not finite)."""
    if matrix.shape != (4, 4):
        raise ConvertError(f"{path}: {matrix.shape}, expected a 4 x 4 matrix")
    if not np.isfinite(matrix).all():
        return None
    left, _, right = np.linalg.svd(matrix[:3, :3])
    out = np.eye(4)
    out[:3, :3] = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right
    out[:3, 3] = matrix[:3, 3]
    return out
