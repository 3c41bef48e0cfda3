"""Data set folders as recordings, so that files and live sensors take the same way through the nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.evaluation.real_data import read_color, read_depth, read_kitti_numbers, velodyne_rings
from depth_perception.frames import CameraModel, FloatImage
from depth_perception.messages.camera_info import info_from_camera
from depth_perception.messages.image import encode_depth, encode_image
from depth_perception.messages.point_cloud import encode_cloud
from depth_perception.messages.transform import tf_message, transform_message
from depth_perception.messages.types import rosbags_types
from depth_perception.recordings.writer import RecordingWriter

NANOSECONDS = 1_000_000_000
# Files without time stamps start here; any time that is not 0 would do, as 0 means "no stamp" in ROS.
EPOCH = 1_600_000_000 * NANOSECONDS
# topic and frame names are those of kitti2bag, which people's KITTI recordings already have
_KITTI = "/kitti/camera_color_left"
_KITTI_CAMERA, _KITTI_LIDAR = "camera_color_left", "velo_link"


class ConversionError(ValueError):
    """A folder is not laid out as expected; the text names folder, file and what was expected."""


def kitti_drive_to_bag(folder: str | Path, out: str | Path) -> Path:
    """Write a KITTI raw drive (synced and rectified) as an mcap recording and return its path.

    ``folder`` holds ``image_02/data/*.png``, ``velodyne_points/data/*.bin`` and, where there, their
    ``timestamps.txt``; the calibration files lie in it or in a folder above, as KITTI ships them.
    Scans and images are matched by stamp only, so either may have gaps. Without time stamps file
    number n is taken at n / 10 s. Camera 2's place beside camera 0 (the fourth column of P_rect_02)
    goes into /tf_static, rings come from the order of the points. Raises ConversionError.
    """
    folder = Path(folder)
    images = _numbered(folder / "image_02" / "data", "*.png")
    scans = _numbered(folder / "velodyne_points" / "data", "*.bin")
    camera_numbers = _kitti_file(folder, "calib_cam_to_cam.txt", ("P_rect_02", "R_rect_00"))
    lidar_numbers = _kitti_file(folder, "calib_velo_to_cam.txt", ("R", "T"))
    projection = camera_numbers["P_rect_02"].reshape(3, 4)
    T_camera_lidar = np.eye(4)
    rotation = camera_numbers["R_rect_00"].reshape(3, 3)
    T_camera_lidar[:3, :3] = rotation @ lidar_numbers["R"].reshape(3, 3)
    T_camera_lidar[:3, 3] = rotation @ lidar_numbers["T"]
    T_camera_lidar[:3, 3] += np.linalg.solve(projection[:, :3], projection[:, 3])
    types = rosbags_types()
    stamped = [(stamp, path) for files in (images, scans) for stamp, path in _kitti_stamps(files)]
    stamped.sort()
    with RecordingWriter(out, types.typestore) as writer:
        first = stamped[0][0]
        mount = transform_message(types, _KITTI_CAMERA, _KITTI_LIDAR, first, T_camera_lidar)
        writer.write("/tf_static", tf_message(types, [mount]), first)
        for stamp, path in stamped:
            if path.suffix == ".bin":
                scan = _read_scan(path)
                cloud = encode_cloud(
                    types,
                    scan[:, :3],
                    stamp,
                    _KITTI_LIDAR,
                    intensity=scan[:, 3].copy(),
                    ring=velodyne_rings(scan).astype(np.uint16),
                )
                writer.write("/kitti/velo/pointcloud", cloud, stamp)
                continue
            image = _color(path)
            camera = CameraModel(image.shape[1], image.shape[0], projection[:, :3].copy())
            writer.write(f"{_KITTI}/camera_info", info_from_camera(types, camera, stamp, _KITTI_CAMERA), stamp)
            writer.write(f"{_KITTI}/image_raw", encode_image(types, image, "rgb8", stamp, _KITTI_CAMERA), stamp)
    return Path(out)


def rgbd_folder_to_bag(
    folder: str | Path, out: str | Path, points: int = 500, rate: float = 10.0, depth_per_metre: float = 1000.0
) -> Path:
    """Write a folder of posed RGB-D frames as an mcap recording and return its path.

    Two layouts are known: ``frame-N.color.*`` with ``frame-N.depth.png``, ``frame-N.pose.txt`` and
    ``camera-intrinsics.txt`` (7-Scenes, tsdf-fusion), and ``images/``, ``depth/``, ``K.txt`` and
    ``frames.txt`` (deep-video-mvs). Depth is uint16, ``depth_per_metre`` steps a metre, registered to
    the colour image. ``points`` random pixels of it (seeded by the frame) become ``/camera/sparse_depth``;
    all of it becomes ``/camera/depth/ground_truth``, the camera's pose ``/tf`` from ``world``. Frames come
    at ``rate`` Hz. Raises ConversionError.
    """
    if points < 1 or not rate > 0 or not depth_per_metre > 0:
        raise ConversionError(f"points {points}, rate {rate} and depth_per_metre {depth_per_metre} must be above 0")
    types = rosbags_types()
    frames = _posed_frames(Path(folder))
    with RecordingWriter(out, types.typestore) as writer:
        for index, (color, depth_path, T_world_camera, K) in enumerate(frames):
            stamp = EPOCH + round(index * NANOSECONDS / rate)
            image, depth = _color(color), _depth(depth_path, depth_per_metre)
            if depth.shape != image.shape[:2]:
                raise ConversionError(
                    f"{depth_path}: {depth.shape[1]}x{depth.shape[0]} pixels, its image has "
                    f"{image.shape[1]}x{image.shape[0]}; depth must be registered to the image"
                )
            camera = CameraModel(image.shape[1], image.shape[0], K)
            sparse = _random_pixels(depth, points, index)
            pose = transform_message(types, "world", "camera", stamp, T_world_camera)
            writer.write("/tf", tf_message(types, [pose]), stamp)
            writer.write("/camera/camera_info", info_from_camera(types, camera, stamp, "camera"), stamp)
            for topic, values in (("sparse_depth", sparse), ("depth/ground_truth", depth)):
                message, _ = encode_depth(types, np.where(values > 0, values, np.nan), "32FC1", stamp, "camera")
                writer.write(f"/camera/{topic}", message, stamp)
            writer.write("/camera/image", encode_image(types, image, "rgb8", stamp, "camera"), stamp)
    return Path(out)


def _numbered(folder: Path, pattern: str) -> list[Path]:
    files = sorted(folder.glob(pattern))
    if not files:
        raise ConversionError(f"{folder}: no {pattern} files; expected the layout of a KITTI raw drive")
    return files


def _kitti_file(folder: Path, name: str, wanted: Iterable[str]) -> dict[str, NDArray[np.float64]]:
    """Read a calibration file from the drive's folder or one above it."""
    for place in (folder, *list(folder.resolve().parents)[:2]):
        if (place / name).is_file():
            numbers = _calibration_numbers(place / name)
            for entry in wanted:
                if entry not in numbers:
                    raise ConversionError(f"{place / name}: no entry {entry}")
            return numbers
    raise ConversionError(f"{folder}: no {name} here or in the two folders above")


def _calibration_numbers(path: Path) -> dict[str, NDArray[np.float64]]:
    """Read a KITTI calibration file, leaving out lines that are not numbers (``calib_time``)."""
    try:
        return read_kitti_numbers(path)
    except ValueError:
        numbers = {}
        for line in path.read_text().splitlines():
            name, _, values = line.partition(":")
            try:
                numbers[name.strip()] = np.array(values.split(), np.float64)
            except ValueError:
                continue
        return numbers


def _kitti_stamps(files: list[Path]) -> Iterator[tuple[int, Path]]:
    """Yield (stamp, file); line n of timestamps.txt belongs to file number n."""
    table = files[0].parent.parent / "timestamps.txt"
    lines = table.read_text().split("\n") if table.is_file() else None
    for path in files:
        try:
            number = int(path.stem)
        except ValueError:
            raise ConversionError(f"{path}: expected a file name that is a number") from None
        if lines is None:
            yield EPOCH + number * NANOSECONDS // 10, path
            continue
        if number >= len(lines) or not lines[number].strip():
            raise ConversionError(f"{table}: no line {number + 1} for {path.name}")
        seconds, _, fraction = lines[number].strip().partition(".")
        moment = datetime.strptime(seconds, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
        yield int(moment.timestamp()) * NANOSECONDS + int(fraction.ljust(9, "0")[:9] or 0), path


def _read_scan(path: Path) -> NDArray[np.float32]:
    values = np.fromfile(path, "<f4")
    if values.size == 0 or values.size % 4:
        raise ConversionError(f"{path}: {values.size} numbers, expected four (x, y, z, reflectance) for each point")
    return values.reshape(-1, 4)


def _color(path: Path) -> NDArray[np.uint8]:
    try:
        return read_color(path)
    except (FileNotFoundError, cv2.error) as error:
        raise ConversionError(f"{path}: cannot be read as an image") from error


def _depth(path: Path, per_metre: float) -> FloatImage:
    try:
        return read_depth(path, per_metre)
    except (FileNotFoundError, cv2.error) as error:
        raise ConversionError(f"{path}: cannot be read as a depth image") from error


def _random_pixels(depth: FloatImage, count: int, seed: int) -> FloatImage:
    known = np.flatnonzero(depth > 0)
    chosen = np.random.default_rng(seed).choice(known, min(count, known.size), replace=False)
    sparse = np.zeros_like(depth)
    sparse.flat[chosen] = depth.flat[chosen]
    return sparse


def _posed_frames(folder: Path) -> list[tuple[Path, Path, NDArray[np.float64], NDArray[np.float64]]]:
    """Return (colour file, depth file, T_world_camera, K) of every frame."""
    colors = sorted(folder.glob("frame-*.color.*"))
    if colors:
        K = _matrix(folder / "camera-intrinsics.txt", (3, 3))
        stems = [path.name.split(".")[0] for path in colors]
        return [
            (path, folder / f"{stem}.depth.png", _rigid(_matrix(folder / f"{stem}.pose.txt", (4, 4))), K)
            for path, stem in zip(colors, stems)
        ]
    listing = folder / "frames.txt"
    if (folder / "images").is_dir() and listing.is_file():
        K = _matrix(folder / "K.txt", (3, 3))
        rows = [line.split() for line in listing.read_text().splitlines() if line.strip()]
        for row in rows:
            if len(row) != 17:
                raise ConversionError(f"{listing}: {len(row)} words in a line, expected a file name and 16 numbers")
        return [
            (folder / "images" / row[0], folder / "depth" / row[0], _rigid(np.array(row[1:], float).reshape(4, 4)), K)
            for row in rows
        ]
    raise ConversionError(
        f"{folder}: neither frame-*.color.* with camera-intrinsics.txt nor images/ with frames.txt; "
        "see the documentation of rgbd_folder_to_bag"
    )


def _matrix(path: Path, shape: tuple[int, int]) -> NDArray[np.float64]:
    try:
        values = np.loadtxt(path, dtype=np.float64)
    except (OSError, ValueError) as error:
        raise ConversionError(f"{path}: cannot be read as a matrix: {error}") from error
    if values.size != shape[0] * shape[1]:
        raise ConversionError(f"{path}: {values.size} numbers, expected {shape[0]}x{shape[1]}")
    return values.reshape(shape)


def _rigid(T: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the nearest rigid transform: poses of tracking systems are a little off."""
    u, _, vt = np.linalg.svd(T[:3, :3])
    out = np.eye(4)
    out[:3, :3] = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
    out[:3, 3] = T[:3, 3]
    return out
