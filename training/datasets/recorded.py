"""A robot's own recordings as training data: frames chosen by training.learning, parted by time.

A folder holds one folder of frames for each recording. The later part of every recording scores and is never trained
on, and the last frames before it check: they calibrate, and are what is validated while training goes on.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from depth_perception.evaluation.sensors import Frame, Scan
from depth_perception.frames import FloatImage
from depth_perception.models.learned import Method
from training.datasets.data import RenderedData
from training.datasets.rendered import Augmentation, RenderedFrames
from training.datasets.video import Video, VideoFrame
from training.learning.frame_files import FrameEntry, FrameFolder, read_frame
from training.learning.options import HELD_OUT

PARTS = ("train", "check", "score")
CHECK = 0.1  # share of the others that check
_KEPT = 256  # frames kept in memory

_read = functools.lru_cache(_KEPT)(read_frame)


def part(count: int, which: str, held_out: float = HELD_OUT, least: int = 1) -> range:
    """Return which of ``count`` frames in order of time are for training, checking or scoring.

    At least ``least`` frames check and as many score, if that leaves half to train on. ``held_out`` 1: all score.
    """
    if held_out >= 1:
        return range(count) if which == "score" else range(0)
    score = max(round(held_out * count), min(least, count // 4), min(count, 1))
    check = max(round(CHECK * (count - score)), min(least, count // 4), min(count - score, 1))
    first, second = count - score - check, count - score
    return {"train": range(first), "check": range(first, second), "score": range(second, count)}[which]


def folders(folder: Path | str) -> list[FrameFolder]:
    """Return the recordings in ``folder``, by name; raises FileNotFoundError if it holds none."""
    folder = Path(folder)
    found = [FrameFolder(f) for f in sorted(folder.iterdir()) if f.is_dir()] if folder.is_dir() else []
    found = [f for f in found if f.entries]
    if not found:
        raise FileNotFoundError(f"no chosen frames in {folder}; they come from: python -m training.learn")
    return found


def frames_of(folder: Path | str, which: str, held_out: float = HELD_OUT, least: int = 1) -> list[Path]:
    """Return the frame files of one part of all recordings."""
    found = []
    for recording in folders(folder):
        names = [recording.entries[i].name for i in part(len(recording.entries), which, held_out, least)]
        found += [recording.path(name) for name in names]
    return found


class RecordedVideo:
    """Neighbouring chosen frames of a recording. ``points``: show what was measured, each point 3 x 3 pixels wide."""

    def __init__(self, folder: FrameFolder, entries: Sequence[FrameEntry], points: bool = True):
        self.name = folder.folder.name
        self.files = [folder.path(entry.name) for entry in entries]
        self.points = points

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.files)

    def __getitem__(self, index: int) -> VideoFrame:
        """See ``Video``."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        frame = _read(self.files[index])
        depth = widened(frame.depth) if self.points and frame.depth.any() else None
        name = f"{self.name}/{frame.name}"
        return VideoFrame(name, frame.image, frame.camera, depth, T_world_camera=frame.T_world_camera)


