"""What every method of the comparison takes and returns, and what they share: the region, points in space, memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from depth_perception.frames import PosedDepth, TriangleMesh
from depth_perception.geometry.camera import rays

Labels = NDArray[np.int32]
Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Decomposed:
    """A scene taken apart.

    ``labels``: for each frame int32 (h, w), 0 background, -1 nothing said, numbers that mean the same in all frames;
    ``meshes``: the surface of each number; ``seconds``: what it took; ``memory``: bytes at most beyond what the process
    had before; ``notes``: what else is worth telling, such as seconds to a first answer.
    """

    labels: list[Labels]
    meshes: dict[int, TriangleMesh]
    seconds: float = 0.0
    memory: int = 0
    notes: dict[str, float] = field(default_factory=dict)


class Method(Protocol):
    """A method of the comparison."""

    def decompose(self, frames: Sequence[PosedDepth]) -> Decomposed:
        """Take a labelled scene apart; ``seconds`` and ``memory`` may be left 0."""
        ...


def world_points(frame: PosedDepth) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the points (n, 3) in the world of all pixels with depth, and their flat pixel indices (n,)."""
    pixels = np.flatnonzero(np.isfinite(frame.depth) & (frame.depth > 0))
    camera = rays(frame.camera).reshape(-1, 3)[pixels] * frame.depth.reshape(-1)[pixels, None]
    T = frame.T_world_camera.astype(np.float32)
    return (camera @ T[:3, :3].T + T[:3, 3]).astype(np.float32), pixels.astype(np.int64)


def labels_of(frame: PosedDepth) -> Labels:
    """Return the frame's labels; raises ValueError if it has none."""
    if frame.labels is None:
        raise ValueError(f"labels: the frame of stamp {frame.stamp} has none")
    return frame.labels


def object_region(frames: Sequence[PosedDepth], margin: float = 0.08) -> tuple[Points, Points]:
    """Return the corners (3,), (3,) of the box around what the labels call things, ``margin`` metres wider.

    The outermost hundredth to each side is not counted: a few pixels of a ragged border lie on a far wall. Raises
    ValueError if no pixel with depth belongs to a thing.
    """
    found = []
    for frame in frames:
        points, pixels = world_points(frame)
        own = points[labels_of(frame).reshape(-1)[pixels] > 0]
        found.append(own[:: max(len(own) // 2000, 1)])
    every = np.concatenate(found)
    if not len(every):
        raise ValueError("labels: no pixel with depth belongs to a thing")
    low, high = (np.percentile(every, q, axis=0) for q in (1, 99))
    # what one side of a thing far from the others takes may be less than a hundredth
    spread = 0.1 * (high - low)
    return (low - spread - margin).astype(np.float64), (high + spread + margin).astype(np.float64)


class PlaceLabels:
    """Labels of places in space, asked for by points: the nearest place within ``reach`` metres answers."""

    def __init__(self, places: NDArray, labels: Labels, reach: float):
        self.tree, self.labels, self.reach = cKDTree(places), labels, reach

    def __call__(self, points: NDArray) -> Labels:
        """Return int32 (n,) for points (n, 3); -1 where no place is near."""
        _, index = self.tree.query(points, distance_upper_bound=self.reach)
        return np.append(self.labels, np.int32(-1))[np.minimum(index, len(self.labels))].astype(np.int32)

    def image(self, frame: PosedDepth) -> Labels:
        """Return int32 (h, w): the label of what each pixel shows, -1 without depth or a place."""
        points, pixels = world_points(frame)
        out = np.full(frame.depth.shape, -1, np.int32)
        out.reshape(-1)[pixels] = self(points)
        return out


class PeakMemory:
    """A context that measures by how much the process's memory grows at most, looking fifty times a second."""

    def __init__(self, interval: float = 0.02):
        self.interval = interval
        self.peak = 0
        self._done = threading.Event()

    def __enter__(self) -> PeakMemory:
        """Start looking."""
        self._before = resident()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        """Stop; ``peak`` holds bytes from now on."""
        self._done.set()
        self._thread.join()
        self.peak = max(self.peak, resident() - self._before, 0)

    def _look(self) -> None:
        while not self._done.wait(self.interval):
            self.peak = max(self.peak, resident() - self._before)


def resident() -> int:
    """Return the bytes of memory this process holds; 0 where the system does not tell (it must have /proc)."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except OSError:
        return 0
