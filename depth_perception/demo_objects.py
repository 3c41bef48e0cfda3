"""Floor 6: the third part of the demo, surfaces of single objects from a recording with depth and label images.

It runs offline, by the objects of the decomposition node. A look at every few frames, as whoever listens to the node
would have one, tells whether ids stay while the camera goes around. Where the recording holds the true labels they
score the scene.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_perception.evaluation.decompose import DecomposeSettings, decompose
from depth_perception.evaluation.decompose_result import DecomposeResult
from depth_perception.evaluation.decomposition.panoptic import ScenePanoptic
from depth_perception.evaluation.recording_topics import CLOUD, IMAGE, TRUTH_WORD, is_labels
from depth_perception.evaluation.scene_sources import RecordingSource, SourceChoice
from depth_perception.evaluation.summary import table
from depth_perception.frames import PosedDepth
from depth_perception.pipelines.decomposition import Decomposition
from depth_perception.pipelines.decomposition_settings import DecompositionSettings
from depth_perception.recordings.reader import Recording

STEPS = 30  # for each key frame, half of what the node takes: enough for things on a table that stand apart
LOOK = 4  # frames from one look to the next
HEAD = ("recording", "frames", "objects", "true", "PQ", "mIoU", "ids that changed, in looks", "s")


@dataclass(frozen=True)
class Found:
    """What came of a recording, and scores: ``seen`` at ``looks`` while it went on, ``scene`` in all frames at its end.

    ``things`` are in the true labels, 0 without such.
    """

    result: DecomposeResult
    looks: int
    things: int
    seen: ScenePanoptic
    scene: ScenePanoptic


def label_topic(recording: Path) -> str:
    """Return the topic of a recording that holds label images; empty without one, and beside a point cloud.

    What a LiDAR and a camera recorded is for completion.
    """
    with Recording(recording) as opened:
        topics = opened.topics()
        if any(info.type == CLOUD for info in topics.values()):
            return ""
        images = [name for name, info in topics.items() if info.type == IMAGE and info.count]
        return next((name for name in images if is_labels(name, next(opened.messages([name])).message.encoding)), "")


def run(recording: Path, out: Path, scene: Decomposition | None = None) -> Found:
    """Decompose a recording into ``out``, always anew, and return what was found.

    Raises ModelError where the model cannot run, and what ``decompose`` raises.
    """
    made = scene or Decomposition(DecompositionSettings(steps=STEPS))
    shutil.rmtree(out, ignore_errors=True)
    labels = label_topic(recording)
    views = _true_views(recording, f"{labels}/{TRUTH_WORD}")
    seen, whole, looks = ScenePanoptic(), ScenePanoptic(), 0

    def look(done: int, total: int) -> None:
        nonlocal looks
        if done % LOOK and done != total:
            return
        made.refresh(everything=True)
        looks += 1
        for view in views[done - 1 : done]:
            _count(seen, made, view)

    choice = SourceChoice(labels=labels)
    result = decompose(DecomposeSettings(recording, out, choice=choice, scene=made.settings, rerun=False), look, made)
    for view in views:
        _count(whole, made, view)
    return Found(result, looks, len(whole.overlaps()[1]), seen, whole)


def _true_views(recording: Path, topic: str) -> list[PosedDepth]:
    with Recording(recording) as opened:
        if topic not in opened.topics():
            return []
    return [frame for _, frame in RecordingSource(recording, SourceChoice(labels=topic)).frames()]


def _count(scores: ScenePanoptic, made: Decomposition, view: PosedDepth) -> None:
    """Score the ids at the pixels of a view by its true labels; pixels without depth do not count."""
    assert view.labels is not None
    ids = made.label_frame(view)
    scores.update(ids, np.where(ids < 0, np.int32(-1), view.labels))


def row(recording: str, found: Found) -> list[str]:
    """Return the row of a recording."""
    result, score = found.result, found.scene.compute()
    figures = [f"{found.things}", f"{100 * score.pq:.0f} %", f"{100 * score.miou:.0f} %"] if found.things else ["–"] * 3
    changed = f"{found.seen.compute().switches} in {found.looks}" if found.things else "–"
    return [recording, str(result.frames), str(result.objects), *figures, changed, f"{result.seconds:.0f}"]


def text(rows: list[list[str]]) -> str:
    """Return the table under its title."""
    title = "Surfaces of single objects, from depth and labels whose numbers are others in every image:"
    return f"{title}\n{table(HEAD, rows, right=range(1, len(HEAD)))}"
