"""Pictures of meshes without a graphics card: triangles filled from the farthest to the nearest."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, TriangleMesh
from depth_perception.geometry.transforms import invert

Picture = NDArray[np.uint8]
Matrix = NDArray[np.float64]
BACKGROUND = (246, 248, 250)
NEAREST = 0.01  # metres from the eye
FRACTION = 4  # bits of a pixel's fraction
LIGHT = np.array([0.3, -0.6, -0.75])  # from the eye: a bit to the right, from above


def look_from(target: NDArray, distance: float, azimuth: float, elevation: float) -> Matrix:
    """Return T_world_camera of an optical frame that looks at ``target`` (3,), z of the world up.

    ``azimuth`` and ``elevation`` in degrees tell where it looks from.
    """
    a, e = np.radians(azimuth), np.radians(elevation)
    back = np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
    right = np.array([-np.sin(a), np.cos(a), 0.0])
    T = np.eye(4)
    T[:3, :3] = np.stack([right, np.cross(-back, right), -back], axis=1)
    T[:3, 3] = np.asarray(target, np.float64) + distance * back
    return T


def draw_meshes(
    meshes: Sequence[tuple[TriangleMesh, tuple[int, int, int] | None]],
    camera: CameraModel,
    T_world_camera: Matrix,
    background: tuple[int, int, int] = BACKGROUND,
) -> Picture:
    """Return what a pinhole camera sees of meshes, RGB uint8 (height, width, 3).

    Each mesh comes with the RGB that it is drawn in, None for its vertices' own. Light comes from the eye, and both
    sides of a triangle are shown. The painter's algorithm is right for triangles much smaller than what they belong to.
    """
    height, width = camera.shape
    picture = np.ascontiguousarray(np.tile(np.array(background, np.uint8), (height, width, 1)))
    T = invert(T_world_camera)
    light = LIGHT / np.linalg.norm(LIGHT)
    found = []
    for mesh, color in meshes:
        if not len(mesh.faces):
            continue
        at = mesh.vertices @ T[:3, :3].T.astype(np.float32) + T[:3, 3].astype(np.float32)
        corners = at[mesh.faces]  # (m, 3, 3)
        if mesh.colors is None or color is not None:
            colors = np.tile(np.array(color or (160, 160, 160), np.float32), (len(corners), 1))
        else:
            colors = mesh.colors[mesh.faces].astype(np.float32).mean(axis=1)
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        colors *= (0.45 + 0.6 * np.abs(normals @ light)).astype(np.float32)[:, None]
        ahead = corners[:, :, 2].min(axis=1) > NEAREST
        found.append((corners[ahead], colors[ahead]))
    if not found:
        return picture
    corners, colors = (np.concatenate(parts) for parts in zip(*found))
    focal, middle = np.asarray(camera.K)[[0, 1], [0, 1]], np.asarray(camera.K)[:2, 2]
    pixels = corners[:, :, :2] / corners[:, :, 2:] * focal + middle
    limit = 4 * max(width, height)  # what leaves the picture far away may not overflow
    seen = np.all((pixels > -limit) & (pixels < limit), axis=(1, 2))
    order = np.argsort(-corners[:, :, 2].mean(axis=1), kind="stable")
    order = order[np.asarray(seen)[order]]
    drawn = np.rint(pixels[order] * 2**FRACTION).astype(np.int32)
    shades = np.clip(colors[order], 0, 255).tolist()
    for triangle, shade in zip(drawn, shades):
        cv2.fillConvexPoly(picture, triangle, shade, cv2.LINE_8, FRACTION)
    return picture


def turntable(
    mesh: TriangleMesh,
    views: int = 8,
    size: int = 220,
    elevation: float = 25.0,
    color: tuple[int, int, int] | None = None,
) -> Picture:
    """Return ``views`` pictures of a mesh, side by side, from all around: RGB (size, views * size, 3)."""
    if not len(mesh.vertices):
        return np.tile(np.array(BACKGROUND, np.uint8), (size, views * size, 1))
    low, high = mesh.vertices.min(axis=0).astype(float), mesh.vertices.max(axis=0).astype(float)
    target, radius = (low + high) / 2, max(float(np.linalg.norm(high - low)) / 2, 1e-3)
    focal = 1.6 * 2 * size  # drawn twice as large, so that edges are smooth
    camera = CameraModel.pinhole(focal, focal, size - 0.5, size - 0.5, 2 * size, 2 * size)
    distance = radius * 1.6 * 2.15
    shown = []
    for index in range(views):
        large = draw_meshes([(mesh, color)], camera, look_from(target, distance, 360.0 * index / views, elevation))
        shown.append(cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA))
    return np.concatenate(shown, axis=1).astype(np.uint8)
