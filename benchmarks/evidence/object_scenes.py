"""The labelled scenes of the decomposition benchmark: generated ones with true surfaces, and the real shelf."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from depth_perception.evaluation.decomposition.label_corruption import CORRUPTIONS, corrupt
from depth_perception.evaluation.decomposition.surface_scores import TrueSurface
from depth_perception.evaluation.real_data import data_folder, read_color
from depth_perception.frames import CameraModel, PosedDepth

VIEWS = 24
SHELF = "real-shelf"
NEAREST = 0.3  # metres: the real camera's nearer values are noise (SOURCE.md of the recording)


class LabelledScene(NamedTuple):
    """``frames`` with true labels, and the true surface of each thing by id; no surfaces where none are known."""

    name: str
    frames: list[PosedDepth]
    surfaces: dict[int, TrueSurface]


class Kind(NamedTuple):
    """A generated scene: how many things on what, from which seed, in images of ``size`` (width, height)."""

    count: int
    support: str
    seed: int
    size: tuple[int, int] = (160, 120)


GENERATED: dict[str, Kind] = {
    "table-3": Kind(3, "table", 3),
    "table-5": Kind(5, "table", 0),
    "table-8": Kind(8, "table", 8),
    "floor-8": Kind(8, "floor", 18),
    "shelf-8": Kind(8, "shelf", 28),
    "table-20": Kind(20, "table", 20),
    "table-50": Kind(50, "table", 50, (240, 180)),
}


def names() -> list[str]:
    """Return the scenes that this machine can have: the real one only where its data are."""
    try:
        real = (data_folder() / "apc_shelf_labels").is_dir()
    except FileNotFoundError:
        real = False
    return [*GENERATED, *([SHELF] if real else [])]


def load_scene(name: str, cache: Path, views: int = VIEWS) -> LabelledScene:
    """Return a scene by name; generated ones are kept in ``cache``. Raises ValueError for an unknown name."""
    if name == SHELF:
        return LabelledScene(name, real_shelf(), {})
    if name not in GENERATED:
        raise ValueError(f"scene: {name!r} is not one of {', '.join([*GENERATED, SHELF])}")
    kind = GENERATED[name]
    path = cache / f"{name}-{views}-{kind.size[0]}x{kind.size[1]}.npz"
    if not path.is_file():
        _write(path, *_generate(kind, views))
    return LabelledScene(name, *_read(path))


def spoiled(scene: LabelledScene, corruption: str) -> list[PosedDepth]:
    """Return the scene's frames with labels spoiled by a corruption of CORRUPTIONS, the same every time.

    ``strong#1``, ``strong#2`` and so on are other draws of ``strong``.
    """
    seed = zlib.crc32(f"{scene.name}/{corruption}".encode())
    return corrupt(scene.frames, np.random.default_rng(seed), CORRUPTIONS[kind_of(corruption)])


def kind_of(corruption: str) -> str:
    """Return the corruption that a draw is one of."""
    return corruption.split("#")[0]


def draws(corruption: str, count: int) -> list[str]:
    """Return the names of ``count`` draws of a corruption."""
    return [corruption, *(f"{corruption}#{k}" for k in range(1, count))]


def _generate(kind: Kind, views: int) -> tuple[list[PosedDepth], dict[int, TrueSurface]]:
    from training.synthetic.depth_camera import DepthCamera
    from training.synthetic.object_surfaces import seen, true_samples
    from training.synthetic.objects import build_objects, camera_of, render_objects

    world = build_objects(kind.count, kind.support, kind.seed)
    frames = render_objects(world, camera_of(*kind.size), world.poses(views), DepthCamera())
    whole = true_samples(world.scene, 20_000.0 if kind.support == "floor" else 60_000.0)
    # what a camera saw of a thing includes a little more than its pixels' centres
    return frames, {thing: TrueSurface(points, points[seen(points, frames, 0.012)]) for thing, points in whole.items()}


def _write(path: Path, frames: Sequence[PosedDepth], surfaces: dict[int, TrueSurface]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {
        "image": np.stack([f.image for f in frames]),
        "depth": np.stack([f.depth for f in frames]),
        "labels": np.stack([f.labels for f in frames if f.labels is not None]),
        "pose": np.stack([f.T_world_camera for f in frames]),
        "K": frames[0].camera.K,
    }
    for thing, surface in surfaces.items():
        arrays |= {f"whole-{thing}": surface.whole, f"seen-{thing}": surface.seen}
    partial = path.with_suffix(".tmp")
    with partial.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    partial.replace(path)


def _read(path: Path) -> tuple[list[PosedDepth], dict[int, TrueSurface]]:
    with np.load(path) as held:
        arrays = {name: held[name] for name in held.files}
    height, width = arrays["depth"].shape[1:]
    camera = CameraModel(width, height, arrays["K"])
    parts = zip(arrays["image"], arrays["depth"], arrays["pose"], arrays["labels"])
    frames = [
        PosedDepth(k * 125_000_000, "camera_optical_frame", image, camera, depth, pose, labels)
        for k, (image, depth, pose, labels) in enumerate(parts)
    ]
    things = [int(name.split("-")[1]) for name in arrays if name.startswith("whole-")]
    return frames, {t: TrueSurface(arrays[f"whole-{t}"], arrays[f"seen-{t}"]) for t in things}


def real_shelf(step: int = 2) -> list[PosedDepth]:
    """Return the 15 labelled views of a bin of a warehouse shelf, every ``step``-th pixel of theirs.

    Depth fills a quarter of the pixels, in a grid: of each block of pixels the nearest measured value is taken.
    """
    folder = data_folder() / "apc_shelf_labels"
    K = np.loadtxt(folder / "camera-intrinsics.color.txt")
    frames = []
    for number, path in enumerate(sorted(folder.glob("*.color.png"))):
        stem = path.name.removesuffix(".color.png")
        raw = cv2.imread(str(folder / f"{stem}.depth.png"), cv2.IMREAD_UNCHANGED).astype(np.uint16)
        depth = ((raw >> 3) | (raw << 13)).astype(np.float32) / 10_000
        depth[depth < NEAREST] = np.nan
        labels = cv2.imread(str(folder / f"{stem}.segm.png"), cv2.IMREAD_UNCHANGED).astype(np.int32)
        image = read_color(path)
        height, width = (s // step for s in depth.shape)
        blocks = depth[: height * step, : width * step].reshape(height, step, width, step)
        known = np.isfinite(blocks)
        near = np.where(known, blocks, np.inf).min((1, 3))
        small = K.copy()
        small[:2] /= step
        small[:2, 2] += 0.5 / step - 0.5
        frames.append(
            PosedDepth(
                number * 100_000_000,
                "camera",
                np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8),
                CameraModel(width, height, small),
                np.where(np.isfinite(near), near, np.nan).astype(np.float32),
                np.loadtxt(folder / f"{stem}.pose.txt"),
                np.ascontiguousarray(labels[step // 2 :: step, step // 2 :: step][:height, :width]),
            )
        )
    if not frames:
        raise FileNotFoundError(f"no frames in {folder}")
    return frames
