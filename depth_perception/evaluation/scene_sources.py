"""Posed depth with labels from what lies on disk: a recording, or a folder of posed RGB-D images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from depth_perception.evaluation.recording_topics import IMAGE, TopicChoice, TopicError, is_labels
from depth_perception.evaluation.replay import Replay
from depth_perception.evaluation.rgbd_folder import (
    ConvertError,
    color_image,
    depth_image,
    label_image,
    read_rgbd_folder,
)
from depth_perception.frames import PosedDepth
from depth_perception.geometry.transform_tree import TransformError
from depth_perception.messages.front import FrontError
from depth_perception.messages.labels import decode_labels
from depth_perception.messages.types import MessageError, stamp_of
from depth_perception.pipelines.completion import CompletionPipeline, CompletionSettings
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.recordings.reader import Recording

NANOSECONDS = 1_000_000_000
FOLDER_RATE = 10.0  # images a second of a folder that tells no times
DENSE = 0.15  # share of pixels with a measurement from which on depth needs no completion
LABEL_DISTANCE = 50_000_000  # nanoseconds between an image and its labels


class SceneSource(Protocol):
    """Frames in order; ``count`` is how many images there are, ``skipped`` what could not be used, by reason."""

    name: str
    count: int
    depth_from: str
    skipped: dict[str, int]

    def frames(self, start: int = 0) -> Iterator[tuple[int, PosedDepth]]:
        """Yield the number of each usable frame from ``start`` on, and the frame; labels None where none are given."""


@dataclass(frozen=True)
class SourceChoice:
    """What the user may say about a source: topics of a recording, frame of its world, format of a folder's depth."""

    topics: TopicChoice = field(default_factory=TopicChoice)
    labels: str = ""  # topic; empty: found by encoding and name
    fixed_frame: str = ""  # empty: odom, map or world, as recorded
    depth_format: str = "millimetres"


def open_source(path: Path, choice: SourceChoice) -> SceneSource:
    """Return the source at ``path``; raises ConvertError, RecordingError, TopicError, ValueError."""
    if path.is_dir() and (next(path.glob("*.depth.png"), None) or (path / "frames.txt").is_file()):
        return FolderSource(path, choice.depth_format)
    return RecordingSource(path, choice)


class FolderSource:
    """A posed RGB-D folder as ``read_rgbd_folder`` knows it."""

    def __init__(self, folder: Path, depth_format: str):
        """Raises ConvertError."""
        self.name = folder.resolve().name
        self._format = depth_format
        self._folder = read_rgbd_folder(folder)
        self.count = len(self._folder.frames)
        self.depth_from = "the folder's depth pictures"
        self.skipped: dict[str, int] = {}

    def frames(self, start: int = 0) -> Iterator[tuple[int, PosedDepth]]:
        """See ``SceneSource``."""
        for index, frame in enumerate(self._folder.frames[start:], start):
            if frame.pose is None:
                self.skipped["no pose"] = self.skipped.get("no pose", 0) + 1
                continue
            image = color_image(frame.color)
            image = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
            depth = self._folder.register(depth_image(frame.depth, self._format))
            labels = None if frame.labels is None else label_image(frame.labels)
            for what, array in (("depth", depth), ("labels", labels)):
                if array is not None and array.shape != image.shape[:2]:
                    raise ConvertError(
                        f"{frame.name}: {what} {array.shape}, image {image.shape[:2]}; expected the same"
                    )
            stamp = round(index / FOLDER_RATE * NANOSECONDS) + 1
            camera = self._folder.camera_of(depth.shape)
            yield index, PosedDepth(stamp, "camera", image, camera, depth, frame.pose, labels)


