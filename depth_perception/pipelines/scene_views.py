"""What a camera sees of a scene of objects: their ids at measured points, and rendered from the model alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, PosedDepth
from depth_perception.geometry.camera import rays
from depth_perception.pipelines.block_pool import BlockPool
from depth_perception.pipelines.decomposition_settings import DecompositionSettings
from depth_perception.pipelines.object_tracks import BlockKey, ObjectTracks

Matrix = NDArray[np.float64]
UNKNOWN = -1
FAR = 1e9  # metres: behind everything whose depth is known


class SceneViews:
    """The looking half of ``Decomposition``, which has the blocks and knows which of their channels is which object."""

    settings: DecompositionSettings
    pool: BlockPool
    tracks: ObjectTracks

    def __init__(self) -> None:
        """Begin without a camera."""
        self._rays: dict[tuple, NDArray[np.float32]] = {}  # by size and K of the camera

    def world_points(self, frame: PosedDepth) -> NDArray[np.float32]:
        """Return (h, w, 3) in the world, NaN where depth is unknown."""
        key = (frame.camera.shape, frame.camera.K.tobytes())
        if key not in self._rays:
            if len(self._rays) > 3:
                self._rays.clear()
            self._rays[key] = rays(frame.camera)
        points = self._rays[key] * frame.depth[..., None]
        T = frame.T_world_camera
        return (points @ T[:3, :3].T.astype(np.float32) + T[:3, 3].astype(np.float32)).astype(np.float32)

    def label_points(self, points: NDArray) -> NDArray[np.int32]:
        """Return the id at each of ``points`` (n, 3) in the world: 0 background, -1 where no block in memory knows."""
        points = np.asarray(points, np.float32).reshape(-1, 3)
        out = np.full(len(points), UNKNOWN, np.int32)
        if self.pool.lattice is None or not len(points):
            return out
        homes = self.pool.grid.keys(points)
        for key, block in self.pool.live.items():
            inside = np.all(homes == key, axis=1)
            if block.steps and inside.any():
                out[inside] = self._ids(key, block.fitter.assign(points[inside]).channel)
        return out

    def label_frame(self, frame: PosedDepth, stride: int = 1) -> NDArray[np.int32]:
        """Return the id at every ``stride``-th row and column by its depth: 0 background, -1 where that is unknown."""
        points = self.world_points(frame)[::stride, ::stride]
        depth = frame.depth[::stride, ::stride]
        with np.errstate(invalid="ignore"):
            known = (depth > 0) & (depth <= self.settings.max_depth)
        out = np.full(depth.shape, UNKNOWN, np.int32)
        out[known] = self.label_points(points[known])
        return out

    def label_view(self, frame: PosedDepth, stride: int = 1) -> NDArray[np.int32]:
        """Return ``label_frame``, and ``render_labels`` where that knows nothing."""
        ids = self.label_frame(frame, stride)
        if (ids == UNKNOWN).any():
            rendered = self.render_labels(frame.camera, frame.T_world_camera, stride)
            ids = np.where(ids == UNKNOWN, rendered, ids)
        return ids

    def render_labels(self, camera: CameraModel, T_world_camera: Matrix, stride: int = 1) -> NDArray[np.int32]:
        """Return the ids that a camera sees, from the model alone, at every ``stride``-th row and column.

        0 background, -1 where nothing was ever seen. Of several blocks the nearest surface counts.
        """
        shape = -(-camera.height // stride), -(-camera.width // stride)
        out, nearest = np.full(shape, UNKNOWN, np.int32), np.full(shape, np.inf, np.float32)
        for key, block in self.pool.live.items():
            if not block.steps:
                continue
            seen = block.fitter.render(camera, T_world_camera, stride)
            ids = self._ids(key, seen.labels)
            depth = np.where(np.isfinite(seen.depth), seen.depth, np.float32(FAR))
            closer = (ids != UNKNOWN) & (depth < nearest)
            out[closer], nearest[closer] = ids[closer], depth[closer]
        return out

    def _ids(self, key: BlockKey, channels: NDArray) -> NDArray[np.int32]:
        """Return ids for channels of a block; -1 for channels that are no object yet."""
        table = np.full(max(int(channels.max(initial=0)), 0) + 2, UNKNOWN, np.int32)
        table[0] = 0
        for channel, number in self.tracks.channels(key).items():
            if channel < len(table) - 1:
                table[channel] = number
        return table[channels]  # -1 is the last entry
