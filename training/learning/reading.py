"""Images of a recording with the place they were taken from and what was measured in them, as the live nodes see them.

The front of the nodes pairs, decodes, undistorts and projects. Poses come from TF or, where TF knows no frame that
stands still, from odometry messages. Ground truth in a recording is told apart: it scores, and teaches nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from depth_perception.evaluation.estimated_rings import with_estimated_rings
from depth_perception.evaluation.recording_topics import TopicChoice
from depth_perception.evaluation.replay import Replay
from depth_perception.evaluation.truth import TopicTruth
from depth_perception.frames import CameraModel, FloatImage, SparseDepth
from depth_perception.geometry.transform_tree import TransformError, TransformTree
from depth_perception.geometry.transforms import make_transform
from depth_perception.messages.front import CompletionFront, FrontError
from depth_perception.messages.types import rosbags_types, stamp_of
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.synchronizer import SyncedSet
from depth_perception.recordings.reader import Recording

ODOMETRY = "nav_msgs/msg/Odometry"


@dataclass(frozen=True, eq=False)
class Look:
    """One image, undistorted: RGB uint8 (H, W, 3) of a pinhole ``camera``; ``T_world_camera`` (4, 4) where known.

    ``measured`` projects the range data that belong to the image, which takes a while; ``truth`` is the depth that the
    recording holds for scoring, float32 (H, W), 0 unknown. Each gives None where there is none.
    """

    stamp: int
    image: NDArray[np.uint8]
    camera: CameraModel
    T_world_camera: NDArray[np.float64] | None
    measured: Callable[[], SparseDepth | None]
    truth: Callable[[], FloatImage | None]


class RecordedLooks:
    """The images of one recording in order; use it in a ``with`` statement.

    ``needs_points``: leave out images without range data. ``problems`` holds, by cause, how often something could not
    be used and the first explanation. ``world``: the frame that stands still, empty if none is known. Raises TopicError
    (no image, no camera_info, or several to choose from) and RecordingError.
    """

    def __init__(self, path: Path | str, topics: TopicChoice | None = None, needs_points: bool = False):
        self.path = Path(path)
        self.problems: dict[str, tuple[int, str]] = {}
        self._needs_points = needs_points
        self._opened = ExitStack()
        try:
            recording = self._opened.enter_context(Recording(path))
            ahead = self._opened.enter_context(Recording(path))
            values = COMPLETION_PARAMETERS.resolve({"sync.publish_partial": not needs_points})
            self._replay = Replay(recording, topics or TopicChoice(), values, self._refused, any_source=True)
            self.topics = self._replay.topics
            self.camera_frame = self._camera_frame(recording)
            self.world = self._world(recording)
            if self.world:
                self._replay.front.settings = replace(self._replay.front.settings, fixed_frame=self.world)
            truth_settings = replace(self._replay.settings, source="depth")
            self._truth_front = CompletionFront(truth_settings, self._replay.transforms, lambda _: None)
            self._truth = (
                TopicTruth(m.message for m in ahead.messages([self.topics.truth])) if self.topics.truth else None
            )
            self._rings = rosbags_types()
        except BaseException:
            self._opened.close()
            raise

    def __enter__(self) -> RecordedLooks:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._opened.close()

    @property
    def image_count(self) -> int:
        """Number of images in the recording."""
        return self._replay.image_count

    @property
    def has_range_data(self) -> bool:
        """Whether the recording has points or measured depth."""
        return bool(self.topics.points or self.topics.depth)

    def looks(self, after: int | None = None, period: int = 0) -> Iterator[Look]:
        """Yield images later than the stamp ``after``, at least ``period`` nanoseconds apart."""
        last = after
        for synced in self._replay.sets(self._truth_front.on_camera_info):
            stamp = synced.image_stamp
            # a camera's own rhythm is not exact, so what comes a little early is not left out
            if last is not None and stamp < last + max(period - period // 10, 1):
                continue
            look = self._look(synced)
            if look is not None:
                last = stamp
                yield look

    def _look(self, synced: SyncedSet) -> Look | None:
        alone = replace(synced, other=None, other_stamp=None, interval=None, partial=True)
        try:
            frame = self._replay.front.assemble(alone).frame
        except FrontError as error:
            self._refused(error)
            return None
        return Look(
            synced.image_stamp,
            frame.image,
            frame.camera,
            self._pose(synced.image_stamp),
            lambda: self._measured(synced),
            lambda: self._true_depth(synced),
        )

    def _measured(self, synced: SyncedSet) -> SparseDepth | None:
        if synced.other is None:
            return None
        try:
            return self._replay.front.assemble(self._with_rings(synced)).sparse
        except FrontError as error:
            self._refused(error)
            return None

    def _with_rings(self, synced: SyncedSet) -> SyncedSet:
        """Return the set with the rings of its cloud estimated if it tells none: whole rings are held out."""
        is_cloud = self._replay.settings.source == "points"
        return with_estimated_rings(synced, self._rings) if is_cloud else synced

    def _true_depth(self, synced: SyncedSet) -> FloatImage | None:
        message = None if self._truth is None else self._truth.message(synced.image_stamp)
        if message is None:
            return None
        try:
            found = self._truth_front.assemble(replace(synced, other=message, other_stamp=synced.image_stamp))
        except FrontError as error:
            self._refused(error)
            return None
        return found.sparse.image()

    def _pose(self, stamp: int) -> NDArray[np.float64] | None:
        if not self.world:
            return None
        try:
            return np.asarray(self._replay.transforms.lookup(self.world, self.camera_frame, stamp), np.float64)
        except TransformError as error:
            self._refused(FrontError("no_pose", "image", str(error)))
            return None

    def _refused(self, error: FrontError) -> None:
        count, text = self.problems.get(error.cause, (0, self._replay.explain(error)))
        self.problems[error.cause] = (count + 1, text)

    def _camera_frame(self, recording: Recording) -> str:
        first = next(recording.messages([str(self.topics.image)]))
        return str(first.message.header.frame_id).lstrip("/")

    def _world(self, recording: Recording) -> str:
        found = self._replay.world_frame()
        if found and moves(self._replay.transforms, found, self.camera_frame):
            return found
        names = [name for name, info in recording.topics().items() if info.type == ODOMETRY and info.count]
        for name in names:
            world = insert_odometry(self._replay.transforms, recording, name)
            if world and moves(self._replay.transforms, world, self.camera_frame):
                return world
        return ""


def moves(tree: TransformTree, world: str, frame: str) -> bool:
    """Say whether ``frame`` is known in ``world`` at some time, and not by static transforms alone."""
    try:
        return tree.newest(world, frame) is not None
    except TransformError:
        return False


def insert_odometry(tree: TransformTree, recording: Recording, topic: str) -> str:
    """Add the poses of odometry messages to ``tree`` and return the frame they are in; empty without usable ones.

    A child frame that TF places somewhere else already is left alone: a frame has one parent.
    """
    world = ""
    for item in recording.messages([topic]):
        message = item.message
        parent, child = str(message.header.frame_id).lstrip("/"), str(message.child_frame_id).lstrip("/")
        if not parent or not child or (not world and tree.frames().get(child) is not None):
            return world
        p, q = message.pose.pose.position, message.pose.pose.orientation
        try:
            T = make_transform((p.x, p.y, p.z), (q.x, q.y, q.z, q.w))
            tree.insert(parent, child, stamp_of(message.header), T)
        except ValueError:
            continue  # a quaternion of zeros: the odometry had not started yet
        world = parent
    return world
