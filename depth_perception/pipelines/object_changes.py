"""What listeners have not heard yet: the difference between two snapshots of a scene."""

from __future__ import annotations

from dataclasses import dataclass, field

from depth_perception.frames import ObjectSurface
from depth_perception.pipelines.decomposition import Snapshot


@dataclass(frozen=True)
class Changes:
    """New and changed ``objects``, ids that are ``removed``, and of these which were ``merged`` into which.

    ``is_complete``: these are all objects, and everything else is to be forgotten.
    """

    objects: tuple[ObjectSurface, ...]
    removed: tuple[int, ...] = ()
    merged: dict[int, int] = field(default_factory=dict)
    is_complete: bool = False

    def __bool__(self) -> bool:
        """Return True if there is anything to tell."""
        return bool(self.objects or self.removed or self.is_complete)


class ChangeFeed:
    """Remembers what was told of each object."""

    def __init__(self) -> None:
        """Begin with nothing told, so that the first changes are complete."""
        self._told: dict[int, tuple[int, str]] = {}
        self._world: str | None = None

    def forget(self) -> None:
        """Tell everything again with the next changes, as somebody is new."""
        self._world = None

    def changes(self, snapshot: Snapshot, least_confidence: float = 0.0) -> Changes:
        """Return what is to be told, which counts as told from now on.

        An object is told again if its mesh has changed or its category has; not for another confidence alone. One less
        sure than ``least_confidence`` is not there.
        """
        objects = tuple(surface for surface in snapshot.objects if surface.confidence >= least_confidence)
        state = {surface.id: (surface.revision, surface.category) for surface in objects}
        if snapshot.world != self._world:
            self._world, self._told = snapshot.world, state
            return Changes(objects, is_complete=True)
        changed = tuple(surface for surface in objects if self._told.get(surface.id) != state[surface.id])
        removed = tuple(number for number in self._told if number not in state)
        merged = {number: snapshot.merged[number] for number in removed if number in snapshot.merged}
        self._told = state
        return Changes(changed, removed, merged)