class RecordingSource:
    """A recording: image, camera_info, tf, and depth images or points; these are completed by our default model."""

    def __init__(self, path: Path, choice: SourceChoice):
        """Open it and look for its topics; raises RecordingError, TopicError, and ValueError without a world frame."""
        self.name = path.resolve().stem
        self._recording = Recording(path)
        self._values = COMPLETION_PARAMETERS.resolve({})
        self._replay = Replay(self._recording, choice.topics, self._values, any_source=True)
        topics = self._replay.topics
        if not topics.points and not topics.depth:
            raise TopicError("the recording has neither points nor a depth image; surfaces need measured depth")
        self._world = choice.fixed_frame or self._replay.world_frame()
        if not self._world:
            raise ValueError(
                "no frame odom, map or world above the camera in the recorded tf; name one by --fixed-frame"
            )
        self.count = self._replay.image_count
        self.depth_from = str(topics.points or topics.depth)
        self._has_points = bool(topics.points)  # however many they are in a small image, they lie on lines
        self.labels = choice.labels or self._find_labels()
        self.skipped: dict[str, int] = {}
        self._pipeline: CompletionPipeline | None = None

    def _find_labels(self) -> str:
        found = [
            name
            for name, info in self._recording.topics().items()
            if info.type == IMAGE and info.count and is_labels(name, self._encoding(name))
        ]
        if len(found) > 1:
            raise TopicError(f"the recording has several label topics, choose with --labels: {', '.join(found)}")
        return found[0] if found else ""

    def _encoding(self, topic: str) -> str:
        first = next(self._recording.messages([topic]), None)
        return "" if first is None else str(first.message.encoding)

    def frames(self, start: int = 0) -> Iterator[tuple[int, PosedDepth]]:
        """See ``SceneSource``."""
        labels = LabelStream(self._recording, self.labels) if self.labels else None
        for index, synced in enumerate(self._replay.sets()):
            if index < start:
                continue
            try:
                given = self._replay.front.assemble(synced)
                pose = self._replay.transforms.lookup(self._world, given.frame.frame_id, given.frame.stamp)
            except (FrontError, TransformError) as error:
                reason = error.cause if isinstance(error, FrontError) else "no pose"
                self.skipped[reason] = self.skipped.get(reason, 0) + 1
                continue
            frame = given.frame
            if not self._has_points and len(given.sparse) >= DENSE * frame.image.shape[0] * frame.image.shape[1]:
                depth = given.sparse.image()
                posed = PosedDepth(
                    frame.stamp,
                    frame.frame_id,
                    frame.image,
                    frame.camera,
                    np.where(depth > 0, depth, np.nan).astype(np.float32),
                    pose,
                )
            else:
                if self._pipeline is None:
                    self._pipeline = CompletionPipeline(CompletionSettings.from_parameters(self._values))
                    self.depth_from += f", completed by {self._values['model']}"
                estimate = self._pipeline.run(given)
                posed = PosedDepth(
                    frame.stamp, frame.frame_id, frame.image, estimate.camera, estimate.depth, pose, None,
                    estimate.standard_deviation,
                )  # fmt: skip
            if labels is not None:
                found = labels.near(frame.stamp)
                if found is None or found.shape != posed.depth.shape:
                    reason = "no labels" if found is None else "labels of another size"
                    self.skipped[reason] = self.skipped.get(reason, 0) + 1
                    continue
                posed = replace(posed, labels=found)
            yield index, posed


class LabelStream:
    """Label images of a recording, read as far as they are needed."""

    def __init__(self, recording: Recording, topic: str):
        """``topic`` holds Images."""
        self._items = recording.messages([topic])
        self._kept: list[tuple[int, Any]] = []

    def near(self, stamp: int) -> NDArray[np.int32] | None:
        """Return the labels nearest to ``stamp`` [ns], None if none is near; stamps must not go back."""
        while not self._kept or self._kept[-1][0] < stamp + LABEL_DISTANCE:
            item = next(self._items, None)
            if item is None:
                break
            self._kept.append((stamp_of(item.message.header), item.message))
        self._kept = [kept for kept in self._kept if kept[0] >= stamp - LABEL_DISTANCE]
        near = [kept for kept in self._kept if abs(kept[0] - stamp) <= LABEL_DISTANCE]
        if not near:
            return None
        try:
            return decode_labels(min(near, key=lambda kept: abs(kept[0] - stamp))[1])
        except MessageError:
            return None


def with_labels(frame: PosedDepth, segment: Callable[..., NDArray[np.int32]] | None) -> PosedDepth:
    """Return ``frame`` with labels: its own, or those of ``segment(image, depth, camera)``; ValueError without both."""
    if frame.labels is not None:
        return frame
    if segment is None:
        raise ValueError("the source has no labels, and there is no segmenter to make some")
    return replace(frame, labels=segment(frame.image, frame.depth, frame.camera))


def told(skipped: Mapping[str, int]) -> str:
    """Return what was skipped as text."""
    return ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items()))
