"""From the pieces that blocks hold of an object to its one surface; what did not change is not made again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from depth_perception.frames import ObjectSurface, TriangleMesh
from depth_perception.pipelines.block_pool import BlockPool
from depth_perception.pipelines.object_shapes import crop_mesh, join_meshes, oriented_box
from depth_perception.pipelines.object_tracks import BlockKey, ObjectTracks, Track
from depth_perception.pipelines.scene_blocks import Lattice

NO_MESH = TriangleMesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))


class SurfaceBook:
    """The surfaces of all objects as they were built last."""

    def __init__(self) -> None:
        """Begin without any."""
        self._built: dict[int, ObjectSurface] = {}

    def build(self, tracks: ObjectTracks, pool: BlockPool) -> tuple[ObjectSurface, ...]:
        """Return the surfaces of all present objects by id.

        One that has lost its mesh to the disk keeps its box, and its mesh is empty.
        """
        found = [self._surface(track, tracks, pool) for track in tracks.present()]
        self._built = {surface.id: surface for surface in found if surface is not None}
        return tuple(self._built.values())

    def put(self, surfaces: Iterable[ObjectSurface]) -> None:
        """Take surfaces as they were built once, as from a saved scene."""
        self._built = {surface.id: surface for surface in surfaces}

    def _surface(self, track: Track, tracks: ObjectTracks, pool: BlockPool) -> ObjectSurface | None:
        old = self._built.get(track.id)
        seen: dict[str, Any] = {
            "confidence": track.confidence,
            "first_seen": track.first_seen,
            "last_seen": track.last_seen,
            "category": track.category,
        }
        on_disk = all(piece.mesh is None for piece in track.pieces.values())
        if old is not None and old.revision == track.revision and (on_disk or len(old.mesh.faces)):
            return replace(old, mesh=NO_MESH if on_disk else old.mesh, **seen)
        mesh = whole_mesh(track, tracks, pool)
        if not len(mesh.vertices):
            return None
        box = oriented_box(mesh.vertices)
        kept = NO_MESH if on_disk else mesh
        return ObjectSurface(id=track.id, mesh=kept, box=box, revision=track.revision, **seen)


def whole_mesh(track: Track, tracks: ObjectTracks, pool: BlockPool) -> TriangleMesh:
    """Return the mesh of an object with all of its pieces, also those on disk."""
    meshes = {}
    stored = {
        key: pool.load_pieces(key, tracks)
        for key in sorted({key for (key, _), piece in track.pieces.items() if piece.on_disk})
    }
    for (key, channel), piece in track.pieces.items():
        if piece.mesh is not None:
            meshes[key, channel] = piece.mesh
        elif piece.on_disk:
            for (number, stored_channel), mesh in stored[key].items():
                if stored_channel == channel and tracks.current(number) == track.id:
                    meshes[key, channel] = mesh
    return joined(meshes, pool.lattice)


def joined(meshes: Mapping[tuple[BlockKey, int], TriangleMesh], lattice: Lattice | None) -> TriangleMesh:
    """Return one mesh of pieces by block and channel; where blocks overlap, that of the block whose core it is."""
    blocks = {key for key, _ in meshes}
    parts = []
    for (key, _), mesh in meshes.items():
        if lattice is not None and len(blocks) > 1 and len(mesh.faces):
            homes = lattice.keys(mesh.vertices[mesh.faces].mean(axis=1))
            foreign = np.any([np.all(homes == other, axis=1) for other in blocks if other != key], axis=0)
            mesh = crop_mesh(mesh, ~foreign)
        if len(mesh.faces):
            parts.append(mesh)
    return join_meshes(parts)
