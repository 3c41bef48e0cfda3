"""Frames of a recording into a work folder, once: what was interrupted goes on behind the last frame written."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from depth_perception.evaluation.recording_topics import TopicChoice
from depth_perception.models import weights
from training.learning.choice import BLANK, CUT, STILL, ChoiceSettings, Chooser
from training.learning.frame_files import FrameEntry, FrameFolder, frame_arrays, read_frame
from training.learning.motion import glance
from training.learning.reading import Look, RecordedLooks

NANOSECONDS = 1_000_000_000
_DONE = "extraction.json"


@dataclass(frozen=True)
class ExtractionSettings:
    """``rate``: images a second that are looked at; ``frames``: most that are kept of a recording.

    ``width``: larger pictures are made so many pixels wide, 0: never. ``needs_points``: images without range data are
    left out.
    """

    topics: TopicChoice = field(default_factory=TopicChoice)
    choice: ChoiceSettings = field(default_factory=ChoiceSettings)
    rate: float = 10.0
    frames: int = 3000
    width: int = 0
    needs_points: bool = False


@dataclass(frozen=True)
class Extraction:
    """What was found in a recording. ``images`` it has, ``considered`` of them, passed over as ``still`` or ``blank``.

    ``cuts``: places where the view was lost; ``world``: the frame the poses are in, or empty; ``source`` topic of range
    data, or empty; ``problems``: by cause, how often something could not be used and why.
    """

    recording: str
    images: int
    considered: int
    still: int
    blank: int
    cuts: int
    seconds: float
    world: str
    source: str
    has_truth: bool
    problems: dict[str, tuple[int, str]]
    full: bool = False  # stopped at the most frames that are kept


def extract(
    recording: Path | str,
    folder: Path,
    settings: ExtractionSettings,
    progress: Callable[[int, int], None] | None = None,
) -> Extraction:
    """Choose and write the frames of ``recording`` to ``folder`` unless they are there already; return what was found.

    Raises ValueError if the folder holds frames of another recording or other settings, and what ``RecordedLooks``
    raises.
    """
    _claim(folder, {"recording": str(Path(recording).resolve()), "settings": json.loads(json.dumps(asdict(settings)))})
    done = folder / _DONE
    if done.is_file():
        return Extraction(**json.loads(done.read_text()))
    with RecordedLooks(recording, settings.topics, settings.needs_points) as looks:
        writer = _Writer(FrameFolder(folder), settings)
        last = writer.frames.entries[-1].stamp if writer.frames.entries else None
        full = False
        for look in looks.looks(last, round(NANOSECONDS / settings.rate)):
            writer.take(look)
            if progress is not None:
                progress(writer.considered, max(looks.image_count, writer.considered))
            if len(writer.frames.entries) >= settings.frames:
                full = True
                break
        entries = writer.frames.entries
        span = (entries[-1].stamp - entries[0].stamp) / NANOSECONDS if entries else 0.0
        found = Extraction(
            str(recording),
            looks.image_count,
            writer.considered,
            writer.still,
            writer.blank,
            writer.cuts,
            span,
            looks.world,
            looks.topics.points or looks.topics.depth or "",
            any(entry.truth for entry in entries),
            looks.problems,
            full,
        )
    weights.replace(done, json.dumps(asdict(found), indent=1).encode())
    return found


class _Writer:
    """Where an extraction stands; one that goes on reads it off the last frame."""

    def __init__(self, frames: FrameFolder, settings: ExtractionSettings):
        self.frames = frames
        self.settings = settings
        self.chooser = Chooser(settings.choice)
        self.considered = self.still = self.blank = self.cuts = 0
        if frames.entries:
            last = frames.entries[-1]
            self.considered, self.still = last.considered, last.still
            self.blank, self.cuts = last.blank, last.cuts
            frame = read_frame(frames.path(last.name))
            self.chooser = Chooser(settings.choice, glance(frame.image, frame.camera), frame.T_world_camera)

    def take(self, look: Look) -> None:
        self.considered += 1
        seen = glance(look.image, look.camera)
        before = replace_last(self.chooser)
        decision = self.chooser.look(seen, look.T_world_camera)
        self.still += decision.kind == STILL
        self.blank += decision.kind == BLANK
        if not decision.taken:
            return
        measured = look.measured()
        if self.settings.needs_points and (measured is None or not len(measured)):
            self.chooser = before  # the next one takes its place
            return
        truth = look.truth()
        entries = self.frames.entries
        self.cuts += decision.kind == CUT and bool(entries)
        motion = None if decision.kind == CUT else decision.motion
        entry = FrameEntry(
            name=f"{len(entries):06d}",
            stamp=look.stamp,
            stretch=self.cuts,
            flow=_known(motion and motion.flow),
            parallax=_known(motion and motion.parallax),
            corners=len(seen.corners),
            points=0 if measured is None else len(measured),
            pose=look.T_world_camera is not None,
            truth=truth is not None,
            considered=self.considered,
            still=self.still,
            blank=self.blank,
            cuts=self.cuts,
        )
        arrays = frame_arrays(
            look.image, look.camera, look.T_world_camera, look.stamp, measured, truth, self.settings.width
        )
        self.frames.add(entry, arrays)


def replace_last(chooser: Chooser) -> Chooser:
    """Return a chooser that knows what this one knows now."""
    return Chooser(chooser.settings, chooser.last, chooser.pose)


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else round(value, 6)


def _claim(folder: Path, wanted: dict[str, Any]) -> None:
    """Say whose frames are in the folder; raises ValueError if they are another's."""
    file = folder / "source.json"
    if file.is_file():
        there = json.loads(file.read_text())
        for key, value in wanted.items():
            if there.get(key) != value:
                raise ValueError(
                    f"{folder} holds frames that were chosen otherwise ({key}: {there.get(key)}, now {value}); give "
                    "another --out, or remove it"
                )
    else:
        folder.mkdir(parents=True, exist_ok=True)
        weights.replace(file, json.dumps(wanted, indent=1).encode())
