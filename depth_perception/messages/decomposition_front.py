"""From raw messages to posed depth with labels: one way in for the live node and the offline command.

Callbacks only hand messages over. An image waits for its depth, and both of them for their labels, so two
synchronisers stand in a row. Decoding and transforms happen in ``assemble``, on the worker's thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, FloatImage, PosedDepth
from depth_perception.geometry.camera import pixel_grid, project, unproject
from depth_perception.geometry.transform_tree import TransformError, TransformSource
from depth_perception.geometry.transforms import make_transform
from depth_perception.messages.calibrations import Calibrations
from depth_perception.messages.intake import Intake, camera_view, registered_depth, size_text
from depth_perception.messages.labels import decode_labels
from depth_perception.messages.problem import FrontError
from depth_perception.messages.types import MessageError, stamp_of
from depth_perception.pipelines.parameters import Value
from depth_perception.pipelines.synchronizer import SyncedSet, Synchronizer, SyncSettings


@dataclass(frozen=True)
class DecompositionFrontSettings:
    """How messages are paired and decoded; see DECOMPOSITION_PARAMETERS for each meaning."""

    sync: SyncSettings
    image_is_rectified: bool = False
    depth_is_rectified: bool = True
    labels_are_rectified: bool = False
    fixed_frame: str = "odom"
    wants_labels: bool = False

    @classmethod
    def from_parameters(cls, values: Mapping[str, Value], wants_labels: bool) -> DecompositionFrontSettings:
        """Pick the settings out of the values of DECOMPOSITION_PARAMETERS; raises ValueError without a fixed frame."""
        fixed = str(values["transform.fixed_frame"]).lstrip("/")
        if not fixed:
            raise ValueError("transform.fixed_frame is empty; objects need a frame in which the world stands still")
        sync = SyncSettings(
            max_interval=float(values["sync.max_interval"]),
            queue_size=int(values["sync.queue_size"]),
            timeout=float(values["sync.timeout"]),
            backward_jump=float(values["time_jump.backward"]),
        )
        return cls(
            sync=sync,
            image_is_rectified=bool(values["image.is_rectified"]),
            depth_is_rectified=bool(values["depth.is_rectified"]),
            labels_are_rectified=bool(values["labels.is_rectified"]),
            fixed_frame=fixed,
            wants_labels=wants_labels,
        )


class DecompositionFront:
    """Pairs and decodes image, depth and, if they are wanted, labels of one camera; finds its pose."""

    def __init__(
        self,
        settings: DecompositionFrontSettings,
        transforms: TransformSource,
        on_set: Callable[[SyncedSet], None],
        on_problem: Callable[[FrontError], None] | None = None,
    ):
        """``on_set`` receives each complete set, ``on_problem`` each message refused in ``on_*``."""
        self._settings = settings
        self._transforms = transforms
        self._on_set = on_set
        self._calibrations = Calibrations()
        self._intake = Intake(on_problem)
        self._with_labels = Synchronizer(settings.sync, self._labelled)
        self._with_depth = Synchronizer(settings.sync, self._deep)
        self._now = 0

    @property
    def settings(self) -> DecompositionFrontSettings:
        """The settings in force."""
        return self._settings

    @settings.setter
    def settings(self, settings: DecompositionFrontSettings) -> None:
        self._settings = settings
        self._with_labels.settings = self._with_depth.settings = settings.sync

    def on_camera_info(self, message: Any, now: int) -> None:
        """Remember a CameraInfo."""
        self._intake.received["camera_info"] += 1
        self._calibrations.add(message)

    def on_image(self, message: Any, now: int) -> None:
        """Take an Image or CompressedImage; ``now`` is the caller's clock in nanoseconds."""
        if self._intake.accepts("image", message):
            self._now = now
            self._with_depth.add_image(stamp_of(message.header), message, now)

    def on_depth(self, message: Any, now: int) -> None:
        """Take a depth Image or compressedDepth image."""
        if self._intake.accepts("depth", message):
            self._now = now
            self._with_depth.add_other(stamp_of(message.header), message, now)

    def on_labels(self, message: Any, now: int) -> None:
        """Take a label Image."""
        if self._intake.accepts("labels", message):
            self._now = now
            self._with_labels.add_other(stamp_of(message.header), message, now)

    def _deep(self, synced: SyncedSet) -> None:
        if self._settings.wants_labels:
            self._with_labels.add_image(synced.image_stamp, synced, self._now)
        else:
            self._on_set(replace(synced, image=(synced.image, synced.other, None)))

    def _labelled(self, synced: SyncedSet) -> None:
        inner: SyncedSet = synced.image
        self._on_set(replace(inner, image=(inner.image, inner.other, synced.other)))

    def poll(self, now: int) -> None:
        """Let time pass: images whose partners did not come in time are decided."""
        self._now = now
        self._with_depth.poll(now)
        self._with_labels.poll(now)

    def flush(self) -> None:
        """Decide everything that is still waiting; the recording has ended."""
        self._with_depth.flush()
        self._with_labels.flush()

    def reset(self, reason: str) -> None:
        """Forget all buffered messages. Calibrations stay."""
        self._with_depth.reset(reason)
        self._with_labels.reset(reason)

    def drops(self) -> dict[str, int]:
        """Return everything that was lost here, by cause; what found no depth and what found no labels apart."""
        total: Counter[str] = Counter(self._intake.refused)
        for name, synchronizer in (("depth", self._with_depth), ("labels", self._with_labels)):
            for cause, count in synchronizer.statistics().drops.items():
                total[f"{cause}_{name}" if cause == "no_partner" else cause] += count
        return dict(total)

    def missed(self, name: str) -> float | None:
        """Return how far the nearest ``depth`` or ``labels`` was from the last image that found none, in seconds."""
        synchronizer = self._with_depth if name == "depth" else self._with_labels
        return synchronizer.statistics().missed

    # -- worker's thread ------------------------------------------------------------------------

    def assemble(self, synced: SyncedSet) -> PosedDepth:
        """Decode one set and look up where the camera was; may wait for transforms. Raises FrontError."""
        settings = self._settings
        image_message, depth_message, label_message = synced.image
        frame_id = image_message.header.frame_id.lstrip("/")
        image, camera, raw, _ = camera_view(
            image_message, synced.image_stamp, self._calibrations, settings.image_is_rectified
        )
        pose = self._pose(frame_id, synced.image_stamp)
        bend = camera is not raw and not settings.image_is_rectified
        depth = self._depth(depth_message, raw, frame_id)
        if bend and not settings.depth_is_rectified:
            depth = _moved(raw, camera, depth, np.float32(np.nan))
        labels = None
        if label_message is not None:
            labels = self._labels(label_message, raw)
            if bend and not settings.labels_are_rectified:
                labels = _moved(raw, camera, labels, np.int32(-1))
        return PosedDepth(synced.image_stamp, frame_id, image, camera, depth, pose, labels)

    def _pose(self, frame_id: str, stamp: int) -> NDArray[np.float64]:
        fixed = self._settings.fixed_frame
        try:
            return np.asarray(self._transforms.lookup(fixed, frame_id, stamp), np.float64)
        except TransformError as error:
            raise FrontError(
                "no_pose", "image", f"where the camera {frame_id!r} is in {fixed!r} is not known: {error}"
            ) from error

    def _depth(self, message: Any, raw: CameraModel, frame_id: str) -> FloatImage:
        depth = registered_depth(message, "depth", raw, frame_id)
        if not np.isfinite(depth).any():
            raise FrontError("empty_depth", "depth", "the depth image has no valid pixel")
        return depth

    def _labels(self, message: Any, raw: CameraModel) -> NDArray[np.int32]:
        try:
            labels = decode_labels(message)
        except MessageError as error:
            raise FrontError("bad_labels", "labels", str(error)) from error
        if labels.shape != raw.shape:
            raise FrontError(
                "bad_label_size",
                "labels",
                f"width x height: the label image has {size_text(labels.shape)} pixels, "
                f"the image {size_text(raw.shape)}; labels must be of the image's size",
            )
        return labels


