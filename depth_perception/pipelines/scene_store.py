"""A scene on disk: GLB and PLY for people, and all that is needed to go on with the same ids.

    manifest.json            what there is; replaced last and at once, so it always tells of a whole scene
    scene-<n>/objects/       <id>.glb and <id>.ply of every object
    scene-<n>/state/         blocks and their surfaces, bit for bit

A new save writes another ``scene-<n>`` under a name of its own, flushes it to the disk, renames it, and only then
replaces the manifest. Whoever is killed on the way leaves the older scene as it was.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import ObjectSurface, OrientedBox, TriangleMesh
from depth_perception.pipelines.block_pool import BlockPool
from depth_perception.pipelines.object_shapes import mean_color
from depth_perception.pipelines.object_tracks import BlockKey, Evidence, ObjectTracks, Piece, Track, TrackSettings
from depth_perception.pipelines.scene_blocks import Lattice
from depth_perception.pipelines.scene_files import (
    SceneError,
    digest,
    read_arrays,
    sync_folder,
    write_arrays,
    write_bytes,
)

MANIFEST = "manifest.json"
FORMAT = "depth_perception scene"
VERSION = 1
_EMPTY = np.zeros((0, 3), np.float32)


@dataclass(frozen=True)
class SceneContents:
    """What is written: ``surfaces`` with their meshes, and ``poses`` (n, 4, 4) of the key frames."""

    tracks: ObjectTracks
    pool: BlockPool
    surfaces: tuple[ObjectSurface, ...]
    poses: NDArray[np.float64]


@dataclass(frozen=True)
class LoadedScene:
    """What is read: where the ``files`` of its ``blocks`` lie, and everything about objects but their pieces."""

    files: Path
    lattice: Lattice | None
    blocks: list[BlockKey]
    tracks: ObjectTracks
    surfaces: list[ObjectSurface]
    poses: NDArray[np.float64]


def write_scene(folder: Path, contents: SceneContents) -> int:
    """Write a scene into ``folder``; return the number of objects. Raises SceneError if it holds something else."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / MANIFEST
    strangers = [path for path in folder.iterdir() if not _is_ours(path)]
    if strangers and not manifest.is_file():
        raise SceneError(f"{folder}: holds {strangers[0].name} and no {MANIFEST}; give an empty folder or a new name")
    number = 1 + max((int(path.name[6:]) for path in folder.glob("scene-*") if path.name[6:].isdigit()), default=0)
    aside, final = folder / f".scene-{number}.{os.getpid()}.part", folder / f"scene-{number}"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        objects, state = aside / "objects", aside / "state"
        objects.mkdir(parents=True)
        state.mkdir()
        for surface in contents.surfaces:
            _write_object(objects, surface)
        blocks = contents.pool.write(state, contents.tracks)
        write_arrays(state / "key_frames.npz", {"poses": contents.poses})
        for place in (objects, state, aside):
            _sync_files(place)
        description = _describe(contents, blocks, aside, final.name)
        aside.rename(final)
        sync_folder(folder)
        write_bytes(manifest, json.dumps(description, indent=1).encode())
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    for path in folder.iterdir():  # the older scene, and what a killed save left behind
        if _is_ours(path) and path.is_dir() and path != final:
            shutil.rmtree(path, ignore_errors=True)
    return len(contents.surfaces)


def _is_ours(path: Path) -> bool:
    return path.name == MANIFEST or path.name.startswith(("scene-", ".scene-", f".{MANIFEST}"))


def _write_object(folder: Path, surface: ObjectSurface) -> None:
    made = as_trimesh(surface.mesh)
    for kind in ("glb", "ply"):
        (folder / f"{surface.id:06d}.{kind}").write_bytes(made.export(file_type=kind))


def as_trimesh(mesh: TriangleMesh) -> Any:
    """Return a ``trimesh.Trimesh`` with vertex colours; raises SceneError where trimesh is not installed."""
    try:
        import trimesh
    except ImportError as error:
        raise SceneError("saving meshes needs the package trimesh: pip install trimesh") from error
    return trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_colors=mesh.colors, process=False)


