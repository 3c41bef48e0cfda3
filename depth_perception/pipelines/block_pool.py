"""Which blocks of a scene are in memory: the ones in use; the others are put aside on disk and come back."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import TriangleMesh
from depth_perception.pipelines.decomposition_settings import DecompositionSettings
from depth_perception.pipelines.object_shapes import Points
from depth_perception.pipelines.object_tracks import BlockKey, ObjectTracks, Piece
from depth_perception.pipelines.scene_blocks import (
    Block,
    Fitter,
    FitterMaker,
    Lattice,
    block_file,
    lattice_about,
    read_block,
    write_block,
)
from depth_perception.pipelines.scene_files import SceneError, read_arrays, write_arrays

LEAST_SHARE = 0.02  # of a frame's known pixels that a block must hold to be shown the frame


class BlockPool:
    """The blocks of one scene, few of them in memory."""

    def __init__(self, settings: DecompositionSettings, make_fitter: FitterMaker):
        """Put blocks aside in ``settings.folder``, or in a temporary one that goes with this object."""
        self._settings = settings
        self._make = make_fitter
        if settings.folder:
            self.folder = Path(settings.folder)
            self.folder.mkdir(parents=True, exist_ok=True)
        else:
            self.folder = Path(tempfile.mkdtemp(prefix="depth_perception_scene."))
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self.lattice: Lattice | None = None
        self.live: dict[BlockKey, Block] = {}
        self.parked: dict[BlockKey, int] = {}  # on disk -> when it was used last
        self._shed: set[BlockKey] = set()  # whose surfaces lie on disk, too

    def clear(self) -> None:
        """Forget all blocks, on disk, too."""
        for key in [*self.parked, *self.live]:
            block_file(self.folder, key).unlink(missing_ok=True)
            pieces_file(self.folder, key).unlink(missing_ok=True)
        self.lattice = None
        self.live, self.parked, self._shed = {}, {}, set()

    @property
    def grid(self) -> Lattice:
        """The lattice of a scene that has begun."""
        assert self.lattice is not None
        return self.lattice

    def concerned(self, points: NDArray, labels: NDArray[np.int32], may_begin: bool) -> list[BlockKey]:
        """Return the blocks that a frame concerns, the most concerned first.

        ``points`` (n, 3) in the world and their ``labels`` (n,) are a sample of it. Old blocks count if they hold
        enough of it; new ones, if they ``may_begin``, when they hold objects.
        """
        settings = self._settings
        if self.lattice is None:
            if not may_begin:
                return []
            objects = points[labels > 0]
            about = objects if len(objects) else points
            self.lattice = lattice_about(about, settings.block_size, settings.block_margin)
        keys, place, counts = np.unique(self.lattice.keys(points), axis=0, return_inverse=True, return_counts=True)
        labelled = np.bincount(place.reshape(-1), labels > 0, len(keys))
        found = []
        for (i, j, k), count, objects_here in zip(keys.tolist(), counts.tolist(), labelled.tolist()):
            key = (i, j, k)
            is_old = key in self.live or key in self.parked
            begins = may_begin and objects_here >= settings.least_pixels
            if begins or (is_old and count >= LEAST_SHARE * len(points)):
                found.append((count, key))
        return [key for _, key in sorted(found, reverse=True)[: settings.live_blocks]]

    def bring(self, key: BlockKey, tracks: ObjectTracks) -> Block:
        """Return a block in memory: there already, from disk with the surfaces of ``tracks`` in it, or new."""
        if key in self.live:
            return self.live[key]
        if key in self.parked:
            self.live[key] = read_block(block_file(self.folder, key), self._fitter)
            if key in self._shed:
                read_pieces(pieces_file(self.folder, key), key, tracks)
                self._shed.discard(key)
            del self.parked[key]
        else:
            self.live[key] = Block(key, self._fitter(key))
        return self.live[key]

    def _fitter(self, key: BlockKey) -> Fitter:
        low, high = self.grid.box(key)
        return self._make(low, high)

    def spare(self, needed: set[BlockKey]) -> list[Block]:
        """Return the blocks that are too many in memory, the longest unused first, none of the ``needed``."""
        unused = sorted((block.used, key) for key, block in self.live.items() if key not in needed)
        return [self.live[key] for _, key in unused[: max(len(self.live) - self._settings.live_blocks, 0)]]

    def park(self, block: Block) -> None:
        """Put a block aside."""
        write_block(block_file(self.folder, block.key), block, self._settings.keep_fitters)
        del self.live[block.key]
        self.parked[block.key] = block.used

    def shed(self, tracks: ObjectTracks) -> bool:
        """Put surfaces of parked blocks aside until the rest takes no more than allowed; True if any was."""
        sizes = {key: 0 for key in self.parked if key not in self._shed}
        for track in tracks.tracks.values():
            for (key, _), piece in track.pieces.items():
                if key in sizes:
                    sizes[key] += _bytes(piece)
        excess = sum(sizes.values()) - self._settings.parked_megabytes * 1e6
        done = False
        for key in sorted(sizes, key=lambda key: self.parked[key]):
            if excess <= 0:
                break
            write_pieces(pieces_file(self.folder, key), key, tracks)
            for piece in pieces_of(key, tracks).values():
                piece.on_disk = piece.mesh is not None
                piece.mesh = None  # the sample stays, for what is seen of the same objects in other blocks
            self._shed.add(key)
            excess -= sizes[key]
            done = True
        return done

    def load_pieces(self, key: BlockKey, tracks: ObjectTracks) -> dict[tuple[int, int], TriangleMesh]:
        """Return the meshes of a block by id and channel, from disk if they lie there."""
        if key in self._shed:
            stored = _stored_pieces(pieces_file(self.folder, key))
            return {place: mesh for place, (_, mesh) in stored.items() if mesh is not None}
        pieces = pieces_of(key, tracks)
        return {place: piece.mesh for place, piece in pieces.items() if piece.mesh is not None}

    def write(self, folder: Path, tracks: ObjectTracks) -> list[BlockKey]:
        """Write all blocks and their surfaces into ``folder``; return which there are."""
        keys = sorted([*self.live, *self.parked])
        for key in keys:
            if key in self.live:
                write_block(block_file(folder, key), self.live[key])
            else:
                shutil.copyfile(block_file(self.folder, key), block_file(folder, key))
            if key in self._shed:
                shutil.copyfile(pieces_file(self.folder, key), pieces_file(folder, key))
            else:
                write_pieces(pieces_file(folder, key), key, tracks)
        return keys

    def adopt(self, folder: Path, lattice: Lattice | None, keys: list[BlockKey], tracks: ObjectTracks) -> None:
        """Take the place of all blocks by those that were written into ``folder``; raises SceneError."""
        for key in keys:  # a file that cannot be read leaves everything as it was
            read_arrays(block_file(folder, key))
            read_pieces(pieces_file(folder, key), key, tracks)
        self.clear()
        self.lattice = lattice
        for key in keys:
            shutil.copyfile(block_file(folder, key), block_file(self.folder, key))
            self.parked[key] = 0


def pieces_file(folder: Path, key: BlockKey) -> Path:
    """Return where the surfaces of a block lie on disk."""
    return folder / f"surfaces_{key[0]}_{key[1]}_{key[2]}.npz"


def pieces_of(key: BlockKey, tracks: ObjectTracks) -> dict[tuple[int, int], Piece]:
    """Return the pieces of a block by id and channel."""
    return {
        (track.id, channel): piece
        for track in tracks.tracks.values()
        for (block, channel), piece in track.pieces.items()
        if block == key
    }


def write_pieces(path: Path, key: BlockKey, tracks: ObjectTracks) -> None:
    """Write the surfaces of a block, bit for bit."""
    arrays: dict[str, np.ndarray] = {}
    for (number, channel), piece in pieces_of(key, tracks).items():
        name = f"{number}/{channel}"
        arrays[f"{name}/sample"] = piece.sample
        if piece.mesh is not None:
            arrays[f"{name}/vertices"], arrays[f"{name}/faces"] = piece.mesh.vertices, piece.mesh.faces
            if piece.mesh.colors is not None:
                arrays[f"{name}/colors"] = piece.mesh.colors
    write_arrays(path, arrays)


def read_pieces(path: Path, key: BlockKey, tracks: ObjectTracks) -> None:
    """Put the stored surfaces of a block into the pieces of ``tracks``, by what their ids have become since."""
    for (number, channel), (sample, mesh) in _stored_pieces(path).items():
        track = tracks.tracks.get(tracks.current(number))
        piece = None if track is None else track.pieces.get((key, channel))
        if piece is not None:
            piece.sample, piece.mesh, piece.on_disk = sample, mesh, False


def _stored_pieces(path: Path) -> dict[tuple[int, int], tuple[Points, TriangleMesh | None]]:
    """Return sample and mesh by id and channel; raises SceneError."""
    arrays = read_arrays(path)
    found: dict[tuple[int, int], tuple[Points, TriangleMesh | None]] = {}
    try:
        for name in [name for name in arrays if name.endswith("/sample")]:
            base = name.removesuffix("/sample")
            number, channel = map(int, base.split("/"))
            mesh = None
            if f"{base}/faces" in arrays:
                mesh = TriangleMesh(arrays[f"{base}/vertices"], arrays[f"{base}/faces"], arrays.get(f"{base}/colors"))
            found[number, channel] = (arrays[name], mesh)
    except (KeyError, ValueError) as error:
        raise SceneError(f"{path}: damaged: {error}") from error
    return found


def _bytes(piece: Piece) -> int:
    mesh = piece.mesh
    if mesh is None:
        return 0
    return mesh.vertices.nbytes + mesh.faces.nbytes + (0 if mesh.colors is None else mesh.colors.nbytes)
