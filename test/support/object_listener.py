"""Puts ObjectSurfaceArrays together as any listener would."""

from __future__ import annotations

from typing import Any

import numpy as np

from depth_perception.frames import ObjectSurface
from depth_perception.messages.object_surface import surfaces_from_message


class Listener:
    """``now()`` is the scene as far as it was told; ``told`` counts the objects in all messages."""

    def __init__(self, observer: Any, topic: str = "/objects", qos: Any = 10):
        from depth_perception.msg import ObjectSurfaceArray

        self.messages = observer.collect(ObjectSurfaceArray, topic, qos)
        self.objects: dict[int, ObjectSurface] = {}
        self._read = self.told = 0

    def now(self) -> dict[int, ObjectSurface]:
        for message in self.messages[self._read :]:
            assert message.header.frame_id == "odom"
            update = surfaces_from_message(message)
            if update.is_complete:
                self.objects = {}
            self.objects.update({surface.id: surface for surface in update.objects})
            for number in update.removed:
                self.objects.pop(number, None)
            self.told += len(update.objects)
            self._read += 1
        return self.objects

    def matched(self, balls: np.ndarray) -> dict[int, int | None]:
        """Ball -> id of the object at its place, None where there is none."""
        found = {}
        for index, ball in enumerate(balls):
            near = [
                (np.linalg.norm(surface.box.center - ball[:3]), surface.id)
                for surface in self.now().values()
                if np.linalg.norm(surface.box.center - ball[:3]) < ball[3]
            ]
            found[index] = min(near)[1] if near else None
        return found