def _sync_files(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(folder)


def _describe(contents: SceneContents, blocks: Iterable[BlockKey], files: Path, name: str) -> dict[str, Any]:
    lattice, tracks = contents.pool.lattice, contents.tracks
    return {
        "format": FORMAT,
        "version": VERSION,
        "folder": name,
        "lattice": None
        if lattice is None
        else {"size": lattice.size, "margin": lattice.margin, "origin": list(lattice.origin)},
        "blocks": [list(key) for key in blocks],
        "next_id": tracks.next_id,
        "merged": {str(gone): kept for gone, kept in tracks.merged.items()},
        "objects": [_describe_object(surface, tracks.tracks[surface.id], name) for surface in contents.surfaces],
        "hidden": [_describe_track(track) for track in tracks.tracks.values() if not track.is_present],
        "sha256": {
            path.relative_to(files).as_posix(): digest(path) for path in sorted(files.rglob("*")) if path.is_file()
        },
    }


def _describe_object(surface: ObjectSurface, track: Track, name: str) -> dict[str, Any]:
    vertices = surface.mesh.vertices
    return {
        **_describe_track(track),
        "category": surface.category,
        "confidence": surface.confidence,
        "color": list(mean_color(surface.mesh)),
        "triangles": len(surface.mesh.faces),
        "low": vertices.min(axis=0).tolist(),
        "high": vertices.max(axis=0).tolist(),
        "box": {
            "center": surface.box.center.tolist(),
            "axes": surface.box.axes.tolist(),
            "size": surface.box.size.tolist(),
        },
        "glb": f"{name}/objects/{surface.id:06d}.glb",
        "ply": f"{name}/objects/{surface.id:06d}.ply",
    }


def _describe_track(track: Track) -> dict[str, Any]:
    return {
        "id": track.id,
        "revision": track.revision,
        "first_seen": track.first_seen,
        "last_seen": track.last_seen,
        "pieces": [[*key, channel, piece.missing] for (key, channel), piece in track.pieces.items()],
        "evidence": [
            {"block": list(key), "views": told.views, "agreement": told.agreement, "categories": dict(told.categories)}
            for key, told in track.evidence.items()
        ],
    }


def read_scene(folder: Path, settings: TrackSettings) -> LoadedScene:
    """Return a saved scene; raises SceneError naming the file and what is wrong with it."""
    manifest = folder / MANIFEST
    try:
        told = json.loads(manifest.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SceneError(f"{manifest}: no such file; {folder} is no saved scene") from error
    except (OSError, ValueError) as error:
        raise SceneError(f"{manifest}: cannot be read: {error}") from error
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise SceneError(f"{manifest}: its format is not {FORMAT!r}")
    if told.get("version") != VERSION:
        raise SceneError(f"{manifest}: version {told.get('version')!r}, this software reads {VERSION}")
    try:
        files = folder / Path(told["folder"]).name
        for name, expected in told["sha256"].items():
            path = files / name
            if not path.is_file():
                raise SceneError(f"{path}: no such file, though {manifest} names it; the scene is not whole")
            if digest(path) != expected:
                raise SceneError(f"{path}: is not what {manifest} says (SHA-256); it was changed or damaged")
        return _loaded(told, files, settings)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, SceneError):
            raise
        raise SceneError(f"{manifest}: broken: {type(error).__name__}: {error}") from error


def _loaded(told: dict[str, Any], files: Path, settings: TrackSettings) -> LoadedScene:
    lattice = None
    if told["lattice"] is not None:
        x, y, z = told["lattice"]["origin"]
        lattice = Lattice(float(told["lattice"]["size"]), float(told["lattice"]["margin"]), (x, y, z))
    tracks = ObjectTracks(settings)
    tracks.next_id = int(told["next_id"])
    tracks.merged = {int(gone): int(kept) for gone, kept in told["merged"].items()}
    surfaces = []
    for item in [*told["objects"], *told["hidden"]]:
        track = _track(item)
        if not 0 < track.id < tracks.next_id or track.id in tracks.tracks:
            raise ValueError(f"objects: id {track.id} is used twice, or not below next_id {tracks.next_id}")
        tracks.tracks[track.id] = track
        if "box" in item:
            surfaces.append(_surface(item, track))
    blocks = [(int(i), int(j), int(k)) for i, j, k in told["blocks"]]
    poses = read_arrays(files / "state" / "key_frames.npz")["poses"]
    return LoadedScene(files / "state", lattice, blocks, tracks, surfaces, poses)


def _track(item: dict[str, Any]) -> Track:
    track = Track(int(item["id"]), revision=int(item["revision"]))
    track.first_seen, track.last_seen = int(item["first_seen"]), int(item["last_seen"])
    for i, j, k, channel, missing in item["pieces"]:
        track.pieces[(int(i), int(j), int(k)), int(channel)] = Piece(_EMPTY, None, int(missing), on_disk=not missing)
    for seen in item["evidence"]:
        i, j, k = seen["block"]
        categories = {str(name): int(count) for name, count in seen["categories"].items()}
        track.evidence[int(i), int(j), int(k)] = Evidence(int(seen["views"]), float(seen["agreement"]), categories)
    return track


def _surface(item: dict[str, Any], track: Track) -> ObjectSurface:
    """Return the surface without its mesh, which is built from the pieces when they are there."""
    box = OrientedBox(*(np.array(item["box"][name], np.float64) for name in ("center", "axes", "size")))
    mesh = TriangleMesh(_EMPTY, np.zeros((0, 3), np.int32))
    return ObjectSurface(
        track.id,
        mesh,
        box,
        float(item["confidence"]),
        track.first_seen,
        track.last_seen,
        str(item["category"]),
        track.revision,
    )
