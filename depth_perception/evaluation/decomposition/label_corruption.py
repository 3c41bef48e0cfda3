"""Labels as segmenters give them: other numbers in every image, things split, joined and missed, ragged borders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import PosedDepth

Labels = NDArray[np.int32]

HIGHEST = 254  # ids are drawn from 1 to here, so that they fit a mono8 image


@dataclass(frozen=True)
class LabelCorruption:
    """Each part is off at 0. ``split``, ``merge`` and ``miss`` are chances of every thing in every image.

    ``shuffle``: numbers are drawn anew for every image. ``split``: the thing falls into two or three along lines;
    ``merge``: it is joined with one it touches in the image; ``miss``: it becomes background. ``ragged``: pixels by
    which borders wander, at an image width of 320; they shift in smooth waves and fray.
    """

    shuffle: bool = True
    split: float = 0.0
    merge: float = 0.0
    miss: float = 0.0
    ragged: float = 0.0


CORRUPTIONS: dict[str, LabelCorruption] = {
    "shuffled": LabelCorruption(),
    "light": LabelCorruption(split=0.05, merge=0.04, miss=0.05, ragged=0.7),
    "usual": LabelCorruption(split=0.15, merge=0.1, miss=0.12, ragged=1.5),
    "strong": LabelCorruption(split=0.3, merge=0.2, miss=0.25, ragged=2.5),
}


def corrupt(frames: Sequence[PosedDepth], rng: np.random.Generator, how: LabelCorruption) -> list[PosedDepth]:
    """Return the frames with labels spoiled as ``how`` says; all else is shared with ``frames``.

    Raises ValueError for a frame without labels, or one with more things than ``HIGHEST``.
    """
    out = []
    for number, frame in enumerate(frames):
        if frame.labels is None:
            raise ValueError(f"labels: frame {number} has none to spoil")
        out.append(replace(frame, labels=corrupt_labels(frame.labels, rng, how)))
    return out


def corrupt_labels(labels: Labels, rng: np.random.Generator, how: LabelCorruption) -> Labels:
    """Return one spoiled image of labels (h, w); see ``LabelCorruption``."""
    labels = labels.astype(np.int32)
    if how.merge > 0:
        labels = merged(labels, rng, how.merge)
    if how.split > 0:
        labels = split(labels, rng, how.split)
    if how.miss > 0:
        labels = missed(labels, rng, how.miss)
    if how.ragged > 0:
        labels = ragged(labels, rng, how.ragged * labels.shape[1] / 320)
    return shuffled(labels, rng) if how.shuffle else labels


def shuffled(labels: Labels, rng: np.random.Generator) -> Labels:
    """Return the labels with every thing under another number, of 1 to HIGHEST, drawn at random."""
    ids = np.unique(labels[labels > 0])
    if len(ids) > HIGHEST:
        raise ValueError(f"labels: {len(ids)} things in one image, more than {HIGHEST}")
    table = np.zeros(int(ids.max(initial=0)) + 1, np.int32)
    table[ids] = rng.permutation(HIGHEST)[: len(ids)] + 1
    return np.where(labels > 0, table[np.maximum(labels, 0)], labels).astype(np.int32)


def split(labels: Labels, rng: np.random.Generator, chance: float) -> Labels:
    """Return the labels with some things cut along a line through them, once or twice."""
    out, following = labels.copy(), int(labels.max(initial=0)) + 1
    for thing in np.unique(labels[labels > 0]):
        if rng.random() >= chance:
            continue
        for _ in range(int(rng.integers(1, 3))):
            rows, columns = np.nonzero(out == thing)
            if len(rows) < 8:
                break
            angle = rng.uniform(0, np.pi)
            along = columns * np.cos(angle) + rows * np.sin(angle)
            far = along > np.quantile(along, rng.uniform(0.3, 0.7))
            out[rows[far], columns[far]] = following
            following += 1
    return out


def merged(labels: Labels, rng: np.random.Generator, chance: float) -> Labels:
    """Return the labels with some things under the number of one that they touch in the image."""
    touching = neighbors(labels)
    out = labels.copy()
    for thing in sorted(touching):
        if rng.random() < chance:
            other = sorted(touching[thing])[int(rng.integers(len(touching[thing])))]
            out[out == thing] = out[labels == other][0]
    return out


def neighbors(labels: Labels) -> dict[int, set[int]]:
    """Return for every thing that touches another, the numbers of these."""
    found: dict[int, set[int]] = {}
    for a, b in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
        border = (a != b) & (a > 0) & (b > 0)
        for one, two in np.unique(np.stack([a[border], b[border]], 1), axis=0).tolist():
            found.setdefault(one, set()).add(two)
            found.setdefault(two, set()).add(one)
    return found


def missed(labels: Labels, rng: np.random.Generator, chance: float) -> Labels:
    """Return the labels with some things as background."""
    ids = np.unique(labels[labels > 0])
    gone = ids[rng.random(len(ids)) < chance]
    return np.where(np.isin(labels, gone), 0, labels).astype(np.int32)


def ragged(labels: Labels, rng: np.random.Generator, pixels: float) -> Labels:
    """Return the labels looked up at places that wander by about ``pixels``: slowly along borders, and freshly."""
    height, width = labels.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    moved = []
    for at in (rows, columns):
        small = rng.normal(size=(height // 8 + 2, width // 8 + 2)).astype(np.float32)
        slow = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
        moved.append(at + np.float32(pixels) * (1.2 * slow + 0.4 * rng.normal(size=labels.shape).astype(np.float32)))
    r = np.clip(np.rint(moved[0]), 0, height - 1).astype(np.intp)
    c = np.clip(np.rint(moved[1]), 0, width - 1).astype(np.intp)
    return labels[r, c]
