"""Which frames of a recording are learned from: those between which the camera moved enough to see depth.

One picture after the other is compared with the one chosen last. It is passed over while hardly anything has moved, and
chosen once near things have moved by ``parallax``, or the view is about to be lost. Where the view is lost at once, as
after a pause of the recorder, a new stretch begins: frames of two stretches are never neighbours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from depth_perception.geometry.transforms import invert
from training.learning.motion import FEWEST_TRACKS, Glance, Motion, Vectors, measure

STILL, CHOSEN, CUT, BLANK = "still", "chosen", "cut", "blank"


@dataclass(frozen=True)
class ChoiceSettings:
    """Shares of the image's width, but for ``lost``.

    ``parallax``: how far near things shall move besides the camera's rotation, 1.6 % are two pixels of a network that
    sees 128. ``flow``: motion of any kind that is enough for another look, 0: only parallax counts. ``most``: motion
    after which two pictures have too little in common. ``lost``: share of corners below which the view is another.
    """

    parallax: float = 0.016
    flow: float = 0.0
    most: float = 0.15
    lost: float = 0.2


#: completion learns from single frames: they shall show something else, and parallax teaches it nothing
EACH_ANOTHER_LOOK = ChoiceSettings(flow=0.004)


@dataclass(frozen=True)
class Decision:
    """``kind``: STILL, CHOSEN, CUT (chosen, and a new stretch begins) or BLANK (nothing in it to follow)."""

    kind: str
    motion: Motion | None = None

    @property
    def taken(self) -> bool:
        """Whether the frame is one to keep."""
        return self.kind in (CHOSEN, CUT)


class Chooser:
    """Looks at one picture after the other; ``last`` and ``pose``: those of the picture chosen last, if any."""

    def __init__(self, settings: ChoiceSettings, last: Glance | None = None, pose: Vectors | None = None):
        self.settings = settings
        self.last = last
        self.pose = pose

    def look(self, seen: Glance, pose: Vectors | None = None) -> Decision:
        """Decide about the next picture; ``pose`` T_world_camera (4, 4) tells the rotation where it is known."""
        if len(seen.corners) < FEWEST_TRACKS:
            return Decision(BLANK)
        if self.last is None or self.last.gray.shape != seen.gray.shape:
            self._take(seen, pose)
            return Decision(CUT)
        R = None
        if pose is not None and self.pose is not None:
            R = (invert(pose) @ self.pose)[:3, :3]
        motion = measure(self.last, seen, R)
        kind = self._kind(motion)
        if kind != STILL:
            self._take(seen, pose)
        return Decision(kind, motion)

    def _kind(self, motion: Motion) -> str:
        settings = self.settings
        if math.isnan(motion.flow) or motion.tracked < settings.lost or motion.flow > 2 * settings.most:
            return CUT
        parallax = 0.0 if math.isnan(motion.parallax) else motion.parallax
        enough = parallax >= settings.parallax or (settings.flow > 0 and motion.flow >= settings.flow)
        return CHOSEN if enough or motion.flow >= settings.most else STILL

    def _take(self, seen: Glance, pose: Vectors | None) -> None:
        self.last, self.pose = seen, None if pose is None else np.asarray(pose, np.float64)
