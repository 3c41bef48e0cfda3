"""Pictures of the decomposition benchmark: labels as given beside what was found, and surfaces coloured by object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.evaluation.decomposition.decomposed import Decomposed
from depth_perception.evaluation.decomposition.surface_scores import sample_faces
from depth_perception.frames import PosedDepth, TriangleMesh
from depth_perception.geometry.camera import resize

Image = NDArray[np.uint8]

_SAMPLES = 60_000  # of each surface


def color_of(numbers: NDArray) -> NDArray[np.uint8]:
    """Return RGB uint8 (..., 3): a colour for every number from 1 on, dark for background, black for nothing."""
    hue = (np.maximum(numbers, 0).astype(np.int64) * 111) % 180  # a step that comes back late
    light = 150 + (np.maximum(numbers, 0).astype(np.int64) * 53) % 106
    hsv = np.stack([hue, np.full_like(hue, 170), light], -1).astype(np.uint8).reshape(-1, 1, 3)
    rgb = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).reshape(*numbers.shape, 3)
    rgb[numbers == 0] = 45
    rgb[numbers < 0] = 0
    return np.asarray(rgb, np.uint8)


def draw_surfaces(meshes: Mapping[int, TriangleMesh], frame: PosedDepth, scale: int = 2) -> Image:
    """Return the surfaces as a frame's camera would see them, ``scale`` times as large, a colour for each object."""
    camera = resize(frame.camera, frame.camera.width * scale, frame.camera.height * scale)
    height, width = camera.shape
    rng = np.random.default_rng(0)
    points, numbers, light = [], [], []
    T = np.linalg.inv(frame.T_world_camera)
    for number, mesh in meshes.items():
        if number <= 0 or not len(mesh.faces):
            continue
        # into the camera, where light comes from
        own = TriangleMesh(mesh.vertices @ T[:3, :3].T.astype(np.float32) + T[:3, 3].astype(np.float32), mesh.faces)
        corners = own.vertices[own.faces]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        length = np.linalg.norm(normal, axis=1)
        middle = corners.mean(1)
        toward = -(normal * middle).sum(1) / np.maximum(length * np.linalg.norm(middle, axis=1), 1e-12)
        at, face = sample_faces(own, _SAMPLES, rng)
        points.append(at)
        numbers.append(np.full(len(at), number))
        light.append(toward[face])
    out = np.full((height, width, 3), 245, np.uint8)
    if not points:
        return out
    at, number, lit = np.concatenate(points), np.concatenate(numbers), np.concatenate(light)
    z = at[:, 2]
    u = np.rint(camera.K[0, 0] * at[:, 0] / np.maximum(z, 1e-6) + camera.K[0, 2]).astype(np.int64)
    v = np.rint(camera.K[1, 1] * at[:, 1] / np.maximum(z, 1e-6) + camera.K[1, 2]).astype(np.int64)
    seen = (z > 0.05) & (u >= 0) & (v >= 0) & (u < width) & (v < height)
    order = np.flatnonzero(seen)[np.argsort(-z[seen] + 1e-6 * rng.random(int(seen.sum())), kind="stable")]
    shade = 0.35 + 0.65 * np.clip(lit[order], 0, 1)
    out[v[order], u[order]] = (color_of(number[order]) * shade[:, None]).astype(np.uint8)
    return out


def sheet(true: Sequence[PosedDepth], given: Sequence[PosedDepth], found: Decomposed, rows: int = 3) -> Image:
    """Return rows of views: the image, labels as given, labels as found, and the surfaces."""
    lines = []
    for index in np.linspace(0, len(true) - 1, rows + 1).astype(int)[:rows]:
        frame, labels = true[index], given[index].labels
        assert labels is not None
        size = (frame.camera.width * 2, frame.camera.height * 2)
        parts = [frame.image, color_of(labels), color_of(found.labels[index])]
        images = [np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_NEAREST), np.uint8) for part in parts]
        lines.append(np.hstack([*images, draw_surfaces(found.meshes, frame)]))
    return np.vstack(lines)


def write_sheet(path: Path, picture: Image, width: int = 1280) -> None:
    """Write a picture as PNG, at most ``width`` pixels wide."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if picture.shape[1] > width:
        height = round(picture.shape[0] * width / picture.shape[1])
        picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    cv2.imwrite(str(path), picture[..., ::-1])
