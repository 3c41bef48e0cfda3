"""Folders of public data sets as ROS 2 recordings, so that they run through the nodes like any other.

KITTI raw drives become camera + LiDAR recordings; posed RGB-D folders become camera + sparse depth.
"""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_perception.evaluation import real_data
from depth_perception.evaluation.rgbd_folder import (
    ConvertError,
    color_image,
    depth_image,
    label_image,
    read_rgbd_folder,
)
from depth_perception.frames import CameraModel, FloatImage
from depth_perception.geometry.transforms import invert
from depth_perception.messages.camera_info import info_from_camera
from depth_perception.messages.image import encode_depth, encode_image
from depth_perception.messages.labels import encode_labels
from depth_perception.messages.point_cloud import encode_cloud
from depth_perception.messages.transform import tf_message, transform_message
from depth_perception.messages.types import rosbags_types
from depth_perception.recordings.writer import RecordingWriter

__all__ = ["ConvertError", "kitti_drive_to_bag", "rgbd_folder_to_bag", "thin_out"]

NANOSECONDS = 1_000_000_000
KITTI_EPOCH = 1_317_038_400  # 2011-09-26 12:00 UTC, for drives without time stamps
KITTI_RATE = 10.0
RGBD_EPOCH = 1_400_000_000
CAMERA_FRAME, LIDAR_FRAME, ODOM_FRAME = "camera_optical_frame", "lidar", "odom"

Matrix = NDArray[np.float64]


def kitti_drive_to_bag(folder: str | Path, out: str | Path, camera: str = "02") -> Path:
    """Write a KITTI raw drive (synced + rectified) as a recording and return its path.

    ``folder`` holds ``image_02/data`` and ``velodyne_points/data``, with the calibration files beside them or
    in the folder above, as KITTI's archives unpack; a date folder with one drive in it will do. ``camera``
    is "00" to "03". Topics: /camera/image, /camera/camera_info, /lidar/points (x y z intensity ring),
    /tf_static. Stamps come from ``timestamps.txt``; without it frame n is at n / 10 s.

    The camera's frame is that of the rectified camera itself: the fourth column of P_rect, its offset from
    camera 0, is in /tf_static and not in CameraInfo. KITTI files list one laser after the other, from
    which ``ring`` is told. Raises ConvertError, and RecordingError if ``out`` exists.
    """
    drive = _find_drive(Path(folder), camera)
    calibration, T_camera_lidar = _kitti_calibration(drive, camera)
    images = _numbered(drive / f"image_{camera}" / "data", (".png", ".jpg"))
    scans = _numbered(drive / "velodyne_points" / "data", (".bin",))
    image_stamps = _kitti_stamps(drive / f"image_{camera}", images)
    scan_stamps = _kitti_stamps(drive / "velodyne_points", scans)
    types = rosbags_types()
    first = min([*image_stamps, *scan_stamps])
    files = sorted([*zip(image_stamps, images), *zip(scan_stamps, scans)])
    with RecordingWriter(out, types.typestore) as writer:
        mounted = transform_message(types, LIDAR_FRAME, CAMERA_FRAME, first, invert(T_camera_lidar))
        writer.write("/tf_static", tf_message(types, [mounted]), first)
        for stamp, path in files:
            if path.suffix == ".bin":
                _write_scan(writer, path, stamp)
            else:
                _write_color(writer, path, stamp, calibration)
    return Path(out)


