"""A recording fed to the front that the live node uses, in order of log time and without a clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from depth_perception.evaluation.recording_topics import IMAGE, TopicChoice, choose_topics, range_source
from depth_perception.geometry.transform_tree import TransformTree
from depth_perception.messages.front import CompletionFront, FrontError, FrontSettings
from depth_perception.messages.transform import transform_from_message
from depth_perception.messages.types import MessageError
from depth_perception.pipelines.parameters import Value
from depth_perception.pipelines.synchronizer import SyncedSet
from depth_perception.recordings.reader import Recording

TF_TYPE = "tf2_msgs/msg/TFMessage"
WORLD_FRAMES = ("odom", "map", "world")  # REP 105, the smoothest first


class Replay:
    """One pass over a recording.

    All transforms are loaded beforehand, so no set fails because a transform came late, and nothing
    depends on how fast this machine is. ``topics`` are the names in use, ``transforms`` the tree,
    ``front`` the front with its statistics.
    """

    def __init__(
        self,
        recording: Recording,
        choice: TopicChoice,
        values: Mapping[str, Value],
        on_problem: Callable[[FrontError], None] | None = None,
        any_source: bool = False,
        make_front: Callable[..., CompletionFront] = CompletionFront,
    ):
        """``values`` are those of COMPLETION_PARAMETERS, complete. Raises TopicError, RecordingError.

        ``any_source``: take the range data that there are, also none, whatever ``input.source`` says.
        ``make_front(settings, transforms, on_set, on_problem)``: another front than that of completion.
        """
        self._recording = recording
        self._on_problem = on_problem
        self.settings = FrontSettings.from_parameters(values)
        types = {name: info.type for name, info in recording.topics().items() if info.count}
        source = range_source(types, self._encoding_of, choice) if any_source else self.settings.source
        if source != "none":
            self.settings = replace(self.settings, source=source)
        self.topics = choose_topics(types, self._encoding_of, choice, source)
        self.transforms = self._load_transforms(types)
        self._pending: list[SyncedSet] = []
        self.front = make_front(self.settings, self.transforms, self._pending.append, on_problem)
        self.settings = self.front.settings

    @property
    def image_count(self) -> int:
        """Number of images in the recording."""
        return self._recording.topics()[self.topics.image].count if self.topics.image else 0

    def world_frame(self) -> str:
        """Return the world frame above the camera in the recorded transforms, or an empty text.

        As parameter ``transform.fixed_frame`` it lets the front undo the motion between scan and image.
        """
        first = next(self._recording.messages([str(self.topics.image)]), None)
        frame = None if first is None else first.message.header.frame_id.lstrip("/")
        parents, above = self.transforms.frames(), set()
        while frame is not None and frame not in above:
            above.add(frame)
            frame = parents.get(frame)
        return next((name for name in WORLD_FRAMES if name in above), "")

    def topic_of(self, role: str) -> str:
        """Return the recorded topic behind an input name of the front, for messages to people."""
        if role.startswith("/"):
            return role
        return getattr(self.topics, "depth" if role == "sparse_depth" else role, None) or role

    def explain(self, error: FrontError) -> str:
        """Return an error's text with the topic that it is about."""
        return f"{self.topic_of(error.topic)}: {error}"

    def sets(self, on_camera_info: Callable[[Any, int], None] | None = None) -> Iterator[SyncedSet]:
        """Yield every synchronised set; ``on_camera_info`` sees each CameraInfo before the front does."""
        topics, front = self.topics, self.front
        wanted = [n for n in (topics.camera_info, topics.image, topics.points, topics.depth) if n]
        for item in self._first_info_first(wanted):
            now, message = item.log_time, item.message
            if item.topic == topics.camera_info:
                if on_camera_info is not None:
                    on_camera_info(message, now)
                front.on_camera_info(message, now)
            elif item.topic == topics.image:
                front.on_image(message, now)
            elif item.topic == topics.points:
                front.on_points(message, now)
            else:
                front.on_depth(message, now)
            front.poll(now)
            yield from self._take()
        front.flush()
        yield from self._take()

    def _take(self) -> Iterator[SyncedSet]:
        while self._pending:
            yield self._pending.pop(0)

    def _first_info_first(self, wanted: list[str]) -> Iterator[Any]:
        """Yield the messages in order, but the first camera_info ahead of all: some drivers send it late."""
        first = next(self._recording.messages([str(self.topics.camera_info)]), None)
        if first is not None:
            yield first
        skipped = first is None
        for item in self._recording.messages(wanted):
            if not skipped and item.topic == self.topics.camera_info:
                skipped = True
                continue
            yield item

    def _encoding_of(self, topic: str) -> str:
        for item in self._recording.messages([topic]):
            return str(item.message.encoding if item.type == IMAGE else item.message.format)
        return ""

    def _load_transforms(self, types: Mapping[str, str]) -> TransformTree:
        tree = TransformTree(cache_time_s=None)
        topics = [name for name, kind in types.items() if kind == TF_TYPE]
        for item in self._recording.messages(topics) if topics else ():
            for transform in item.message.transforms:
                try:
                    parent, child, stamp, T = transform_from_message(transform)
                except MessageError as error:  # one bad publisher must not take the others with it
                    if self._on_problem is not None:
                        self._on_problem(FrontError("bad_transform", item.topic, str(error)))
                    continue
                tree.insert(parent, child, stamp, T, static=item.topic.endswith("tf_static"))
        return tree
