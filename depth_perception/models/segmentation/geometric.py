"""Objects of one depth image by its shape alone, with colour for the doubtful borders. No network, no download.

Large planes (floor, walls, table) are background. What is left falls apart at steps in depth and in hollows, as things
are mostly convex and meet what they stand on or lean against in a hollow (Stein et al., Object Partitioning using Local
Convexity, CVPR 2014). Pieces that touch are joined again where their border is neither step nor hollow and their
colours agree.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, FloatImage
from depth_perception.geometry.camera import resize
from depth_perception.models.segmentation.planes import PlaneSettings, supported, supporting_planes
from depth_perception.models.segmentation.relief import Mask, Relief, hollows, jumps, relief

Labels = NDArray[np.int32]


@dataclass(frozen=True)
class GeometricSettings:
    """How images are cut into objects.

    ``pixels`` of the working image; ``jump``: step in depth that parts two things, as a share of the depth;
    ``hollow``: sine of the angle that does; ``reach`` of the hollows in pixels; ``least``: smallest object as a share
    of the image; ``largest`` object in metres across; ``border``: share of a border that must be cut for two pieces
    to stay apart; ``color``: CIELAB distance that keeps pieces apart although their border is weak.
    """

    pixels: int = 80_000
    jump: float = 0.018
    hollow: float = 0.22
    reach: int = 3
    least: float = 0.0012
    largest: float = 1.5
    border: float = 0.5
    color: float = 22.0
    planes: PlaneSettings = field(default_factory=PlaneSettings)


class GeometricSegmenter:
    """Cuts a depth image into objects; see the module for how."""

    def __init__(self, settings: GeometricSettings | None = None):
        self.settings = settings or GeometricSettings()

    def segment(self, image: NDArray[np.uint8], depth: FloatImage, camera: CameraModel) -> Labels:
        """Return int32 (height, width): objects from 1 on, largest first; 0 background, -1 unknown.

        ``image`` RGB uint8 (height, width, 3); ``depth`` float32 (height, width) in metres, NaN or 0 unknown;
        ``camera`` the undistorted one of both. Pixels without depth are unknown. Raises ValueError if sizes differ.
        """
        if image.shape[:2] != depth.shape or camera.shape != depth.shape:
            raise ValueError(f"image {image.shape[:2]}, depth {depth.shape} and camera {camera.shape} differ in size")
        valid = np.isfinite(depth) & (depth > 0)
        out = np.full(depth.shape, -1, np.int32)
        if not valid.any():
            return out
        step = working_step(depth.shape, self.settings.pixels)
        small_depth = shrink_depth(depth, step)
        size = (small_depth.shape[1], small_depth.shape[0])
        small_image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        labels = self._cut(small_image, small_depth, resize(camera, *size))
        large = cv2.resize(labels, depth.shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        out[valid] = large[valid]
        return out

    def _cut(self, image: NDArray[np.uint8], depth: FloatImage, camera: CameraModel) -> Labels:
        settings = self.settings
        surfaces = relief(depth, camera)
        background = supported(surfaces, supporting_planes(surfaces, settings.planes), settings.planes)
        thing = surfaces.valid & ~background
        hollow = hollows(surfaces, settings.reach, settings.hollow)
        jump = jumps(surfaces, settings.jump)
        least = max(int(settings.least * depth.size), 8)
        pieces = grown(thick_pieces(thing & ~jump & ~hollow, least // 3), thing, surfaces)
        pieces = with_thin_pieces(pieces, thing & ~jump, least // 3)
        pieces = joined(pieces, jump | hollow, image, surfaces, settings)
        labels = np.where(background, 0, np.where(pieces > 0, pieces, -1)).astype(np.int32)
        return numbered(labels, surfaces, least, settings.largest)


def working_step(shape: tuple[int, ...], pixels: int) -> int:
    """Return by how much to shrink an image of ``shape`` so that about ``pixels`` are left."""
    return max(int(np.sqrt(shape[0] * shape[1] / pixels) + 0.25), 1)


def shrink_depth(depth: FloatImage, step: int) -> FloatImage:
    """Return float32 (h // step, w // step): of each block its nearest depth's surface; NaN only where all is unknown.

    The mean of what lies within 3 % of the block's least depth: surfaces are not mixed, and a depth camera's pepper of
    holes is closed.
    """
    if step == 1:
        return depth
    h, w = depth.shape[0] // step, depth.shape[1] // step
    blocks = depth[: h * step, : w * step].reshape(h, step, w, step)
    known = np.isfinite(blocks) & (blocks > 0)
    least = np.where(known, blocks, np.inf).min((1, 3))
    near = known & (blocks < 1.03 * least[:, None, :, None])
    count = near.sum((1, 3))
    total = np.where(near, blocks, 0).sum((1, 3))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def drop_small(pieces: Labels, count: int, least: int) -> Labels:
    """Return ``pieces`` without those of fewer than ``least`` pixels; 0 is none, the others numbered anew."""
    large = np.bincount(pieces.reshape(-1), minlength=count) >= least
    large[0] = False
    new = np.where(large, np.cumsum(large), 0)
    return new[pieces].astype(np.int32)


def thick_pieces(mask: Mask, least: int) -> Labels:
    """Return the connected parts of ``mask``, from 1 on, but for small ones and slivers without a 3 x 3 square.

    A sliver is mostly the steep side of a larger piece, which may still grow over it.
    """
    count, pieces = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    core = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    thick = np.bincount(pieces[core], minlength=count) > 0
    return drop_small(np.where(thick[pieces], pieces, 0).astype(np.int32), count, least)


def with_thin_pieces(pieces: Labels, mask: Mask, least: int) -> Labels:
    """Return ``pieces`` and, numbered on, the parts of ``mask`` that touch no piece: things as thin as a rod."""
    count, thin = cv2.connectedComponents((mask & (pieces == 0)).astype(np.uint8), connectivity=8)
    beside = cv2.dilate((pieces > 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    alone = np.bincount(thin[beside], minlength=count) == 0
    thin = drop_small(np.where(alone[thin], thin, 0).astype(np.int32), count, least)
    return np.where(thin > 0, thin + pieces.max(), pieces).astype(np.int32)


def grown(pieces: Labels, thing: Mask, surfaces: Relief, rounds: int = 8) -> Labels:
    """Return ``pieces`` grown over the pixels of things that lay on a cut, each by the neighbour nearest in space."""
    # one pixel of margin, so that every pixel has four neighbours in the flat arrays
    out = np.pad(pieces, 1).reshape(-1)
    depth = np.pad(surfaces.points[..., 2], 1).reshape(-1)
    wide = pieces.shape[1] + 2
    open_ = np.flatnonzero(np.pad(thing, 1).reshape(-1) & (out == 0))
    for _ in range(rounds):
        best = 0.03 * depth[open_]
        take = np.zeros(len(open_), np.int32)
        for step in (-wide, wide, -1, 1):
            neighbor = out[open_ + step]
            gap = np.abs(depth[open_ + step] - depth[open_])
            better = (neighbor > 0) & (gap < best)
            best, take = np.where(better, gap, best), np.where(better, neighbor, take)
        if not take.any():
            break
        out[open_] = take
        open_ = open_[take == 0]
    return out.reshape(-1, wide)[1:-1, 1:-1].copy()


def joined(
    pieces: Labels, cut: Mask, image: NDArray[np.uint8], surfaces: Relief, settings: GeometricSettings
) -> Labels:
    """Return ``pieces`` with those joined whose common border is mostly not on a ``cut`` and whose colours agree."""
    count = int(pieces.max()) + 1
    if count <= 2:
        return pieces
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)
    flat = pieces.reshape(-1)
    size = np.maximum(np.bincount(flat, minlength=count), 1)
    # lightness counts half: it changes from one side of a thing to the other
    scale = (0.5 * 100 / 255, 1.0, 1.0)
    color = np.stack(
        [np.bincount(flat, lab[..., k].reshape(-1), count) / size * scale[k] for k in range(3)], 1
    )  # (count, 3)
    wide = cv2.dilate(cut.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    depth, length, weak = surfaces.points[..., 2], np.zeros((count, count)), np.zeros((count, count))
    for axis in (0, 1):
        a, b = (np.take(pieces, range(s, pieces.shape[axis] - 1 + s), axis) for s in (0, 1))
        za, zb = (np.take(depth, range(s, pieces.shape[axis] - 1 + s), axis) for s in (0, 1))
        ca, cb = (np.take(wide, range(s, pieces.shape[axis] - 1 + s), axis) for s in (0, 1))
        touch = (a != b) & (a > 0) & (b > 0)
        strong = (ca & cb) | (np.abs(za - zb) > settings.jump * np.minimum(za, zb))
        np.add.at(length, (a[touch], b[touch]), 1)
        np.add.at(weak, (a[touch & ~strong], b[touch & ~strong]), 1)
    length, weak = length + length.T, weak + weak.T
    parent = np.arange(count)
    for a, b in zip(*np.nonzero(np.triu(length >= 4)), strict=True):
        open_ = weak[a, b] > (1 - settings.border) * length[a, b]
        if open_ and np.linalg.norm(color[a] - color[b]) < settings.color:
            parent[parent == parent[b]] = parent[a]
    return parent[pieces].astype(np.int32)


def numbered(labels: Labels, surfaces: Relief, least: int, largest: float) -> Labels:
    """Return ``labels`` with objects 1, 2, ... by size; too small ones become unknown and too wide ones background."""
    ids, inverse, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    new, following = np.zeros(len(ids), np.int32), 1
    for index in np.argsort(-sizes, kind="stable"):
        if ids[index] <= 0:
            new[index] = ids[index]
        elif sizes[index] < least:
            new[index] = -1
        else:
            points = surfaces.points[labels == ids[index]]
            points = np.sort(points[:: max(len(points) // 500, 1)], axis=0)
            reach = points[int(0.97 * (len(points) - 1))] - points[int(0.03 * (len(points) - 1))]
            if float(np.linalg.norm(reach)) > largest:
                new[index] = 0
            else:
                new[index], following = following, following + 1
    return new[inverse].reshape(labels.shape)