def rgbd_folder_to_bag(
    folder: str | Path,
    out: str | Path,
    points: int | None = 500,
    seed: int = 0,
    rate: float = 10.0,
    depth_format: str = "millimetres",
) -> Path:
    """Write a posed RGB-D folder as a recording with sparse depth and return its path.

    See ``read_rgbd_folder`` for the layouts and ``depth_image`` for ``depth_format``; labels go to /camera/labels.
    ``points`` random measured pixels a frame go to /camera/sparse_depth and all of them to
    /camera/depth/ground_truth; with None all go to sparse_depth and there is no ground truth. Poses go to
    /tf as odom -> camera_optical_frame. Frames are ``rate`` a second. Raises ConvertError, and RecordingError if
    ``out`` exists.
    """
    if points is not None and points < 1:
        raise ConvertError(f"points: {points}, expected at least 1, or None for every measured pixel")
    if not rate > 0:
        raise ConvertError(f"rate: {rate}, expected a positive number of frames a second")
    folder = Path(folder)
    frames, camera_of, register = read_rgbd_folder(folder)
    generator = np.random.default_rng(seed)
    types = rosbags_types()
    with RecordingWriter(out, types.typestore) as writer:
        for index, frame in enumerate(frames):
            stamp = RGBD_EPOCH * NANOSECONDS + round(index / rate * NANOSECONDS)
            depth = register(depth_image(frame.depth, depth_format))
            if frame.pose is not None:
                moved = transform_message(types, ODOM_FRAME, CAMERA_FRAME, stamp, frame.pose)
                writer.write("/tf", tf_message(types, [moved]), stamp)
            _write_color(writer, frame.color, stamp, camera_of(depth.shape))
            if frame.labels is not None:
                labels = label_image(frame.labels)
                writer.write("/camera/labels", encode_labels(types, labels, "32SC1", stamp, CAMERA_FRAME), stamp)
            sparse = depth if points is None else thin_out(depth, points, generator)
            writer.write("/camera/sparse_depth", encode_depth(types, sparse, "16UC1", stamp, CAMERA_FRAME)[0], stamp)
            if points is not None:
                truth = encode_depth(types, depth, "16UC1", stamp, CAMERA_FRAME)[0]
                writer.write("/camera/depth/ground_truth", truth, stamp)
    return Path(out)


def thin_out(depth: FloatImage, points: int, generator: np.random.Generator) -> FloatImage:
    """Return ``depth`` (H, W) with ``points`` of its measured pixels, all if it has fewer, and NaN elsewhere."""
    measured = np.flatnonzero(depth > 0)
    kept = generator.choice(measured, points, replace=False) if points < len(measured) else measured
    out = np.full(depth.shape, np.nan, np.float32)
    out.flat[kept] = depth.flat[kept]
    return out


def _find_drive(folder: Path, camera: str) -> Path:
    """Return the folder that holds the images and the scans."""
    if camera not in ("00", "01", "02", "03"):
        raise ConvertError(f"camera: {camera!r}, expected one of 00, 01 (grey), 02, 03 (colour)")
    parts = (f"image_{camera}", "velodyne_points")
    if not folder.is_dir():
        raise ConvertError(f"{folder}: no such folder")
    if all((folder / part / "data").is_dir() for part in parts):
        return folder
    drives = [child for child in sorted(folder.iterdir()) if all((child / part / "data").is_dir() for part in parts)]
    if len(drives) == 1:
        return drives[0]
    if drives:
        raise ConvertError(f"{folder}: holds several drives, give one of them: {', '.join(d.name for d in drives)}")
    raise ConvertError(f"{folder}: no {parts[0]}/data and {parts[1]}/data in it; expected a KITTI raw drive")


def _kitti_calibration(drive: Path, camera: str) -> tuple[CameraModel, Matrix]:
    """Return the camera at the size of its images, and T_camera_lidar of the rectified camera."""
    cameras = _calibration_numbers(drive, "calib_cam_to_cam.txt")
    lidar = _calibration_numbers(drive, "calib_velo_to_cam.txt")
    P = _entry(cameras, f"P_rect_{camera}", 12, drive).reshape(3, 4)
    rectify, to_camera = np.eye(4), np.eye(4)
    rectify[:3, :3] = _entry(cameras, "R_rect_00", 9, drive).reshape(3, 3)
    to_camera[:3, :3] = _entry(lidar, "R", 9, drive).reshape(3, 3)
    to_camera[:3, 3] = _entry(lidar, "T", 3, drive)
    offset = np.eye(4)
    offset[:3, 3] = np.linalg.solve(P[:, :3], P[:, 3])
    first = next(iter(_numbered(drive / f"image_{camera}" / "data", (".png", ".jpg"))))
    height, width = color_image(first).shape[:2]
    return CameraModel(width, height, P[:, :3]), offset @ rectify @ to_camera


