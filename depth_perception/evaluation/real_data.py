"""Loaders for the real recordings beside the checkout: one frame type, whatever the sensor.

The folder is ``../shared/data`` next to the repository, or the one named by the environment variable
``DEPTH_PERCEPTION_DATA``. Nothing is copied; several of the sets are for non-commercial research only.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, FloatImage


@dataclass(frozen=True, eq=False)
class RealFrame:
    """One colour image with measured depth registered to it.

    ``image`` RGB uint8 (H, W, 3); ``truth`` float32 (H, W) metres, 0 unknown; ``camera`` or None where the
    set gives no intrinsics; ``rings`` int32 (H, W) laser ring of each measured pixel (0 = topmost), -1
    elsewhere, or None when the depth does not come from a spinning LiDAR.
    """

    recording: str
    name: str
    image: NDArray[np.uint8]
    truth: FloatImage
    camera: CameraModel | None
    rings: NDArray[np.int32] | None = None


def data_folder() -> Path:
    """Return the folder of recordings; raises FileNotFoundError saying how to name another one."""
    default = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    folder = Path(os.environ.get("DEPTH_PERCEPTION_DATA", default))
    if not folder.is_dir():
        raise FileNotFoundError(f"no recordings at {folder}; set DEPTH_PERCEPTION_DATA to their folder")
    return folder


def recordings() -> tuple[str, ...]:
    """Return the names that ``load_frames`` knows."""
    return tuple(_LOADERS)


def load_frames(recording: str, count: int | None = None) -> list[RealFrame]:
    """Return ``count`` frames spread evenly over the recording, or all of them.

    Raises ValueError for an unknown name and FileNotFoundError where the data are absent.
    """
    if recording not in _LOADERS:
        raise ValueError(f"unknown recording {recording!r}; known: {', '.join(_LOADERS)}")
    jobs = _LOADERS[recording](data_folder())
    if not jobs:
        raise FileNotFoundError(f"no frames of {recording} in {data_folder()}")
    if count is not None and count < len(jobs):
        jobs = [jobs[round(i)] for i in np.linspace(0, len(jobs) - 1, count)]
    return [job() for job in jobs]


def read_color(path: Path) -> NDArray[np.uint8]:
    """Read an image file as RGB uint8 (H, W, 3)."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise FileNotFoundError(f"cannot read image {path}")
    return np.ascontiguousarray(image[:, :, ::-1])


def read_depth(path: Path, per_metre: float) -> FloatImage:
    """Read a 16-bit depth image as metres; 0 and 65535 become 0 (unknown)."""
    raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if raw is None:
        raise FileNotFoundError(f"cannot read depth image {path}")
    return np.where(raw == 65535, 0, raw).astype(np.float32) / np.float32(per_metre)


# 7-Scenes stores depth in the depth camera's own pixels. These numbers map them into the colour image:
# scale about the principal point, constant shift, and a horizontal shift in proportion to disparity.
_KITCHEN_SCALE, _KITCHEN_SHIFT, _KITCHEN_DISPARITY = 0.900, (2.7, -1.7), -17.2


def register_kitchen(depth: FloatImage) -> FloatImage:
    """Move a 7-Scenes depth image (480, 640) onto its colour image, nearest surface first."""
    rows, columns = np.nonzero(depth > 0)
    z = depth[rows, columns]
    u = np.rint(320 + _KITCHEN_SCALE * (columns - 320) + _KITCHEN_SHIFT[0] + _KITCHEN_DISPARITY / z).astype(int)
    v = np.rint(240 + _KITCHEN_SCALE * (rows - 240) + _KITCHEN_SHIFT[1]).astype(int)
    return _draw_points(u, v, z, depth.shape)[0]


def _draw_points(u, v, z, shape, labels=None):
    """Draw points into a depth image, the nearest winning; labels (n,) are drawn alike, -1 elsewhere."""
    inside = (u >= 0) & (u < shape[1]) & (v >= 0) & (v < shape[0]) & (z > 0)
    order = np.flatnonzero(inside)[np.argsort(-z[inside], kind="stable")]  # far first, so near overwrites
    out = np.zeros(shape, np.float32)
    out[v[order], u[order]] = z[order]
    drawn = np.full(shape, -1, np.int32)
    if labels is not None:
        drawn[v[order], u[order]] = labels[order]
    return out, drawn


def _kitchen(root: Path) -> list[Callable[[], RealFrame]]:
    f = 585.0 * _KITCHEN_SCALE
    camera = CameraModel.pinhole(f, f, 320 + _KITCHEN_SHIFT[0], 240 + _KITCHEN_SHIFT[1], 640, 480)

    def job(path: Path) -> RealFrame:
        image = read_color(path.with_name(path.name.replace("depth.png", "color.jpg")))
        return RealFrame("kitchen", path.name[:12], image, register_kitchen(read_depth(path, 1000)), camera)

    return [partial(job, path) for path in sorted((root / "sevenscenes_kitchen").glob("*.depth.png"))]


def _hololens(root: Path) -> list[Callable[[], RealFrame]]:
    folder = root / "hololens_office"

    def job(path: Path) -> RealFrame:
        k = np.loadtxt(folder / "K.txt")
        truth = read_depth(path, 1000)
        camera = CameraModel(truth.shape[1], truth.shape[0], k)
        return RealFrame("hololens", path.stem, read_color(folder / "images" / path.name), truth, camera)

    return [partial(job, path) for path in sorted((folder / "depth").glob("*.png"))]


