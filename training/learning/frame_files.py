"""Chosen frames of a recording on disk: one ``NNNNNN.npz`` for each, as training.datasets.rendered reads them.

``image`` uint8 (H, W, 3), ``depth`` float32 (H, W) what the range sensor measured in metres, 0 unknown, ``K`` (3, 3),
``T_world_camera`` (4, 4), zeros if unknown, ``stamp`` in nanoseconds, ``ring`` int16 (H, W), -1 unknown, where rings
are known, and ``truth`` float32 (H, W), 0 unknown, where the recording has it. ``index.jsonl`` has a line for each.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, FloatImage, SparseDepth
from depth_perception.geometry.camera import resize
from depth_perception.models.weights import replace

INDEX = "index.jsonl"
_DENSE = 0.3  # share of known pixels from which depth is an image and not points


@dataclass(frozen=True)
class FrameEntry:
    """A line of the index. ``stretch`` counts from 0: frames of different stretches are no neighbours in time.

    ``flow`` and ``parallax`` as ``motion.Motion``, against the frame before, None for the first of a stretch;
    ``corners`` that can be followed; ``points`` measured pixels; ``pose`` and ``truth``: whether there is one.
    ``considered`` to ``cuts`` count the recording's images so far: looked at, passed over as still or as blank, and
    where the view was lost.
    """

    name: str
    stamp: int
    stretch: int
    flow: float | None
    parallax: float | None
    corners: int
    points: int
    pose: bool
    truth: bool
    considered: int
    still: int
    blank: int
    cuts: int


class FrameFolder:
    """A folder of such frames and its index; what a killed run left half-written is not there."""

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        self.entries: list[FrameEntry] = []
        self._whole = True  # no half line at the index's end
        index = self.folder / INDEX
        if index.is_file():
            text = index.read_text()
            self._whole = not text or text.endswith("\n")
            known = {field.name for field in fields(FrameEntry)}
            for line in text.splitlines():
                try:
                    values = json.loads(line)
                except ValueError:
                    values = {}  # the line being written when the run was killed
                if set(values) != known or not self.path(values["name"]).is_file():
                    self._whole = False
                    break
                self.entries.append(FrameEntry(**values))

    def path(self, name: str) -> Path:
        """Return the file of a frame."""
        return self.folder / f"{name}.npz"

    def add(self, entry: FrameEntry, arrays: dict[str, Any]) -> None:
        """Write a frame, and its line after it."""
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)
        replace(self.path(entry.name), content.getvalue())
        if not self._whole:
            replace(self.folder / INDEX, "".join(map(_line, self.entries)).encode())
            self._whole = True
        self.entries.append(entry)
        with (self.folder / INDEX).open("a") as index:
            index.write(_line(entry))


def _line(entry: FrameEntry) -> str:
    return json.dumps(asdict(entry)) + "\n"


@dataclass(frozen=True, eq=False)
class Recorded:
    """A frame as read: see the module. ``T_world_camera``, ``ring`` and ``truth`` are None where unknown."""

    name: str
    stamp: int
    image: NDArray[np.uint8]
    camera: CameraModel
    depth: FloatImage
    T_world_camera: NDArray[np.float64] | None
    ring: NDArray[np.int16] | None
    truth: FloatImage | None

    def sparse(self) -> SparseDepth:
        """Return the measured pixels, with their rings where known."""
        found = SparseDepth.from_image(self.depth)
        if self.ring is None:
            return found
        ring = self.ring[found.rows, found.columns].astype(np.int32)
        return SparseDepth(found.shape, found.rows, found.columns, found.depth, found.source, ring)


def read_frame(path: Path) -> Recorded:
    """Read a frame file."""
    with np.load(path) as file:
        image = file["image"]
        pose = file["T_world_camera"]
        return Recorded(
            path.stem,
            int(file["stamp"]),
            image,
            CameraModel(image.shape[1], image.shape[0], file["K"]),
            file["depth"],
            pose if pose[3, 3] else None,
            file.get("ring"),
            file.get("truth"),
        )


def frame_arrays(
    image: NDArray[np.uint8],
    camera: CameraModel,
    pose: NDArray[np.float64] | None,
    stamp: int,
    measured: SparseDepth | None,
    truth: FloatImage | None,
    width: int = 0,
) -> dict[str, Any]:
    """Return the arrays of a frame, made smaller to ``width`` pixels across if it is wider; 0 keeps its size."""
    depth, ring = np.zeros(camera.shape, np.float32), None
    if measured is not None:
        depth = measured.image()
        if measured.ring is not None:
            ring = np.full(camera.shape, -1, np.int16)
            ring[measured.rows, measured.columns] = measured.ring
    if width and camera.width > width:
        small = resize(camera, width, max(1, round(camera.height * width / camera.width)))
        image = np.asarray(cv2.resize(image, (small.width, small.height), interpolation=cv2.INTER_AREA), np.uint8)
        depth, ring = shrink_depth(depth, small.shape, ring)
        truth = None if truth is None else shrink_depth(truth, small.shape)[0]
        camera = small
    pose = np.zeros((4, 4)) if pose is None else np.asarray(pose, np.float64)
    arrays: dict[str, Any] = {"image": image, "depth": depth, "K": camera.K, "T_world_camera": pose, "stamp": stamp}
    if ring is not None:
        arrays["ring"] = ring
    if truth is not None:
        arrays["truth"] = truth
    return arrays


def shrink_depth(
    depth: FloatImage, shape: tuple[int, int], ring: NDArray[np.int16] | None = None
) -> tuple[FloatImage, NDArray[np.int16] | None]:
    """Return depth (H, W), 0 unknown, at the smaller size ``shape``, and the rings of what is left of it.

    A dense image is sampled; of points that fall on one pixel the nearest stays, as in projection.
    """
    if np.count_nonzero(depth) > _DENSE * depth.size:
        return np.asarray(cv2.resize(depth, shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT), np.float32), None
    rows, columns = np.nonzero(depth)
    values = depth[rows, columns]
    at = rows * shape[0] // depth.shape[0], columns * shape[1] // depth.shape[1]
    order = np.argsort(-values, kind="stable")  # of equal places the last one written stays: the nearest
    out = np.zeros(shape, np.float32)
    out[at[0][order], at[1][order]] = values[order]
    if ring is None:
        return out, None
    rings = np.full(shape, -1, np.int16)
    rings[at[0][order], at[1][order]] = ring[rows, columns][order]
    return out, rings
