"""From raw messages to the input of estimation: an image is enough, all else tells the scale if it can."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from depth_perception.geometry.transform_tree import TransformError, TransformSource
from depth_perception.messages.front import NO_RANGE_DATA, CompletionFront, FrontError, FrontSettings
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.estimation import EstimationInput
from depth_perception.pipelines.parameters import Value
from depth_perception.pipelines.synchronizer import SyncedSet

_RANGE_DATA = ("points", "sparse_depth")


@dataclass(frozen=True)
class FloorFrame:
    """``frame`` stands on the floor with z up, empty: none is known; ``height`` of the camera in metres, 0: unknown."""

    frame: str = ""
    height: float = 0.0

    @classmethod
    def from_parameters(cls, values: Mapping[str, Value]) -> FloorFrame:
        """Pick it out of the values of ESTIMATION_PARAMETERS."""
        return cls(str(values["scale.floor_frame"]).lstrip("/"), float(values["scale.camera_height"]))


def front_settings(values: Mapping[str, Value]) -> FrontSettings:
    """Return how messages are read, from the values of ESTIMATION_PARAMETERS: no image waits in vain."""
    always: dict[str, Value] = {"sync.policy": "nearest", "sync.publish_partial": True}
    settings = FrontSettings.from_parameters({**COMPLETION_PARAMETERS.defaults(), **values, **always})
    wants_pose = bool(values["scale.use_odometry"]) or settings.wants_pose
    return replace(settings, wants_pose=wants_pose)


class EstimationFront(CompletionFront):
    """Pairs and decodes the messages of one camera and, if there is one, a range sensor.

    What is wrong with the range data is a remark about it, and no reason to lose the image.
    """

    def __init__(
        self,
        settings: FrontSettings,
        floor: FloorFrame,
        transforms: TransformSource,
        on_set: Callable[[SyncedSet], None],
        on_problem: Callable[[FrontError], None] | None = None,
    ):
        """See ``CompletionFront``."""
        super().__init__(settings, transforms, on_set, on_problem)
        self.floor = floor

    def assemble(self, synced: SyncedSet) -> EstimationInput:
        """Decode one set; may wait for transforms. Raises FrontError for an image that cannot be used."""
        found: tuple[str, ...] = ()
        refused = None
        try:
            given = super().assemble(synced)
        except FrontError as error:
            if error.topic not in _RANGE_DATA or synced.other is None:
                raise
            found, refused = (str(error),), (error.cause, error.topic, str(error))
            given = super().assemble(replace(synced, other=None, other_stamp=None, interval=None, partial=True))
        up, height, floor_notes = self._below(given.frame.frame_id, given.frame.stamp)
        values: dict[str, Any] = {field.name: getattr(given, field.name) for field in fields(given)}
        # that there is no range data is nothing to remark upon
        values["notes"] = (*found, *(note for note in given.notes if note != NO_RANGE_DATA), *floor_notes)
        return EstimationInput(**values, up=up, height=height, refused=refused)

    def _below(self, frame_id: str, stamp: int) -> tuple[np.ndarray | None, float | None, tuple[str, ...]]:
        """Return up in the optical frame, the camera's height above the floor, and notes."""
        floor = self.floor
        if not floor.frame:
            return None, floor.height or None, ()
        try:
            latest = self.settings.use_latest_transform
            T = self._transforms.lookup(floor.frame, frame_id, None if latest else stamp)
        except TransformError as error:
            note = f"where the camera {frame_id!r} is above {floor.frame!r} is not known: {error}"
            return None, floor.height or None, (note,)
        height = floor.height or float(T[2, 3])
        return T[2, :3].copy(), height if height > 0 else None, ()