def _nyu(root: Path) -> list[Callable[[], RealFrame]]:
    folder = root / "depth_gt_samples" / "nyu"
    camera = CameraModel.pinhole(518.8579, 519.4696, 325.5825, 253.7362, 640, 480)

    def job(path: Path) -> RealFrame:
        color = folder / "rgb" / path.name.replace("sync_depth", "rgb").replace(".png", ".jpg")
        return RealFrame("nyu", path.stem, read_color(color), read_depth(path, 1000), camera)

    return [partial(job, path) for path in sorted((folder / "depth").glob("*.png"))]


def _prior(root: Path) -> list[Callable[[], RealFrame]]:
    def job(path: Path) -> RealFrame:
        color = next(path.parent.glob("rgb.*"))
        return RealFrame("prior", path.parent.name, read_color(color), read_depth(path, 1000), None)

    return [partial(job, path) for path in sorted((root / "depth_gt_samples" / "prior_depth").glob("*/gt_depth.png"))]


def _kitti_truth(root: Path) -> list[Callable[[], RealFrame]]:
    folder = root / "depth_gt_samples" / "kitti"
    camera = CameraModel.pinhole(707.0493, 707.0493, 604.0814, 180.5066, 1242, 375)

    def job(path: Path) -> RealFrame:
        return RealFrame(
            "kitti_truth", path.stem, read_color(folder / "rgb" / path.name), read_depth(path, 256), camera
        )

    return [partial(job, path) for path in sorted((folder / "depth").glob("*.png"))]


def read_kitti_numbers(path: Path) -> dict[str, NDArray[np.float64]]:
    """Read one of KITTI's ``name: numbers`` calibration files."""
    pairs = (line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    return {name.strip(): np.array(numbers.split(), np.float64) for name, numbers in pairs}


def velodyne_rings(points: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the laser ring of each point of a KITTI scan (n, 3 or 4), 0 = topmost.

    KITTI stores one laser after the other, so a ring ends where the azimuth starts again. Sorting by elevation
    instead would mix rings, as the lasers do not leave from one point.
    """
    azimuth = np.degrees(np.arctan2(points[:, 1], points[:, 0])) % 360
    return np.concatenate([[0], np.cumsum(np.abs(np.diff(azimuth)) > 180)]).astype(np.int32)[: len(points)]


def _lidar_frame(recording: str, name: str, color: Path, scan: Path, projection, rectify, transform) -> RealFrame:
    """Project a KITTI scan: (3, 4) projection, (3, 3) rectifying rotation, (3, 4) LiDAR to camera."""
    points = np.fromfile(scan, np.float32).reshape(-1, 4)
    rings = velodyne_rings(points)
    in_camera = (points[:, :3] @ transform[:, :3].T + transform[:, 3]) @ rectify.T
    projected = in_camera @ projection[:, :3].T + projection[:, 3]
    image = read_color(color)
    front = projected[:, 2] > 0.5
    projected, rings = projected[front], rings[front]
    u = np.rint(projected[:, 0] / projected[:, 2]).astype(int)
    v = np.rint(projected[:, 1] / projected[:, 2]).astype(int)
    truth, drawn = _draw_points(u, v, projected[:, 2], image.shape[:2], rings)
    camera = CameraModel(image.shape[1], image.shape[0], projection[:, :3])
    return RealFrame(recording, name, image, truth, camera, drawn)


def _kitti_drive(root: Path) -> list[Callable[[], RealFrame]]:
    folder = root / "kitti_drive"

    def job(scan: Path) -> RealFrame:
        camera = read_kitti_numbers(folder / "calib_cam_to_cam.txt")
        lidar = read_kitti_numbers(folder / "calib_velo_to_cam.txt")
        transform = np.column_stack([lidar["R"].reshape(3, 3), lidar["T"]])
        color = folder / "image_02" / "data" / f"{scan.stem}.png"
        p, r = camera["P_rect_02"].reshape(3, 4), camera["R_rect_00"].reshape(3, 3)
        return _lidar_frame("kitti_drive", scan.stem, color, scan, p, r, transform)

    return [partial(job, scan) for scan in sorted((folder / "velodyne_points" / "data").glob("*.bin"))]


def _kitti_object(root: Path) -> list[Callable[[], RealFrame]]:
    folder = root / "kitti_object"

    def job(scan: Path) -> RealFrame:
        numbers = read_kitti_numbers(folder / "calib" / f"{scan.stem}.txt")
        p, r = numbers["P2"].reshape(3, 4), numbers["R0_rect"].reshape(3, 3)
        transform = numbers["Tr_velo_to_cam"].reshape(3, 4)
        return _lidar_frame("kitti_object", scan.stem, folder / "image_2" / f"{scan.stem}.png", scan, p, r, transform)

    return [partial(job, scan) for scan in sorted((folder / "velodyne").glob("*.bin"))]


_LOADERS: dict[str, Callable[[Path], list[Callable[[], RealFrame]]]] = {
    "kitchen": _kitchen,
    "hololens": _hololens,
    "nyu": _nyu,
    "prior": _prior,
    "kitti_drive": _kitti_drive,
    "kitti_object": _kitti_object,
    "kitti_truth": _kitti_truth,
}
