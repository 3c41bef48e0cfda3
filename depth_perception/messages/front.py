"""From raw messages to pipeline input: one way in for the live node and the offline evaluator.

Callbacks only hand messages over (``on_*``, cheap, any thread). Decoding, transforms and projection
happen in ``assemble``, which the worker calls for the sets that it really computes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from depth_perception.frames import CameraFrame, CameraModel, PointCloud, SparseDepth
from depth_perception.geometry.camera import unproject
from depth_perception.geometry.projection import deskew, project_cloud, remove_hidden
from depth_perception.geometry.transform_tree import TransformError, TransformSource
from depth_perception.messages.calibrations import Calibrations
from depth_perception.messages.intake import Intake, camera_view, registered_depth
from depth_perception.messages.point_cloud import decode_cloud
from depth_perception.messages.problem import FrontError
from depth_perception.messages.types import MessageError, stamp_of
from depth_perception.pipelines.completion import CompletionInput
from depth_perception.pipelines.parameters import Value
from depth_perception.pipelines.synchronizer import SyncedSet, Synchronizer, SyncSettings, SyncStatistics

__all__ = ["CompletionFront", "FrontError", "FrontSettings", "FrontStatistics"]

NANOSECONDS = 1_000_000_000
NO_RANGE_DATA = "no range data arrived in time for this image"


@dataclass(frozen=True)
class FrontSettings:
    """How messages are paired, decoded and projected; see COMPLETION_PARAMETERS for each meaning."""

    sync: SyncSettings
    is_rectified: bool = False
    rectify: bool = True
    source: str = "points"
    accept_mono16_depth: bool = False
    min_range: float = 0.1
    max_range: float = 200.0
    remove_hidden: bool = True
    hidden_tolerance: float = 0.05
    deskew: bool = True
    time_unit: str = "auto"
    fixed_frame: str = ""
    use_latest_transform: bool = False
    wants_pose: bool = False

    @classmethod
    def from_parameters(cls, values: Mapping[str, Value]) -> FrontSettings:
        """Pick the settings out of the values of COMPLETION_PARAMETERS."""
        # pairs made by message_filters come in through add_pair, so the synchroniser only idles then
        policy = "exact" if values["sync.policy"] == "exact" else "nearest"
        sync = SyncSettings.from_parameters({**values, "sync.policy": policy})
        return cls(
            sync=sync,
            is_rectified=bool(values["image.is_rectified"]),
            rectify=bool(values["image.rectify"]),
            source=str(values["input.source"]),
            accept_mono16_depth=bool(values["input.accept_mono16_depth"]),
            min_range=float(values["cloud.min_range"]),
            max_range=float(values["cloud.max_range"]),
            remove_hidden=bool(values["cloud.remove_hidden"]),
            hidden_tolerance=float(values["cloud.hidden_tolerance"]),
            deskew=bool(values["cloud.deskew"]),
            time_unit=str(values["cloud.time_unit"]),
            fixed_frame=str(values["transform.fixed_frame"]).lstrip("/"),
            use_latest_transform=bool(values["transform.use_latest"]),
            wants_pose=bool(values["streaming.enabled"]),
        )

    @property
    def other_topic(self) -> str:
        """Name of the input that carries the range data."""
        return "points" if self.source == "points" else "sparse_depth"


@dataclass(frozen=True)
class FrontStatistics:
    """Counters since the start: messages received by input, pairing figures, messages refused by cause."""

    received: dict[str, int]
    sync: SyncStatistics
    refused: dict[str, int]

    @property
    def drops(self) -> dict[str, int]:
        """Everything that was lost before the pipeline, by cause."""
        return dict(Counter(self.sync.drops) + Counter(self.refused))


class CompletionFront:
    """Pairs, decodes and projects the messages of one camera and one range sensor."""

    def __init__(
        self,
        settings: FrontSettings,
        transforms: TransformSource,
        on_set: Callable[[SyncedSet], None],
        on_problem: Callable[[FrontError], None] | None = None,
    ):
        """``on_set`` receives each synchronised set, ``on_problem`` each message refused in ``on_*``."""
        self._settings = settings
        self._transforms = transforms
        self._calibrations = Calibrations()
        self._intake = Intake(on_problem)
        self._synchronizer = Synchronizer(settings.sync, on_set)

    @property
    def settings(self) -> FrontSettings:
        """The settings in force."""
        return self._settings

    @settings.setter
    def settings(self, settings: FrontSettings) -> None:
        self._settings = settings
        self._synchronizer.settings = settings.sync

    def on_camera_info(self, message: Any, now: int) -> None:
        """Remember a CameraInfo; ``now`` is unused but keeps the four inputs alike."""
        self._intake.received["camera_info"] += 1
        self._calibrations.add(message)

    def on_image(self, message: Any, now: int) -> None:
        """Take an Image or CompressedImage; ``now`` is the caller's clock in nanoseconds."""
        if self._intake.accepts("image", message):
            self._synchronizer.add_image(stamp_of(message.header), message, now)

    def on_points(self, message: Any, now: int) -> None:
        """Take a PointCloud2; ``now`` is the caller's clock in nanoseconds."""
        if self._intake.accepts("points", message):
            self._synchronizer.add_other(stamp_of(message.header), message, now)

    def on_depth(self, message: Any, now: int) -> None:
        """Take a sparse depth Image or compressedDepth image; ``now`` is the caller's clock in nanoseconds."""
        if self._intake.accepts("sparse_depth", message):
            self._synchronizer.add_other(stamp_of(message.header), message, now)

    def add_pair(self, image: Any, other: Any | None, emit: Callable[[SyncedSet], None]) -> None:
        """Hand on a set that somebody else paired (``sync.policy: approximate``)."""
        if self._intake.accepts("image", image) and (
            other is None or self._intake.accepts(self._settings.other_topic, other)
        ):
            stamp = stamp_of(image.header)
            other_stamp = None if other is None else stamp_of(other.header)
            interval = None if other_stamp is None else (other_stamp - stamp) / NANOSECONDS
            emit(SyncedSet(stamp, image, other_stamp, other, interval, other is None))

    def poll(self, now: int) -> None:
        """Let time pass: images whose range data did not come in time are decided."""
        self._synchronizer.poll(now)

    def flush(self) -> None:
        """Decide everything that is still waiting; the recording has ended."""
        self._synchronizer.flush()

    def reset(self, reason: str) -> None:
        """Forget all buffered messages, for instance after a time jump. Calibrations stay."""
        self._synchronizer.reset(reason)

    def statistics(self) -> FrontStatistics:
        """Return the counters since the start."""
        intake = self._intake
        return FrontStatistics(dict(intake.received), self._synchronizer.statistics(), dict(intake.refused))

    def assemble(self, synced: SyncedSet) -> CompletionInput:
        """Decode one set and project its range data into the image.

        May wait for transforms as long as the transform source does. Raises FrontError.
        """
        settings = self._settings
        clock = time.perf_counter
        started = clock()
        frame, raw_camera, notes = self._camera_frame(synced, settings)
        decoded = clock()
        age: float | None = None
        latency = {"decode": decoded - started}
        if synced.other is None or synced.other_stamp is None:
            sparse = SparseDepth.from_image(np.zeros(frame.camera.shape, np.float32))
            notes += (NO_RANGE_DATA,)
        elif settings.source == "depth":
            sparse = self._measured_pixels(synced.other, frame, raw_camera, settings)
        else:
            cloud = self._cloud(synced.other, synced.other_stamp, settings)
            latency["decode"] = clock() - started
            before = clock()
            cloud, T_camera_lidar, age, cloud_notes = self._place(cloud, frame, settings)
            notes += cloud_notes
            latency["transform"] = clock() - before
            before = clock()
            sparse = project_cloud(cloud, T_camera_lidar, frame.camera)
            if len(sparse) == 0:
                raise FrontError(
                    "no_points_in_view",
                    "points",
                    f"none of {len(cloud)} points in {cloud.frame_id} falls into the image of {frame.frame_id}; "
                    "check the transform between the two frames",
                )
            if settings.remove_hidden:
                sparse = remove_hidden(sparse, settings.hidden_tolerance, frame.camera, T_camera_lidar)
            latency["project"] = clock() - before
        pose, pose_notes = self._pose(frame, settings)
        return CompletionInput(frame, sparse, synced.interval, age, notes + pose_notes, latency, pose)

    def _pose(self, frame: CameraFrame, settings: FrontSettings) -> tuple[np.ndarray | None, tuple[str, ...]]:
        """Return T_fixed_camera at the image's stamp if it is wanted and known, and notes."""
        if not settings.wants_pose or not settings.fixed_frame:
            return None, ()
        try:
            stamp = None if settings.use_latest_transform else frame.stamp
            return self._transforms.lookup(settings.fixed_frame, frame.frame_id, stamp), ()
        except TransformError as error:
            return None, (f"where the camera {frame.frame_id!r} is in {settings.fixed_frame!r} is not known: {error}",)

    def _camera_frame(
        self, synced: SyncedSet, settings: FrontSettings
    ) -> tuple[CameraFrame, CameraModel, tuple[str, ...]]:
        message = synced.image
        view = camera_view(message, synced.image_stamp, self._calibrations, settings.is_rectified, settings.rectify)
        frame = CameraFrame(synced.image_stamp, message.header.frame_id.lstrip("/"), view.image, view.camera)
        return frame, view.raw, view.notes

    def _cloud(self, message: Any, stamp: int, settings: FrontSettings) -> PointCloud:
        try:
            cloud = decode_cloud(message, settings.time_unit)
        except MessageError as error:
            raise FrontError("bad_cloud", "points", str(error)) from error
        total = len(cloud)
        distance_squared = np.einsum("ij,ij->i", cloud.points, cloud.points)
        near_enough = distance_squared <= settings.max_range**2
        keep = near_enough & (distance_squared >= settings.min_range**2)
        if not keep.all():
            cloud = _select(cloud, keep)
        if total == 0:
            size = int(message.width) * int(message.height)
            text = f"none of {size} points is valid, all are NaN, infinite or zero" if size else "the cloud is empty"
            raise FrontError("empty_cloud", "points", text)
        if len(cloud) == 0:
            raise FrontError(
                "empty_cloud",
                "points",
                f"{total} valid points, none between cloud.min_range {settings.min_range:g} m "
                f"and cloud.max_range {settings.max_range:g} m",
            )
        # the corrected stamp is when the scan really was taken
        return replace(cloud, stamp=stamp, frame_id=cloud.frame_id.lstrip("/"))

    def _place(
        self, cloud: PointCloud, frame: CameraFrame, settings: FrontSettings
    ) -> tuple[PointCloud, np.ndarray, float | None, tuple[str, ...]]:
        """Return the cloud (deskewed), T_camera_lidar, age of the transform and notes."""
        notes: tuple[str, ...] = ()
        source, fixed = self._transforms, settings.fixed_frame
        if cloud.frame_id == frame.frame_id and not fixed:
            return cloud, np.eye(4), None, notes
        try:
            if settings.use_latest_transform:
                T = source.lookup(frame.frame_id, cloud.frame_id, None)
            elif fixed:
                if settings.deskew and cloud.time is not None:
                    cloud = deskew(cloud, lambda stamp: source.lookup(fixed, cloud.frame_id, stamp), cloud.stamp)
                elif settings.deskew:
                    notes = ("points carry no time of their own, so motion during a scan is not undone",)
                T = source.lookup_full(frame.frame_id, frame.stamp, cloud.frame_id, cloud.stamp, fixed)
            else:
                T = source.lookup(frame.frame_id, cloud.frame_id, frame.stamp)
            newest = source.newest(frame.frame_id, fixed or cloud.frame_id)
        except TransformError as error:
            raise FrontError(
                "no_transform",
                "points",
                f"points in {cloud.frame_id!r} cannot be placed in {frame.frame_id!r}: {error}",
            ) from error
        age = None if newest is None else (frame.stamp - newest) / NANOSECONDS
        return cloud, T, age, notes

    def _measured_pixels(
        self, message: Any, frame: CameraFrame, raw_camera: CameraModel, settings: FrontSettings
    ) -> SparseDepth:
        accept = settings.accept_mono16_depth
        depth = registered_depth(message, "sparse_depth", raw_camera, frame.frame_id, accept)
        sparse = SparseDepth.from_image(depth)
        if len(sparse) == 0:
            raise FrontError("empty_depth", "sparse_depth", "the depth image has no valid pixel")
        if frame.camera is raw_camera or settings.is_rectified:
            return sparse
        # the image was rectified on arrival, so its measured pixels move with it
        pixels = np.stack([sparse.columns, sparse.rows], axis=1).astype(np.float64)
        points = unproject(raw_camera, pixels, sparse.depth)
        keep = np.isfinite(points).all(axis=1)
        cloud = PointCloud(frame.stamp, frame.frame_id, points[keep].astype(np.float32))
        moved = project_cloud(cloud, np.eye(4), frame.camera)
        return replace(moved, source=sparse.source[keep][moved.source])


def _select(cloud: PointCloud, keep: np.ndarray) -> PointCloud:
    def pick(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else values[keep]

    return replace(
        cloud, points=cloud.points[keep], intensity=pick(cloud.intensity), ring=pick(cloud.ring), time=pick(cloud.time)
    )
