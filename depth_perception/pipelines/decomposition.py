"""Floor 2: from posed depth images with labels to the surfaces of single objects with ids that stay, ROS-free.

The live node and the offline command run this very object. All calls but ``snapshot`` come from one thread.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import ObjectSurface, PosedDepth
from depth_perception.geometry.transforms import check_transform
from depth_perception.pipelines.block_pool import BlockPool
from depth_perception.pipelines.decomposition_settings import DecompositionSettings
from depth_perception.pipelines.key_frames import KeyFrames
from depth_perception.pipelines.object_shapes import without_specks
from depth_perception.pipelines.object_surfaces import SurfaceBook, whole_mesh
from depth_perception.pipelines.object_tracks import BlockKey, Evidence, ObjectTracks
from depth_perception.pipelines.scene_blocks import Block, FitterMaker, sightings_of
from depth_perception.pipelines.scene_model import model_maker
from depth_perception.pipelines.scene_store import SceneContents, read_scene, write_scene
from depth_perception.pipelines.scene_views import SceneViews

SAMPLED = 4000  # pixels of a frame that decide what it sees


@dataclass(frozen=True)
class Snapshot:
    """What is known of the scene: present objects by id, and where ids went that are no more."""

    objects: tuple[ObjectSurface, ...] = ()
    merged: Mapping[int, int] = field(default_factory=dict)
    world: str = ""  # counts resets and loads: ids of two worlds have nothing to do with each other


@dataclass(frozen=True)
class SceneStatus:
    """For diagnostics: blocks in memory and on disk, key frames, steps done and still to do, bytes of meshes."""

    live_blocks: int
    parked_blocks: int
    key_frames: int
    steps: int
    pending: int
    mesh_bytes: int
    reasons: Mapping[str, int]


class Decomposition(SceneViews):
    """A scene of objects that grows with the frames it is given, and what a camera sees of it."""

    def __init__(self, settings: DecompositionSettings | None = None, make_fitter: FitterMaker | None = None):
        """Begin an empty scene; ``make_fitter(low, high)`` stands in for the model of ``settings``."""
        super().__init__()
        self.settings = settings or DecompositionSettings()
        self.pool = BlockPool(self.settings, make_fitter or model_maker(self.settings))
        self._key_frames = KeyFrames(self.settings.key_frames)
        self._world = 0
        self.last_report: Any = None  # of the fitter that worked last
        self._begin_world()

    def _begin_world(self) -> None:
        self._world += 1
        self._key_frames.reset()
        self.tracks = ObjectTracks(self.settings.tracks)
        self._book = SurfaceBook()
        self._frames = 0
        self._steps = 0
        self._reasons: Counter[str] = Counter()
        self.snapshot = Snapshot(world=str(self._world))

    def reset(self) -> None:
        """Forget the whole scene, and begin with id 1 again."""
        self.pool.clear()
        self._begin_world()

    # -- frames ---------------------------------------------------------------------------------

    def add(self, frame: PosedDepth) -> bool:
        """Take a frame; True if it is a key frame. Raises ValueError naming field and value if it cannot be used."""
        frame = self.prepared(frame)
        points, labels = self._sample(frame)
        if not len(points):
            return False
        self._frames += 1
        pose = np.asarray(frame.T_world_camera, np.float64)
        reason = self._key_frames.reason(pose, points, labels)
        if reason:
            self._reasons[reason] += 1
            self._key_frames.keep(pose, points, labels)
        seen = self.pool.concerned(points, labels, may_begin=bool(reason))
        for key in seen:
            block = self.pool.bring(key, self.tracks)
            block.used = self._frames
            if reason:
                inside = np.all(self.pool.grid.keys(points) == key, axis=1)
                sightings = sightings_of(frame, points[inside], labels[inside], self.settings.categories)
                block.add(frame, sightings, self.settings.frames_in_block)
                block.pending += self.settings.steps
        self._park_unused(set(seen))
        return bool(reason)

    def would_keep(self, frame: PosedDepth) -> bool:
        """Return True if a frame is worth keeping even without its labels, which may be dear; raises ValueError."""
        frame = self.prepared(replace(frame, labels=np.zeros(frame.camera.shape, np.int32)))
        points, labels = self._sample(frame)
        pose = np.asarray(frame.T_world_camera, np.float64)
        return len(points) > 0 and bool(self._key_frames.reason(pose, points, labels))

    def prepared(self, frame: PosedDepth) -> PosedDepth:
        """Return ``frame`` thinned to the width and depth that are worked with; raises ValueError."""
        settings = self.settings
        shape = frame.camera.shape
        if frame.labels is None:
            raise ValueError("labels: None, expected int32 labels of the image's size")
        for name, value in (("depth", frame.depth), ("labels", frame.labels), ("image", frame.image)):
            if value.shape[:2] != shape:
                raise ValueError(f"{name}: {value.shape[1]}x{value.shape[0]} pixels, expected {shape[1]}x{shape[0]}")
        check_transform(frame.T_world_camera)
        step = -(-shape[1] // settings.max_width)
        camera = frame.camera
        if step > 1:
            K = camera.K / np.array([[step], [step], [1.0]])
            K[2, 2] = 1.0
            size = -(-shape[1] // step), -(-shape[0] // step)
            camera = replace(camera, width=size[0], height=size[1], K=K, P=None)
        with np.errstate(invalid="ignore"):
            usable = (frame.depth > 0) & (frame.depth <= settings.max_depth)
        depth = thinned_depth(np.where(usable, frame.depth, np.float32(np.nan)), frame.labels, step)
        deviation = frame.standard_deviation
        return replace(
            frame,
            camera=camera,
            depth=depth,
            image=np.require(frame.image[::step, ::step], requirements=["C", "W"]),  # torch takes no read-only array
            labels=np.ascontiguousarray(frame.labels[::step, ::step], np.int32),
            standard_deviation=None if deviation is None else np.ascontiguousarray(deviation[::step, ::step]),
        )

    def _sample(self, frame: PosedDepth) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Return world points (n, 3) and labels (n,) of an even choice of the known pixels."""
        assert frame.labels is not None
        known = np.flatnonzero(np.isfinite(frame.depth))
        known = known[:: max(len(known) // SAMPLED, 1)]
        return self.world_points(frame).reshape(-1, 3)[known], frame.labels.reshape(-1)[known]

    def _park_unused(self, needed: set[BlockKey]) -> None:
        spare = self.pool.spare(needed)
        for block in spare:
            if block.changed:
                self._take_surfaces(block)
            self.pool.park(block)
        if spare:
            self._build()
        if spare and self.pool.shed(self.tracks):
            self._build()

    # -- work -----------------------------------------------------------------------------------

    def work(
        self, seconds: float | None = None, stop: Callable[[], bool] | None = None, steps: int | None = None
    ) -> int:
        """Optimise the block that waits for it most; return the steps done, 0 if nothing is left to do."""
        waiting = [block for block in self.pool.live.values() if block.pending > 0 and block.frames]
        if not waiting:
            return 0
        # a block without any surface yet first, then where least was done for what was seen
        block = min(
            waiting, key=lambda block: (block.steps > 0, block.steps / (block.steps + block.pending), block.key)
        )
        limit = block.pending if steps is None else min(steps, block.pending)
        started = time.monotonic()
        report = block.fitter.run(seconds=seconds, steps=limit, stop=stop)
        done = int(report.steps)
        interrupted = (stop is not None and stop()) or (seconds is not None and time.monotonic() - started >= seconds)
        has_nothing_to_learn = not done and not interrupted
        block.pending = 0 if has_nothing_to_learn else max(block.pending - done, 0)
        block.steps += done
        block.changed = block.changed or done > 0
        self._steps += done
        self.last_report = report
        return done

    def polish(self, seconds: float) -> int:
        """Fit all blocks in memory for ``seconds`` in all, beyond what their frames deserve; return the steps."""
        blocks = [block for block in self.pool.live.values() if block.frames]
        total = 0
        for block in blocks:
            done = int(block.fitter.run(seconds=seconds / len(blocks)).steps)
            block.steps += done
            block.changed = block.changed or done > 0
            total += done
        self._steps += total
        return total

    @property
    def pending(self) -> int:
        """Steps still to be done for the frames so far."""
        return sum(block.pending for block in self.pool.live.values() if block.frames)

    def refresh(self, everything: bool = False) -> bool:
        """Take the surfaces of one block that changed, or of all of them; False if none did."""
        changed = [block for block in self.pool.live.values() if block.changed]
        changed.sort(key=lambda block: -block.used)
        for block in changed if everything else changed[:1]:
            self._take_surfaces(block)
        if changed:
            self._build()
        return bool(changed)

    def surfaces(self) -> list[ObjectSurface]:
        """Return all objects as they are now, by id."""
        self.refresh(everything=True)
        return list(self.snapshot.objects)

    def _take_surfaces(self, block: Block) -> None:
        block.changed = False
        meshes = block.fitter.meshes(self.settings.cell or None)
        whole = {channel: without_specks(mesh) for channel, mesh in meshes.items() if channel > 0 and len(mesh.faces)}
        least = self.settings.least_size
        objects = {channel: mesh for channel, mesh in whole.items() if np.ptp(mesh.vertices, axis=0).max() >= least}
        found = self.tracks.update(block.key, objects, self.pool.grid.shared(block.key))
        self._take_evidence(block, found)

    def _take_evidence(self, block: Block, found: Mapping[int, int]) -> None:
        """Let every segment that a key frame saw speak for the channel that most of it fell into."""
        sightings = [sighting for seen in block.sightings.values() for sighting in seen if len(sighting.points)]
        if not sightings:
            return
        assigned = block.fitter.assign(np.concatenate([sighting.points for sighting in sightings]))
        ends = np.cumsum([len(sighting.points) for sighting in sightings])
        told: dict[int, list[tuple[float, str]]] = {}
        for sighting, start, end in zip(sightings, [0, *ends[:-1]], ends):
            channels, sure = assigned.channel[start:end], assigned.confidence[start:end]
            channel = int(np.bincount(np.maximum(channels, 0)).argmax())
            number = found.get(channel, 0)
            if number:
                is_own = channels == channel
                told.setdefault(number, []).append((float((is_own * sure).mean()), sighting.category))
                self.tracks.tracks[number].saw(sighting.stamp)
        for number in set(found.values()):
            votes = told.get(number, [])
            categories = Counter(name for _, name in votes if name)
            mean = float(np.mean([share for share, _ in votes])) if votes else 0.0
            self.tracks.tracks[number].evidence[block.key] = Evidence(len(votes), mean, categories)

    def _build(self) -> None:
        objects = self._book.build(self.tracks, self.pool)
        self.snapshot = Snapshot(objects, dict(self.tracks.merged), str(self._world))

    # -- by command -----------------------------------------------------------------------------

    def merge(self, kept: int, gone: int) -> None:
        """Let object ``gone`` be part of ``kept`` from now on; raises KeyError or ValueError as ``ObjectTracks``."""
        self.tracks.merge(kept, gone)
        self._build()

    def get(self, number: int) -> ObjectSurface:
        """Return one object by its id, also by one that was merged into it; raises KeyError."""
        number = self.tracks.current(number)
        for surface in self.snapshot.objects:
            if surface.id == number:
                is_bare = not len(surface.mesh.faces)
                mesh = whole_mesh(self.tracks.tracks[number], self.tracks, self.pool) if is_bare else surface.mesh
                return replace(surface, mesh=mesh)
        raise KeyError(f"there is no object {number}; {len(self.snapshot.objects)} are known")

    def save(self, folder: str | Path) -> int:
        """Write the scene into ``folder``, over an older one there; return the number of objects.

        See ``scene_store`` for what is in it. Raises SceneError, OSError.
        """
        self.refresh(everything=True)
        contents = SceneContents(
            tracks=self.tracks,
            pool=self.pool,
            surfaces=tuple(self.get(surface.id) for surface in self.snapshot.objects),
            poses=self._key_frames.poses,
        )
        return write_scene(Path(folder), contents)

    def load(self, folder: str | Path) -> int:
        """Take the place of this scene by a saved one, ids bit for bit; return the number of objects.

        Raises SceneError for one that is not whole, and then nothing has changed.
        """
        loaded = read_scene(Path(folder), self.settings.tracks)
        self.pool.adopt(loaded.files, loaded.lattice, loaded.blocks, loaded.tracks)
        self._begin_world()
        self.tracks = loaded.tracks
        self._key_frames.poses = loaded.poses
        self._book.put(loaded.surfaces)
        self._build()
        if self.pool.shed(self.tracks):
            self._build()
        return len(self.snapshot.objects)

    def status(self) -> SceneStatus:
        """Return figures for diagnostics."""
        meshes = [surface.mesh for surface in self.snapshot.objects]
        return SceneStatus(
            live_blocks=len(self.pool.live),
            parked_blocks=len(self.pool.parked),
            key_frames=sum(len(block.frames) for block in self.pool.live.values()),
            steps=self._steps,
            pending=self.pending,
            mesh_bytes=sum(mesh.vertices.nbytes + mesh.faces.nbytes for mesh in meshes),
            reasons=dict(self._reasons),
        )


def thinned_depth(depth: NDArray[np.float32], labels: NDArray[np.int32], step: int) -> NDArray[np.float32]:
    """Return every ``step``-th pixel of depth (h, w), NaN unknown; of its square the nearest value where it has none.

    Depth that was registered to a larger image lies in a grid of few pixels, most of which plain thinning would lose.
    Only pixels of the same label stand in, so that nothing runs over the border of an object.
    """
    out = np.ascontiguousarray(depth[::step, ::step], np.float32)
    own = labels[::step, ::step]
    near = np.full(out.shape, np.inf, np.float32)
    for row, column in np.ndindex(step, step):
        value = depth[row::step, column::step]
        part = np.s_[: value.shape[0], : value.shape[1]]
        usable = np.isfinite(value) & (labels[row::step, column::step] == own[part])
        near[part] = np.minimum(near[part], np.where(usable, value, np.inf))
    missing = ~np.isfinite(out) & np.isfinite(near)
    out[missing] = near[missing]
    return out
