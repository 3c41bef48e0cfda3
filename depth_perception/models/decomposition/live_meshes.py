"""Triangles from the live path's grid: marching cubes for each channel, only where nodes were observed."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from depth_perception.frames import TriangleMesh
from depth_perception.models.decomposition.live import LiveScene
from depth_perception.models.decomposition.meshing import keep_used, march

_WALL = 0.3  # cells inside the scene from which a triangle is a wall between two channels, which nobody saw


def extract_meshes(scene: LiveScene) -> dict[int, TriangleMesh]:
    """Return the surface of each channel that has one; closing walls inside the scene are left out."""
    if not len(scene.field.node_of):
        return {}
    logits = scene.field.node_logits()
    owner = logits.argmax(1).cpu().numpy()
    largest = logits.amax(1)
    nodes = scene.field.node_of
    index = np.stack(np.unravel_index(nodes.cpu().numpy(), scene.grid.shape), 1)  # (rows, 3)
    observed = (scene.surface.weight[nodes] > 0).cpu().numpy()
    out = {}
    for channel in np.unique(owner):
        mine = index[(owner == channel) & observed]
        if not len(mine):
            continue
        low = np.maximum(mine.min(0) - 1, 0)
        high = np.minimum(mine.max(0) + 2, scene.grid.shape)
        inside = ((index >= low) & (index < high)).all(1) & observed
        rows = torch.from_numpy(np.flatnonzero(inside)).to(logits.device)
        distance = scene.surface.distance[nodes[rows]] + scene.margins_below(logits[rows, channel] - largest[rows])
        volume = np.full(tuple(high - low), np.float32(1.0))
        exists = np.zeros(volume.shape, bool)
        at = tuple((index[inside] - low).T)
        volume[at] = distance.cpu().numpy()
        exists[at] = True
        mesh = _march(scene, volume, exists, low)
        if mesh is not None:
            out[int(channel)] = mesh
    return out


def _march(scene: LiveScene, volume: NDArray, exists: NDArray[np.bool_], low: NDArray) -> TriangleMesh | None:
    origin = np.asarray(scene.grid.low) + scene.grid.cell * low
    marched = march(volume, origin, scene.grid.cell, exists)
    if marched is None:
        return None
    vertices, faces = marched
    middle = torch.from_numpy(vertices[faces].mean(1).astype(np.float32)).to(scene.device)
    distance, _ = scene.surface.sample(middle)
    faces = faces[distance.cpu().numpy() > -_WALL * scene.grid.cell]
    if not len(faces):
        return None
    vertices, faces = keep_used(vertices, faces)
    points = vertices.astype(np.float32)
    colors = scene.field.colors(torch.from_numpy(points).to(scene.device)).cpu().numpy()
    return TriangleMesh(points, faces.astype(np.int32), colors)
