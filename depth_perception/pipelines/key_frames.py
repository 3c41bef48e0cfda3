"""Which frames are worth keeping: those that see from elsewhere, see new surface, or tell of new objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depth_perception.pipelines.parameters import Value

Matrix = NDArray[np.float64]
POSES_KEPT = 4096  # of key frames; enough for 600 m of way at 0.15 m
_OFFSET = np.int64(1) << 20  # makes the cells of a voxel grid positive, so that three fit into 63 bits


@dataclass(frozen=True)
class KeyFrameSettings:
    """A frame is kept if it is so far from every kept one, or if so much of what it sees is new.

    ``distance`` [m] and ``angle`` [degrees] to the nearest kept pose; ``new_surface`` and ``new_labels``: share of the
    seen surface, and of that labelled as an object, which no kept frame saw; ``voxel`` [m]: how finely that is told.
    """

    distance: float = 0.15
    angle: float = 12.0
    new_surface: float = 0.2
    new_labels: float = 0.25
    voxel: float = 0.05
    memory: int = 1_000_000  # voxels remembered

    @classmethod
    def from_parameters(cls, values: Mapping[str, Value]) -> KeyFrameSettings:
        """Pick the settings out of the values of DECOMPOSITION_PARAMETERS."""
        return cls(
            distance=float(values["key_frames.distance"]),
            angle=float(values["key_frames.angle"]),
            new_surface=float(values["key_frames.new_surface"]),
            new_labels=float(values["key_frames.new_labels"]),
        )


class SeenVoxels:
    """The cells of a voxel grid that were seen; the longest unseen are forgotten beyond ``memory`` cells."""

    def __init__(self, size: float, memory: int):
        """``size`` of a cell in metres."""
        self.size = size
        self._memory = memory
        self._keys: NDArray[np.int64] = np.zeros(0, np.int64)  # sorted
        self._seen: NDArray[np.int64] = np.zeros(0, np.int64)
        self._turn = 0

    def __len__(self) -> int:
        """Number of cells remembered."""
        return len(self._keys)

    def novelty(self, points: NDArray) -> float:
        """Return the share of the cells that hold ``points`` (n, 3) which are not remembered; 0 without points."""
        keys = self._cells(points)
        return float(np.mean(~self._contains(keys))) if len(keys) else 0.0

    def add(self, points: NDArray) -> None:
        """Remember the cells of ``points`` (n, 3)."""
        keys = self._cells(points)
        self._turn += 1
        known = self._contains(keys)
        self._seen[np.searchsorted(self._keys, keys[known])] = self._turn
        fresh = keys[~known]
        if not len(fresh):
            return
        places = np.searchsorted(self._keys, fresh)
        self._keys = np.insert(self._keys, places, fresh)
        self._seen = np.insert(self._seen, places, self._turn)
        excess = len(self._keys) - self._memory
        if excess > 0:
            keep = np.sort(np.argsort(self._seen, kind="stable")[excess:])
            self._keys, self._seen = self._keys[keep], self._seen[keep]

    def _cells(self, points: NDArray) -> NDArray[np.int64]:
        cells = np.floor(np.asarray(points, np.float64).reshape(-1, 3) / self.size).astype(np.int64) + _OFFSET
        return np.unique((cells[:, 0] << 42) | (cells[:, 1] << 21) | cells[:, 2])

    def _contains(self, keys: NDArray[np.int64]) -> NDArray[np.bool_]:
        if not len(self._keys):
            return np.zeros(len(keys), bool)
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return self._keys[places] == keys


class KeyFrames:
    """Remembers poses and surface of the frames that were kept, and says why another one should be."""

    def __init__(self, settings: KeyFrameSettings):
        """``settings`` may be replaced at any time; the size of the voxels stays."""
        self.settings = settings
        self.reset()

    def reset(self) -> None:
        """Forget all."""
        self._poses: Matrix = np.zeros((0, 4, 4))
        self._surface = SeenVoxels(self.settings.voxel, self.settings.memory)
        self._labelled = SeenVoxels(self.settings.voxel, self.settings.memory)

    def __len__(self) -> int:
        """Number of poses remembered."""
        return len(self._poses)

    @property
    def poses(self) -> Matrix:
        """T_world_camera (n, 4, 4) of what was kept; assigning restores them, as from a saved scene."""
        return self._poses

    @poses.setter
    def poses(self, poses: Matrix) -> None:
        self._poses = np.asarray(poses, np.float64).reshape(-1, 4, 4)

    def reason(self, pose: Matrix, points: NDArray, labels: NDArray[np.int32]) -> str:
        """Return why this frame is worth keeping: first, motion, surface or labels; empty if it is not.

        ``pose`` is T_world_camera (4, 4); ``points`` (n, 3) in the world and their ``labels`` (n,) are a sample of
        what it sees.
        """
        if not len(self._poses):
            return "first"
        settings = self.settings
        apart = np.linalg.norm(self._poses[:, :3, 3] - pose[:3, 3], axis=1) / settings.distance
        traces = np.einsum("nij,ij->n", self._poses[:, :3, :3], pose[:3, :3])
        turned = np.degrees(np.arccos(np.clip((traces - 1) / 2, -1, 1))) / settings.angle
        if np.maximum(apart, turned).min() >= 1.0:
            return "motion"
        if self._surface.novelty(points) >= settings.new_surface:
            return "surface"
        if self._labelled.novelty(points[labels > 0]) >= settings.new_labels:
            return "labels"
        return ""

    def keep(self, pose: Matrix, points: NDArray, labels: NDArray[np.int32]) -> None:
        """Remember a frame; see ``reason`` for the arguments."""
        self._poses = np.concatenate([self._poses, np.asarray(pose, np.float64)[None]])[-POSES_KEPT:]
        self._surface.add(points)
        self._labelled.add(points[labels > 0])


def most_redundant(poses: Matrix) -> int:
    """Return which of the poses (n, 4, 4) is nearest to another one; of the two the older, so the newest stays.

    A metre of distance counts as much as a radian of angle.
    """
    count = len(poses)
    if count < 2:
        return 0
    apart = np.linalg.norm(poses[:, None, :3, 3] - poses[None, :, :3, 3], axis=2)
    traces = np.einsum("nij,mij->nm", poses[:, :3, :3], poses[:, :3, :3])
    cost = apart + np.arccos(np.clip((traces - 1) / 2, -1, 1))
    cost[np.arange(count), np.arange(count)] = np.inf
    return int(min(np.unravel_index(int(np.argmin(cost)), cost.shape)))
