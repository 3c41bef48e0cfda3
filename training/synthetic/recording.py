"""A drive through a generated world as a ROS 2 recording with ground truth.

Topics: /tf (odom -> base_link), /tf_static, /camera/camera_info, /camera/image (rgb8), /lidar/points
(x y z intensity ring time) and /camera/depth/ground_truth (32FC1, exact depth at the image's stamps,
rounded to an eighth of a millimetre so that it packs well).
Messages are logged when a driver would have published them: an image shortly after its exposure, a
cloud at the end of its sweep.
"""

from __future__ import annotations

import math
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from depth_perception.frames import CameraModel
from depth_perception.messages.camera_info import info_from_camera
from depth_perception.messages.image import encode_depth, encode_image
from depth_perception.messages.point_cloud import encode_cloud
from depth_perception.messages.transform import tf_message, transform_message
from depth_perception.messages.types import rosbags_types
from depth_perception.recordings.writer import RecordingWriter
from training.synthetic.camera_sensor import CameraSensor, develop, metered
from training.synthetic.lidar import LidarScan, scan
from training.synthetic.paths import WaypointPath
from training.synthetic.renderer import render
from training.synthetic.robots import WORLDS, World
from training.synthetic.scene import Scene

NANOSECONDS = 1_000_000_000
EPOCH = 1_700_000_000  # seconds; a recording made twice is the same to the byte
CAMERA_FRAME, LIDAR_FRAME, BASE_FRAME, ODOM_FRAME = "camera_optical_frame", "lidar", "base_link", "odom"
_CAMERA_PHASE = 0.0371  # seconds between the first sweep and the first image
_TF_RATE = 50.0
_TRUTH_STEPS = np.float32(8192)  # per metre


@dataclass(frozen=True)
class Settings:
    """What to record; times in seconds, ``rate`` in images a second."""

    scene: str
    seconds: float = 4.0
    seed: int = 0
    width: int = 640
    height: int = 480
    rate: float = 8.0

    def __post_init__(self):
        """Raise ValueError naming what is out of range."""
        if self.scene not in WORLDS:
            raise ValueError(f"scene: {self.scene!r} is not one of {', '.join(WORLDS)}")
        for name, low in (("seconds", 0.2), ("rate", 0.5), ("width", 16), ("height", 16)):
            if not getattr(self, name) >= low:
                raise ValueError(f"{name}: {getattr(self, name)} is below {low:g}")

    @property
    def camera(self) -> CameraModel:
        """The pinhole camera that takes the images."""
        focal = 0.5 * self.width / math.tan(math.radians(WORLDS[self.scene].field_of_view) / 2)
        return CameraModel.pinhole(focal, focal, (self.width - 1) / 2, (self.height - 1) / 2, self.width, self.height)


@dataclass(frozen=True, order=True)
class _Event:
    log_time: int
    kind: str  # tf, image or scan
    index: int
    stamp: float  # seconds since the recording began


class Studio:
    """One world built and ready: takes images and sweeps by number, in any order, with the same result."""

    def __init__(self, settings: Settings, device: str | torch.device = "cpu"):
        self.settings = settings
        self.world: World = WORLDS[settings.scene]
        self.scene: Scene = self.world.build(settings.seed).to(device)
        self.path: WaypointPath = self.world.path(settings.seconds)
        first = self._radiance(_CAMERA_PHASE, small=True).radiance
        self.sensor = CameraSensor(exposure=metered(first, self.world.key))

    def _radiance(self, stamp: float, small: bool = False):
        camera = self.settings.camera
        if small:  # a thumbnail is enough to set the exposure
            camera = CameraModel.pinhole(40.0, 40.0, 27.5, 20.5, 56, 42)
        pose = self.path.poses(np.array([stamp])) @ self.world.T_base_camera
        return render(self.scene, camera, torch.from_numpy(pose), antialias=not small)

    def image(self, index: int, stamp: float) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return RGB uint8 (H, W, 3) and depth float32 (H, W) in metres, NaN for sky."""
        view = self._radiance(stamp)
        noise = torch.Generator(self.scene.device).manual_seed(self.settings.seed * 100_003 + index)
        picture = develop(view.radiance, self.sensor, noise)
        return picture[0].cpu().numpy(), view.depth[0].cpu().numpy()

    def sweep(self, index: int, start: float) -> LidarScan:
        """Return the sweep that begins at ``start`` seconds."""
        noise = torch.Generator().manual_seed(self.settings.seed * 100_003 + 50_000 + index)
        return scan(self.scene, self.world.lidar, lambda t: self.path.poses(t) @ self.world.T_base_lidar, start, noise)


def record(
    path: str | Path,
    settings: Settings,
    workers: int = 1,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the recording to the new folder ``path``.

    ``workers`` processes share the images and sweeps (on the CPU; each uses one thread); the result does
    not depend on it. ``progress`` is told how many of how many are done. Raises RecordingError if the
    folder exists.
    """
    events = schedule(settings)
    costly = [event for event in events if event.kind != "tf"]
    with RecordingWriter(path, rosbags_types().typestore) as writer, _studio(settings, workers, device) as submit:
        _write_static(writer, settings)
        waiting = iter(costly)
        running: deque[Future] = deque()
        done = 0
        for event in events:
            if event.kind == "tf":
                _write_tf(writer, settings, event)
                continue
            while len(running) < 2 * workers + 1 and (task := next(waiting, None)) is not None:
                running.append(submit(task))
            result = running.popleft().result()
            if event.kind == "image":
                _write_image(writer, settings, event, *result)
            else:
                _write_scan(writer, event, result)
            done += 1
            if progress is not None:
                progress(done, len(costly))


