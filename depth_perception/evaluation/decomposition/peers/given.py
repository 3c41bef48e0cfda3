"""No lifting at all: the labels of each frame as given, as if equal numbers meant equal things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from depth_perception.evaluation.decomposition.decomposed import (
    Decomposed,
    PlaceLabels,
    labels_of,
    object_region,
    world_points,
)
from depth_perception.evaluation.decomposition.tsdf import fuse, split_mesh, voxel_for
from depth_perception.frames import PosedDepth


@dataclass(frozen=True)
class Given:
    """``voxel`` metres of the surface that the numbers are put on."""

    voxel: float = 0.01

    def decompose(self, frames: Sequence[PosedDepth]) -> Decomposed:
        """Return the frames' labels, and one surface cut up by the number that each place was given last."""
        low, high = object_region(frames)
        voxel = voxel_for(low, high, self.voxel)
        mesh = fuse(frames, low, high, voxel).mesh()
        points, numbers = [], []
        for frame in frames:
            own, pixels = world_points(frame)
            points.append(own)
            numbers.append(labels_of(frame).reshape(-1)[pixels])
        every = np.concatenate(points)
        keys = np.floor((every - low) / voxel).astype(np.int64)
        # the last occurrence of each voxel
        _, last = np.unique(keys[::-1], axis=0, return_index=True)
        last = len(keys) - 1 - last
        place = PlaceLabels(every[last], np.concatenate(numbers)[last], 3 * voxel)
        return Decomposed([labels_of(f).copy() for f in frames], split_mesh(mesh, place(mesh.vertices)))
