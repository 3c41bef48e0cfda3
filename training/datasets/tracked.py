"""Video whose motion nobody measured: frames that moved enough, with poses found from corners and estimated depth.

Pose networks take thousands of steps to learn turns. An estimator that already knows a little about depth can tell how
its camera moved at once: corners followed into the next frame, lifted by its depth, seen from where the camera must
then be. Poses are in the estimator's own unit, so training it with them (``known_poses``) leaves that unit as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_perception.models import zoo
from depth_perception.models.estimator import Estimator
from depth_perception.pipelines.visual_motion import VisualMotion, grey, visual_motion
from training.datasets.video import FolderSource, Video, VideoFrame, VideoSource

_FEWEST = 3  # frames of a stretch that is worth anything


class TrackedVideo:
    """Frames of ``video`` with these numbers, and where the camera stood: ``poses`` T_first_camera (4, 4) each."""

    def __init__(self, video: Video, numbers: Sequence[int], poses: Sequence[NDArray[np.float64]]):
        self.name = f"{video.name}-{numbers[0]:04d}"
        self.video = video
        self.numbers = list(numbers)
        self.poses = list(poses)

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.numbers)

    def __getitem__(self, index: int) -> VideoFrame:
        """See ``Video``."""
        return replace(self.video[self.numbers[index]], T_world_camera=self.poses[index])


def tracked(
    video: Video, estimator: Estimator, step: int = 1, least: float = 0.01, longest: int = 10
) -> list[TrackedVideo]:
    """Return stretches of ``video`` in which the camera moves, each frame with its pose in the estimator's unit.

    Of every ``step`` frames one is looked at, and taken as soon as the camera moved by ``least`` of the median depth
    since the last one taken. A stretch ends where motion cannot be told, or is less than that over ``longest`` looks.
    """
    found: list[TrackedVideo] = []
    numbers: list[int] = []
    poses: list[NDArray[np.float64]] = []

    def end() -> None:
        if len(numbers) >= _FEWEST:
            found.append(TrackedVideo(video, numbers, poses))
        numbers.clear()
        poses.clear()

    last, looks = None, 0
    for number in range(0, len(video), step):
        frame = video[number]
        if last is not None:
            motion = _motion(last, frame)
            if motion is not None and _moved(motion, last) < least and looks < longest:
                looks += 1
                continue
            if motion is not None and _moved(motion, last) >= least:
                poses.append(poses[-1] @ np.linalg.inv(motion.T))
            else:
                end()
        if not poses:
            poses.append(np.eye(4))
        numbers.append(number)
        last, looks = _Seen(frame, estimator), 0
    end()
    return found


class TrackedSource:
    """Videos of ``folder`` (see ``FolderSource``) or of ``source``, with motion as ``weights`` see it.

    ``weights``: a weight file of an estimator, or the name of one that ships. The other arguments: see ``tracked``.
    Raises ValueError, told by which videos, if the camera never moves enough.
    """

    def __init__(
        self,
        weights: str,
        folder: str = "",
        source: VideoSource | None = None,
        step: int = 1,
        least: float = 0.01,
        longest: int = 10,
    ):
        if bool(folder) == (source is not None):
            raise ValueError("videos come from a folder or from a source: name one of the two")
        self.source = source or FolderSource(folder)
        self.weights = weights
        self.step, self.least, self.longest = step, least, longest
        self._found: dict[bool, list[TrackedVideo]] = {}

    def videos(self, held_out: bool) -> Sequence[Video]:
        """See ``VideoSource``; found once."""
        if held_out not in self._found:
            known = self.weights in zoo.ESTIMATORS
            estimator = zoo.load_estimator(
                self.weights if known else next(iter(zoo.ESTIMATORS)), file=None if known else Path(self.weights)
            )
            videos = self.source.videos(held_out)
            found = [t for v in videos for t in tracked(v, estimator, self.step, self.least, self.longest)]
            if not found:
                names = ", ".join(video.name for video in videos)
                raise ValueError(
                    f"too little motion, texture or light in {names}: no {_FEWEST} frames in a row between which the "
                    f"camera moved by {self.least:.1%} of the depth it sees"
                )
            self._found[held_out] = found
        return self._found[held_out]


class _Seen:
    """A frame that was taken, with its estimate."""

    def __init__(self, frame: VideoFrame, estimator: Estimator):
        self.frame = frame
        self.grey = grey(frame.image)
        self.estimate = estimator.infer(frame.image, frame.camera)
        self.median = float(np.nanmedian(self.estimate.depth))


def _motion(last: _Seen, frame: VideoFrame) -> VisualMotion | None:
    return visual_motion(last.grey, grey(frame.image), last.estimate, last.frame.camera)


def _moved(motion: VisualMotion, last: _Seen) -> float:
    return float(np.linalg.norm(motion.T[:3, 3])) / last.median