def schedule(settings: Settings) -> list[_Event]:
    """Return everything to record in the order of logging."""
    period = WORLDS[settings.scene].lidar.period
    events = []
    for k in range(int(settings.seconds * settings.rate)):
        stamp = _CAMERA_PHASE + k / settings.rate
        events.append(_Event(_nanoseconds(stamp + 0.012), "image", k, stamp))
    sweeps = range(int(settings.seconds / period + 1e-9))
    events += [_Event(_nanoseconds((k + 1) * period + 0.004), "scan", k, k * period) for k in sweeps]
    first, last = -0.1, settings.seconds + 0.2
    for k in range(int((last - first) * _TF_RATE) + 1):
        stamp = first + k / _TF_RATE
        events.append(_Event(_nanoseconds(stamp + 0.001), "tf", k, stamp))
    return sorted(events)


@contextmanager
def _studio(settings: Settings, workers: int, device: str) -> Iterator[Callable[[_Event], Future]]:
    """Yield a function that has an event's image or sweep made."""
    if workers > 1 and device == "cpu":
        # spawn: forking a process in which torch has started threads can hang
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(workers, context, _start_worker, (settings,))
        try:
            yield lambda event: pool.submit(_work, event)
        finally:
            pool.shutdown(cancel_futures=True)
    else:
        studio = Studio(settings, device)
        yield lambda event: _Immediate().submit(_make, studio, event)


class _Immediate(Executor):
    """Runs a task when it is submitted."""

    def submit(self, fn, /, *args, **kwargs) -> Future:
        future: Future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


_worker_studio: Studio | None = None


def _start_worker(settings: Settings) -> None:
    global _worker_studio
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its workers
    torch.set_num_threads(1)
    _worker_studio = Studio(settings)


def _work(event: _Event) -> Any:
    assert _worker_studio is not None
    return _make(_worker_studio, event)


def _make(studio: Studio, event: _Event) -> Any:
    return (studio.image if event.kind == "image" else studio.sweep)(event.index, event.stamp)


def _nanoseconds(seconds: float) -> int:
    return EPOCH * NANOSECONDS + round(seconds * NANOSECONDS)


def _write_static(writer: RecordingWriter, settings: Settings) -> None:
    types, world = rosbags_types(), WORLDS[settings.scene]
    start = _nanoseconds(-0.1)
    mounts = [
        transform_message(types, BASE_FRAME, frame, start, pose)
        for frame, pose in ((CAMERA_FRAME, world.T_base_camera), (LIDAR_FRAME, world.T_base_lidar))
    ]
    writer.write("/tf_static", tf_message(types, mounts), start)


def _write_tf(writer: RecordingWriter, settings: Settings, event: _Event) -> None:
    types = rosbags_types()
    pose = WORLDS[settings.scene].path(settings.seconds).poses(np.array([event.stamp]))[0]
    moved = transform_message(types, ODOM_FRAME, BASE_FRAME, _nanoseconds(event.stamp), pose)
    writer.write("/tf", tf_message(types, [moved]), event.log_time)


def _write_image(writer: RecordingWriter, settings: Settings, event: _Event, image, depth) -> None:
    types, stamp = rosbags_types(), _nanoseconds(event.stamp)
    rounded = np.round(depth * _TRUTH_STEPS) / _TRUTH_STEPS
    truth, _ = encode_depth(types, rounded.astype(np.float32), "32FC1", stamp, CAMERA_FRAME)
    writer.write("/camera/camera_info", info_from_camera(types, settings.camera, stamp, CAMERA_FRAME), event.log_time)
    writer.write("/camera/image", encode_image(types, image, "rgb8", stamp, CAMERA_FRAME), event.log_time)
    writer.write("/camera/depth/ground_truth", truth, event.log_time)


def _write_scan(writer: RecordingWriter, event: _Event, sweep: LidarScan) -> None:
    cloud = encode_cloud(
        rosbags_types(),
        sweep.points,
        _nanoseconds(event.stamp),
        LIDAR_FRAME,
        intensity=sweep.intensity,
        ring=sweep.ring,
        time=sweep.time,
    )
    writer.write("/lidar/points", cloud, event.log_time)
