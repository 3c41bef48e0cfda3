"""The scene as blocks of a few metres on a fixed lattice, each fitted by itself; those not in use lie on disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, PosedDepth, TriangleMesh
from depth_perception.pipelines.key_frames import most_redundant
from depth_perception.pipelines.object_tracks import BlockKey
from depth_perception.pipelines.scene_files import read_arrays, write_arrays

Array = NDArray[np.float64]
State = dict[str, np.ndarray]
SIGHTED = 24  # world points remembered of each label of a key frame


class Fitter(Protocol):
    """What a block needs of ``models.decomposition.SceneFitter``, which says what each does."""

    def add(self, frame: PosedDepth) -> int:  # noqa: D102
        ...

    def forget(self, index: int) -> None:  # noqa: D102
        ...

    def run(  # noqa: D102
        self, seconds: float | None = None, steps: int | None = None, stop: Callable[[], bool] | None = None
    ) -> Any: ...

    def assign(self, points: NDArray) -> Any:  # noqa: D102
        ...

    def render(self, camera: CameraModel, T_world_camera: Array, stride: int = 1) -> Any:  # noqa: D102
        ...

    def meshes(self, cell: float | None = None) -> dict[int, TriangleMesh]:  # noqa: D102
        ...

    def state(self) -> State:  # noqa: D102
        ...

    def load_state(self, state: State) -> None:  # noqa: D102
        ...


FitterMaker = Callable[[Array, Array], Fitter]


@dataclass(frozen=True)
class Lattice:
    """Cubes of ``size`` metres that fill the world from ``origin`` (3,); each is fitted with ``margin`` around it."""

    size: float
    margin: float
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def keys(self, points: NDArray) -> NDArray[np.int64]:
        """Return the cube of each of ``points`` (n, 3) as (n, 3) whole numbers."""
        return np.floor((np.asarray(points, np.float64) - self.origin) / self.size).astype(np.int64)

    def box(self, key: BlockKey) -> tuple[Array, Array]:
        """Return low and high corner of a cube with its margin."""
        low, high = self.core(key)
        return low - self.margin, high + self.margin

    def core(self, key: BlockKey) -> tuple[Array, Array]:
        """Return low and high corner of a cube."""
        low = np.asarray(self.origin, np.float64) + np.asarray(key, np.float64) * self.size
        return low, low + self.size

    def shared(self, key: BlockKey) -> dict[BlockKey, tuple[Array, Array]]:
        """Return what a block has in common with each of its 26 neighbours: low and high corner."""
        low, high = self.box(key)
        found = {}
        for step in product((-1, 0, 1), repeat=3):
            if step == (0, 0, 0):
                continue
            neighbour = (key[0] + step[0], key[1] + step[1], key[2] + step[2])
            other_low, other_high = self.box(neighbour)
            found[neighbour] = (np.maximum(low, other_low), np.minimum(high, other_high))
        return found


def lattice_about(points: NDArray, size: float, margin: float) -> Lattice:
    """Return the lattice that has the median of ``points`` (n, 3) at the centre of a cube, to the decimetre.

    So a table that is seen first lies in one block, and not across eight.
    """
    center = np.round(np.median(np.asarray(points, np.float64), axis=0), 1) if len(points) else np.zeros(3)
    x, y, z = (center - size / 2).tolist()
    return Lattice(size, margin, (x, y, z))


@dataclass(frozen=True)
class Sighting:
    """What one key frame saw as one segment: a few points in the world (k, 3), and its category if that is known."""

    stamp: int
    points: NDArray[np.float32]
    category: str = ""


@dataclass(eq=False)
class Block:
    """One cube of the scene while it is in memory."""

    key: BlockKey
    fitter: Fitter
    frames: dict[int, Array] = field(default_factory=dict)  # index in the fitter -> T_world_camera
    sightings: dict[int, list[Sighting]] = field(default_factory=dict)  # by the same index
    pending: int = 0  # steps that the frames so far still deserve
    steps: int = 0
    changed: bool = False  # since its surfaces were taken
    used: int = 0  # when it was looked at last, by a count of frames

    def add(self, frame: PosedDepth, sightings: list[Sighting], limit: int) -> None:
        """Take a key frame; beyond ``limit`` the one that differs least from another goes."""
        index = self.fitter.add(frame)
        self.frames[index] = np.asarray(frame.T_world_camera, np.float64)
        self.sightings[index] = sightings
        if len(self.frames) > max(limit, 1):
            indices = sorted(self.frames)
            self.forget(indices[most_redundant(np.stack([self.frames[i] for i in indices]))])

    def forget(self, index: int) -> None:
        """Drop a key frame."""
        self.fitter.forget(index)
        del self.frames[index]
        self.sightings.pop(index, None)


def sightings_of(
    frame: PosedDepth, points: NDArray, labels: NDArray[np.int32], categories: Mapping[int, str]
) -> list[Sighting]:
    """Return what a frame saw, by label: up to SIGHTED of its world ``points`` (n, 3) with ``labels`` (n,) > 0."""
    found = []
    for label in np.unique(labels[labels > 0]).tolist():
        own = points[labels == label]
        step = math.ceil(len(own) / SIGHTED)
        found.append(Sighting(frame.stamp, own[::step].astype(np.float32), categories.get(label, "")))
    return found


def block_file(folder: Path, key: BlockKey) -> Path:
    """Return where a block lies on disk."""
    return folder / f"block_{key[0]}_{key[1]}_{key[2]}.npz"


def write_block(path: Path, block: Block, with_fitter: bool = True) -> None:
    """Write a block; without its fitter only that it was there, as its surfaces are kept elsewhere."""
    arrays: State = {"key": np.array(block.key, np.int64), "steps": np.array(block.steps, np.int64)}
    if with_fitter:
        arrays |= {f"fitter/{name}": value for name, value in block.fitter.state().items()}
        indices = sorted(block.frames)
        arrays["frames"] = np.array(indices, np.int64)
        arrays["poses"] = np.array([block.frames[index] for index in indices]).reshape(-1, 4, 4)
    write_arrays(path, arrays)


def read_block(path: Path, make: Callable[[BlockKey], Fitter]) -> Block:
    """Return a block from its file; what its key frames saw as segments is forgotten. Raises SceneError."""
    arrays = read_arrays(path)
    i, j, k = arrays["key"].tolist()
    block = Block((i, j, k), make((i, j, k)), steps=int(arrays["steps"]))
    state = {name.removeprefix("fitter/"): value for name, value in arrays.items() if name.startswith("fitter/")}
    if state:
        block.fitter.load_state(state)
        block.frames = dict(zip(arrays["frames"].tolist(), arrays["poses"]))
    return block