def _calibration_numbers(drive: Path, name: str) -> dict[str, Matrix]:
    for place in (drive, drive.parent):
        if (place / name).is_file():
            numbers = {}
            for line in (place / name).read_text().splitlines():
                key, _, values = line.partition(":")
                try:
                    numbers[key.strip()] = np.array(values.split(), np.float64)
                except ValueError:
                    continue  # the date of calibration
            return numbers
    raise ConvertError(f"{drive}: no {name} in it or in {drive.parent}; unpack KITTI's calibration archive there")


def _entry(numbers: dict[str, Matrix], key: str, size: int, drive: Path) -> Matrix:
    if key not in numbers or numbers[key].size != size:
        raise ConvertError(f"{drive}: its calibration has no {key} of {size} numbers")
    return numbers[key]


def _numbered(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.suffix in suffixes and path.stem.isdigit())
    if not files:
        raise ConvertError(f"{folder}: no numbered {' or '.join(suffixes)} files in it")
    return files


def _kitti_stamps(sensor: Path, files: list[Path]) -> list[int]:
    """Return the stamp of each file: line n of timestamps.txt belongs to file n."""
    listing = sensor / "timestamps.txt"
    if not listing.is_file():
        return [KITTI_EPOCH * NANOSECONDS + round(int(f.stem) / KITTI_RATE * NANOSECONDS) for f in files]
    lines = [line for line in listing.read_text().splitlines() if line.strip()]
    stamps = []
    for file in files:
        if int(file.stem) >= len(lines):
            raise ConvertError(f"{listing}: has {len(lines)} lines, none for {file.name}")
        stamps.append(_parse_stamp(lines[int(file.stem)], listing))
    return stamps


def _parse_stamp(line: str, listing: Path) -> int:
    """Read ``2011-09-26 13:02:25.964389445`` as nanoseconds; datetime alone would drop the last three digits."""
    whole, _, fraction = line.strip().partition(".")
    try:
        seconds = datetime.strptime(whole, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc).timestamp()
        return int(seconds) * NANOSECONDS + int((fraction or "0")[:9].ljust(9, "0"))
    except ValueError as error:
        raise ConvertError(f"{listing}: {line!r} is not a time like 2011-09-26 13:02:25.964389445") from error


def _write_color(writer: RecordingWriter, path: Path, stamp: int, camera: CameraModel) -> None:
    types = rosbags_types()
    image = color_image(path)
    if image.shape[:2] != camera.shape:
        raise ConvertError(
            f"{path}: {image.shape[1]} x {image.shape[0]} pixels, others {camera.width} x {camera.height}"
        )
    encoding = "mono8" if image.ndim == 2 else "rgb8"
    writer.write("/camera/camera_info", info_from_camera(types, camera, stamp, CAMERA_FRAME), stamp)
    writer.write("/camera/image", encode_image(types, image, encoding, stamp, CAMERA_FRAME), stamp)


def _write_scan(writer: RecordingWriter, path: Path, stamp: int) -> None:
    numbers = np.fromfile(path, "<f4")
    if numbers.size % 4:
        raise ConvertError(f"{path}: {numbers.size} numbers are no list of x y z reflectance; is the file whole?")
    points = numbers.reshape(-1, 4)
    ring = real_data.velodyne_rings(points).astype(np.uint16)
    xyz = np.ascontiguousarray(points[:, :3])
    cloud = encode_cloud(rosbags_types(), xyz, stamp, LIDAR_FRAME, intensity=points[:, 3], ring=ring)
    writer.write("/lidar/points", cloud, stamp)