def widened(depth: FloatImage) -> FloatImage:
    """Return depth (H, W), 0 unknown, with the unknown neighbours of points filled: the nearest point's depth wins.

    So points survive when the image is sampled at a network's size.
    """
    far = np.where(depth > 0, depth, np.float32(np.inf))
    near = cv2.erode(far, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    out = np.where(depth > 0, depth, near)
    return np.asarray(np.where(np.isfinite(out), out, 0), np.float32)


class RecordedSource:
    """The recordings of ``folder`` as a ``VideoSource``; held out are the frames that check.

    ``points``: show what was measured. ``posed``: leave out frames whose place is unknown.
    """

    def __init__(
        self, folder: str, held_out: float = HELD_OUT, least: int = 1, points: bool = True, posed: bool = False
    ):
        self.folder = Path(folder)
        self.held_out = held_out
        self.least = least
        self.points = points
        self.posed = posed

    def videos(self, held_out: bool) -> Sequence[Video]:
        """See ``VideoSource``."""
        return self.part("check" if held_out else "train")

    def part(self, which: str) -> list[Video]:
        """Return one of PARTS, a video for every stretch of neighbouring frames."""
        found: list[Video] = []
        for folder in folders(self.folder):
            entries = [folder.entries[i] for i in part(len(folder.entries), which, self.held_out, self.least)]
            found += [RecordedVideo(folder, stretch, self.points) for stretch in stretches(entries, self.posed)]
        return found


def stretches(entries: Sequence[FrameEntry], posed: bool = False) -> list[list[FrameEntry]]:
    """Return entries in groups of neighbours; with ``posed``, those without a pose end a group and are in none."""
    found: list[list[FrameEntry]] = []
    last: int | None = None
    for entry in entries:
        if posed and not entry.pose:
            last = None
            continue
        if entry.stretch != last:
            found.append([])
        found[-1].append(entry)
        last = entry.stretch
    return found


class GivenShare:
    """A scan of recorded points: a share of them is given, and the rest is what is asked for.

    Rings are held out whole in a share ``rings`` of the scans, where they are known: one of every 2 to 5. Otherwise a
    random share of the points between ``least`` and ``most`` is given. Whether a point is right is not known (-1).
    """

    def __init__(self, least: float = 0.5, most: float = 0.95, rings: float = 0.5):
        self.least = least
        self.most = most
        self.rings = rings

    def __call__(self, frame: Frame, rng: np.random.Generator) -> Scan:
        """Return the given points."""
        measured = frame.depth > 0
        if frame.ring is not None and rng.random() < self.rings:
            kept = measured & ~held_rings(np.where(measured, frame.ring, -1), rng)
        else:
            kept = measured & (rng.random(measured.shape) < rng.uniform(self.least, self.most))
        sparse = np.where(kept, frame.depth, np.float32(0)).astype(np.float32)
        return Scan(sparse, np.full(measured.shape, -1, np.float32))


def held_rings(ring: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return the pixels (H, W) of one ring of every 2 to 5 of those present, -1 none."""
    every = int(rng.integers(2, 6))
    present = np.unique(ring[ring >= 0])
    return np.isin(ring, present[int(rng.integers(every)) :: every])


class RecordedFrames(RenderedFrames):
    """Samples of recorded frames: what was given of the points is no label."""

    def sample(self, index: int, rng: np.random.Generator) -> dict[str, Tensor | tuple[Tensor, ...]]:
        """See ``RenderedFrames.sample``."""
        out = super().sample(index, rng)
        depth, sparse = out["depth"], out["sparse"]
        assert isinstance(depth, Tensor)
        assert isinstance(sparse, Tensor)
        out["depth"] = torch.where(sparse > 0, 0.0, depth)
        return out


class RecordedData(RenderedData):
    """Frames of the recordings in ``folder``, for completion; arguments as for ``RenderedData``.

    ``held_out``, ``least``: see ``part``.
    """

    def __init__(
        self,
        folder: str,
        family: str,
        config: dict[str, Any] | None = None,
        overrides: dict[str, Any] | None = None,
        crop: tuple[int, int] = (224, 320),
        batch_size: int = 8,
        workers: int = 1,
        epoch: int = 400,
        validation: int = 32,
        augmentation: Augmentation | None = None,
        scan: Callable[[Frame, np.random.Generator], Scan] | None = None,
        held_out: float = HELD_OUT,
        least: int = 1,
    ):
        scan = scan or GivenShare()
        super().__init__(
            folder, family, config, overrides, crop, batch_size, workers, epoch, validation, augmentation, scan
        )
        self.held_out = held_out
        self.least = least

    def train_dataloader(self) -> DataLoader:
        """Return augmented samples of the frames that are for training."""
        return self.onward(self._frames("train", self.augmentation, None))

    def val_dataloader(self) -> DataLoader:
        """Return the same samples of the frames that check every time."""
        return self.loader(self._frames("check", None, 1))

    def _frames(self, which: str, augmentation: Augmentation | None, seed: int | None) -> RecordedFrames:
        files = frames_of(self.folder, which, self.held_out, self.least)
        if which == "check":
            files = files[: self.validation]
        method: Method = self.method
        return RecordedFrames(files, method, self.crop, augmentation, self.scan, seed)
