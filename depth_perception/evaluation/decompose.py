"""A scene of objects from a recording or a folder: resumable, with meshes, pictures and a page of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_perception.evaluation.decompose_result import DecomposeResult
from depth_perception.evaluation.scene_report import ScenePicture, write_scene_report
from depth_perception.evaluation.scene_sources import SourceChoice, open_source, told, with_labels
from depth_perception.frames import PosedDepth
from depth_perception.models.segmentation.choice import load_segmenter
from depth_perception.pipelines.decomposition import Decomposition
from depth_perception.pipelines.decomposition_settings import DecompositionSettings
from depth_perception.pipelines.scene_files import write_bytes
from depth_perception.visualization.rerun_scene import SceneLog

PROGRESS = "progress.json"
SHOWN = 6  # frames in the report
SAVE_EVERY = 30.0  # seconds


class DecomposeError(ValueError):
    """A scene cannot be made; the text says why and what to do."""


@dataclass(frozen=True)
class DecomposeSettings:
    """What to make: from where, into which folder, of which frames; ``seconds`` more of fitting at the end."""

    source: Path
    out: Path
    choice: SourceChoice = field(default_factory=SourceChoice)
    scene: DecompositionSettings = field(default_factory=DecompositionSettings)
    every: int = 1
    frames: int = 0
    seconds: float = 0.0
    rerun: bool = True
    segmenter: str = "builtin"

    def key(self) -> dict[str, Any]:
        """Return what must be the same to go on where another run was ended."""
        return {
            "source": str(self.source.resolve()),
            "every": self.every,
            "profile": self.scene.profile,
            "cell": self.scene.cell,
            "block": self.scene.block_size,
        }


def decompose(
    settings: DecomposeSettings,
    progress: Callable[[int, int], None] | None = None,
    scene: Decomposition | None = None,
    segment: Callable[..., NDArray[np.int32]] | None = None,
) -> DecomposeResult:
    """Build the scene, save it into ``out/scene`` and write ``out/report.html``; ``progress(done, total)``.

    A run that was killed goes on behind its last save when it is started again with the same source. Raises
    DecomposeError if the folder holds the progress of another one, and what ``open_source`` raises.
    """
    started = time.monotonic()
    source = open_source(settings.source, settings.choice)
    made = scene or Decomposition(settings.scene)
    settings.out.mkdir(parents=True, exist_ok=True)
    result = DecomposeResult(resumed_at=_resume(settings, made))
    segmenter = segment or load_segmenter(settings.segmenter, settings.scene.device)
    total = -(-source.count // settings.every)
    total = min(total, settings.frames) if settings.frames else total
    pictures = _Pictures(total)
    log = _open_log(settings)
    last_save = time.monotonic()
    result.frames = result.resumed_at // settings.every
    try:
        for index, frame in source.frames(result.resumed_at):
            if index % settings.every:
                continue
            if settings.frames and result.frames >= settings.frames:
                break
            result.frames += 1
            result.labels_from = f"the segmenter {settings.segmenter}" if frame.labels is None else "the source"
            if frame.labels is not None or made.would_keep(frame):
                frame = with_labels(frame, segmenter)
                result.key_frames += made.add(frame)
                while made.work():
                    pass
            pictures.offer(index, frame)
            if log is not None:
                log.view(frame)
            if progress is not None:
                progress(result.frames, total)
            if time.monotonic() - last_save > SAVE_EVERY:
                _save(settings, made, index)
                last_save = time.monotonic()
        if settings.seconds > 0:
            made.polish(settings.seconds)
        result.seconds = time.monotonic() - started
        _save(settings, made, source.count)
        surfaces = [made.get(surface.id) for surface in made.surfaces()]
        shown = [
            ScenePicture(index, frame.image, frame.labels, made.label_view(frame)) for index, frame in pictures.kept
        ]
        if log is not None:
            log.objects(surfaces)
            for (_, frame), picture in zip(pictures.kept, shown):
                log.found(frame.stamp, picture.ids)
    finally:
        if log is not None:
            log.close()
    result.objects, result.skipped, result.depth_from = len(surfaces), told(source.skipped), source.depth_from
    result.report = write_scene_report(settings.out, source.name, result, surfaces, shown, made.status())
    return result


def _resume(settings: DecomposeSettings, made: Decomposition) -> int:
    """Load what another run saved; return the number of the frame to go on with."""
    path = settings.out / PROGRESS
    if not path.is_file():
        return 0
    told_before = json.loads(path.read_text())
    if told_before.get("key") != settings.key():
        raise DecomposeError(
            f"{settings.out} holds the scene of another run ({told_before.get('key')}); give another --out or remove it"
        )
    made.load(settings.out / "scene")
    return int(told_before["next"])


def _save(settings: DecomposeSettings, made: Decomposition, index: int) -> None:
    """Save the scene, then that it holds all frames up to ``index``; killed in between, some frames are seen twice."""
    made.save(settings.out / "scene")
    write_bytes(settings.out / PROGRESS, json.dumps({"key": settings.key(), "next": index + 1}).encode())


def _open_log(settings: DecomposeSettings) -> SceneLog | None:
    return SceneLog.open(settings.out / "scene.rrd", settings.source.name) if settings.rerun else None


class _Pictures:
    """A few frames spread over the run, for the report."""

    def __init__(self, total: int):
        self._wanted = {round(i) for i in np.linspace(0, max(total - 1, 0), SHOWN)}
        self._seen = 0
        self.kept: list[tuple[int, PosedDepth]] = []

    def offer(self, index: int, frame: PosedDepth) -> None:
        if self._seen in self._wanted:
            self.kept.append((index, frame))
        self._seen += 1
