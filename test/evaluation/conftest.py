"""Small recordings with exact depth: a box before a slanted wall, seen by a camera and a spinning LiDAR."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

CAMERA = (64, 48, 60.0)  # width, height, focal length [pixel]
START = 1_700_000_000_000_000_000
PERIOD = 100_000_000
T_CAMERA_LIDAR = np.array([[0.0, -1, 0, 0.02], [0, 0, -1, -0.05], [1, 0, 0, -0.03], [0, 0, 0, 1]])


def scene_depth(rays: np.ndarray, box_x: float) -> np.ndarray:
    """Depth along rays (..., 3) with z = 1, in the camera's frame, from the camera's place."""
    wall = 6.0 / (1.0 + 0.3 * rays[..., 0])
    at_box = rays * 3.0
    inside = (np.abs(at_box[..., 0] - box_x) < 0.5) & (np.abs(at_box[..., 1]) < 0.6)
    return np.where(inside, 3.0, wall)


def camera_rays() -> np.ndarray:
    width, height, focal = CAMERA
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([(u - (width - 1) / 2) / focal, (v - (height - 1) / 2) / focal, np.ones(u.shape)], axis=-1)


def lidar_points(box_x: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return points (n, 3) in the LiDAR's frame and their rings; measured as if from the camera's place."""
    elevation = np.radians(np.linspace(-20, 20, 24))
    azimuth = np.radians(np.linspace(-27, 27, 120))
    e, a = (grid.ravel() for grid in np.meshgrid(elevation, azimuth, indexing="ij"))
    rays = np.stack([-np.tan(a), -np.tan(e) / np.cos(a), np.ones(a.shape)], axis=1)
    points = rays * (scene_depth(rays, box_x) * rng.normal(1, 0.002, a.shape))[:, None]
    T = np.linalg.inv(T_CAMERA_LIDAR)
    return (points @ T[:3, :3].T + T[:3, 3]).astype(np.float32), np.repeat(np.arange(24), 120).astype(np.uint16)


def write_recording(
    path: Path, frames: int = 6, truth: bool = True, ring: bool = True, extra_camera: bool = False, tf: bool = True
) -> Path:
    """Write a recording with /camera/image, /camera/camera_info, /lidar/points, /tf_static and ground truth."""
    from depth_perception.frames import CameraModel
    from depth_perception.messages.camera_info import info_from_camera
    from depth_perception.messages.image import encode_depth, encode_image
    from depth_perception.messages.point_cloud import encode_cloud
    from depth_perception.messages.transform import tf_message, transform_message
    from depth_perception.messages.types import rosbags_types
    from depth_perception.recordings.writer import RecordingWriter

    width, height, focal = CAMERA
    camera = CameraModel.pinhole(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
    types, rays, rng = rosbags_types(), camera_rays(), np.random.default_rng(0)
    texture = rng.integers(0, 60, (height, width, 3)).astype(np.uint8)
    with RecordingWriter(path) as writer:
        if tf:
            link = transform_message(types, "camera", "lidar", START, T_CAMERA_LIDAR)
            writer.write("/tf_static", tf_message(types, [link]), START)
        for index in range(frames):
            stamp = START + (index + 1) * PERIOD
            box_x = -0.8 + 0.2 * index
            depth = scene_depth(rays, box_x).astype(np.float32)
            image = texture + np.where(depth[..., None] < 3.5, 150, 40).astype(np.uint8)
            for name in ("camera", "second") if extra_camera else ("camera",):
                writer.write(f"/{name}/camera_info", info_from_camera(types, camera, stamp, "camera"), stamp)
                writer.write(f"/{name}/image", encode_image(types, image, "rgb8", stamp, "camera"), stamp + 1000)
            if truth:
                message, _ = encode_depth(types, depth, "32FC1", stamp, "camera")
                writer.write("/camera/depth/ground_truth", message, stamp + 2000)
            points, rings = lidar_points(box_x, rng)
            fields = {"ring": rings} if ring else {}
            cloud = encode_cloud(types, points, stamp + 5_000_000, "lidar", **fields)
            writer.write("/lidar/points", cloud, stamp + 8_000_000)
    return path


@pytest.fixture(scope="session")
def recording(tmp_path_factory) -> Path:
    """Six frames with ground truth."""
    pytest.importorskip("rosbags")
    return write_recording(tmp_path_factory.mktemp("bags") / "box")


@pytest.fixture(scope="session")
def without_truth(tmp_path_factory) -> Path:
    """Six frames without ground truth, LiDAR rings not told."""
    pytest.importorskip("rosbags")
    return write_recording(tmp_path_factory.mktemp("bags") / "plain", truth=False, ring=False)


@pytest.fixture(name="make_recording")
def _make_recording():
    """The function that writes such a recording."""
    pytest.importorskip("rosbags")
    return write_recording