def _moved(raw: CameraModel, camera: CameraModel, values: NDArray, empty: Any) -> Any:
    """Return an image of the raw camera as the rectified one sees it, each pixel from the nearest one."""
    points = unproject(camera, pixel_grid(camera.shape), np.ones(camera.width * camera.height))
    pixels, _ = project(raw, points)
    at = np.nan_to_num(pixels, nan=-1000.0).astype(np.float32).reshape(*camera.shape, 2)
    plane = values.astype(np.float32)  # labels up to 2^24 are exact
    border = cv2.BORDER_CONSTANT
    moved = cv2.remap(plane, at[..., 0], at[..., 1], cv2.INTER_NEAREST, borderMode=border, borderValue=float(empty))
    return moved.astype(values.dtype)


def pose_of_odometry(message: Any) -> tuple[str, str, int, NDArray[np.float64]]:
    """Return (parent, child, stamp, T) of an Odometry as of a transform; raises MessageError naming what is wrong."""
    parent, child = message.header.frame_id.lstrip("/"), message.child_frame_id.lstrip("/")
    if not parent or not child:
        raise MessageError(
            f"header.frame_id {parent!r} and child_frame_id {child!r}: an odometry must name both of its frames"
        )
    at, turn = message.pose.pose.position, message.pose.pose.orientation
    try:
        T = make_transform((at.x, at.y, at.z), (turn.x, turn.y, turn.z, turn.w))
    except ValueError as error:
        raise MessageError(f"pose of {child} in {parent}: {error}") from error
    return parent, child, stamp_of(message.header), T
