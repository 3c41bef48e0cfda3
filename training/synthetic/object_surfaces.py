"""The true surfaces of a world's things: dense samples and meshes of their primitives, and what cameras saw of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter

from depth_perception.frames import PosedDepth, TriangleMesh
from depth_perception.geometry.camera import project
from training.synthetic.scene import BOX, CONE, CYLINDER, ELLIPSOID, Scene

Points = NDArray[np.float64]

_INSIDE = 1e-6  # of the unit shape: samples must lie deeper than this in another primitive to be hidden by it


def primitive_samples(scene: Scene, index: int, density: float, rng: np.random.Generator) -> Points:
    """Return samples (n, 3) in the world of one primitive's surface, ``density`` a square metre on average."""
    kind, half = int(scene.kind[index]), scene.half[index].double().numpy()
    count = max(int(_area(kind, half) * density), 60)
    unit = _on_unit(kind, half, count, rng)
    return (unit * half) @ scene.rotation[index].double().numpy().T + scene.center[index].double().numpy()


def _area(kind: int, half: NDArray) -> float:
    x, y, z = half
    if kind == BOX:
        return float(8 * (x * y + y * z + x * z))
    if kind == ELLIPSOID:  # Thomsen's approximation
        return float(4 * np.pi * (((x * y) ** 1.6 + (x * z) ** 1.6 + (y * z) ** 1.6) / 3) ** (1 / 1.6))
    r = np.sqrt(x * y)
    if kind == CYLINDER:
        return float(2 * np.pi * r * (r + 2 * z))
    return float(np.pi * r * (r + np.hypot(r, 2 * z)))


def _on_unit(kind: int, half: NDArray, count: int, rng: np.random.Generator) -> Points:
    """Return points (count, 3) of the unit shape, even over the surface once it is scaled by ``half``."""
    if kind == BOX:
        areas = np.repeat([half[1] * half[2], half[0] * half[2], half[0] * half[1]], 2)
        face = rng.choice(6, count, p=areas / areas.sum())
        points = rng.uniform(-1, 1, (count, 3))
        points[np.arange(count), face // 2] = np.where(face % 2, 1.0, -1.0)
        return points
    if kind == ELLIPSOID:
        points = rng.normal(size=(4 * count, 3))
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        stretch = np.linalg.norm(points / half, axis=1)  # of area, up to a factor
        return points[rng.random(len(points)) < stretch / stretch.max()][:count]
    r, tall = np.sqrt(half[0] * half[1]), 2 * half[2]
    side = r * tall if kind == CYLINDER else 0.5 * r * np.hypot(r, tall)
    caps = (0.5 * r * r, 0.5 * r * r if kind == CYLINDER else 0.0)
    part = rng.choice(3, count, p=np.array([side, *caps]) / (side + sum(caps)))
    angle = rng.uniform(0, 2 * np.pi, count)
    share = np.sqrt(rng.random(count))
    z = rng.uniform(-1, 1, count) if kind == CYLINDER else 1 - 2 * share  # of a cone most is near its foot
    radius = np.ones(count) if kind == CYLINDER else share
    z, radius = np.where(part == 0, z, np.where(part == 1, -1.0, 1.0)), np.where(part == 0, radius, share)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], 1)


def inside(scene: Scene, index: int, points: Points) -> NDArray[np.bool_]:
    """Return (n,) True for points (n, 3) truly inside a primitive."""
    local = (points - scene.center[index].double().numpy()) @ scene.rotation[index].double().numpy()
    local = local / scene.half[index].double().numpy()
    kind, edge = int(scene.kind[index]), 1 - _INSIDE
    if kind == BOX:
        return (np.abs(local) < edge).all(1)
    if kind == ELLIPSOID:
        return (local**2).sum(1) < edge
    radius = np.hypot(local[:, 0], local[:, 1])
    if kind == CYLINDER:
        return (radius < edge) & (np.abs(local[:, 2]) < edge)
    return (np.abs(local[:, 2]) < edge) & (radius < (1 - local[:, 2]) / 2 * edge)


def true_samples(scene: Scene, density: float = 60_000.0, seed: int = 0) -> dict[int, Points]:
    """Return samples (n, 3) of the outer surface of every thing by id; what lies inside the thing itself is no surface.

    ``density``: samples a square metre.
    """
    rng = np.random.default_rng(seed)
    found: dict[int, Points] = {}
    for thing in sorted(set(scene.instance.tolist()) - {0}):
        parts = torch.nonzero(scene.instance == thing)[:, 0].tolist()
        kept = []
        for part in parts:
            points = primitive_samples(scene, part, density, rng)
            for other in parts:
                if other != part:
                    points = points[~inside(scene, other, points)]
            kept.append(points)
        found[thing] = np.concatenate(kept)
    return found


def seen(points: Points, frames: Sequence[PosedDepth], tolerance: float = 0.006) -> NDArray[np.bool_]:
    """Return (n,) True for points (n, 3) of the world that are on the surface which some frame's depth shows.

    ``tolerance``: metres, and twice as much a metre of depth beyond one.
    """
    out = np.zeros(len(points), bool)
    for frame in frames:
        T = np.linalg.inv(frame.T_world_camera)
        pixels, z = project(frame.camera, points @ T[:3, :3].T + T[:3, 3])
        height, width = frame.camera.shape
        with np.errstate(invalid="ignore"):
            at = np.rint(np.nan_to_num(pixels, nan=-1.0)).astype(np.int64)
        ahead = (z > 0) & (at >= 0).all(1) & (at[:, 0] < width) & (at[:, 1] < height)
        # a pixel's neighbours count too: at grazing surfaces depth changes much within one
        near = minimum_filter(np.where(np.isfinite(frame.depth), frame.depth, np.inf), 3)
        far = -minimum_filter(-np.where(np.isfinite(frame.depth), frame.depth, -np.inf), 3)
        r, c = at[ahead, 1], at[ahead, 0]
        slack = tolerance * np.maximum(1.0, 2 * z[ahead] - 1)
        out[ahead] |= (z[ahead] > near[r, c] - slack) & (z[ahead] < far[r, c] + slack) & (
            np.abs(z[ahead] - frame.depth[r, c]) < 4 * slack
        )  # fmt: skip
    return out


def true_meshes(scene: Scene) -> dict[int, TriangleMesh]:
    """Return the meshes of all things by id: those of their primitives side by side, in one colour each."""
    import trimesh

    unit = {
        BOX: trimesh.creation.box(extents=(2, 2, 2)),
        ELLIPSOID: trimesh.creation.icosphere(subdivisions=3),
        CYLINDER: trimesh.creation.cylinder(radius=1, height=2, sections=32),
        CONE: trimesh.creation.cone(radius=1, height=2, sections=32, transform=_down()),
    }
    out: dict[int, TriangleMesh] = {}
    for thing in sorted(set(scene.instance.tolist()) - {0}):
        vertices, faces, start = [], [], 0
        for part in torch.nonzero(scene.instance == thing)[:, 0].tolist():
            shape, half = unit[int(scene.kind[part])], scene.half[part].double().numpy()
            rotation = scene.rotation[part].double().numpy()
            vertices.append(shape.vertices * half @ rotation.T + scene.center[part].double().numpy())
            faces.append(shape.faces + start)
            start += len(shape.vertices)
        out[thing] = TriangleMesh(np.concatenate(vertices).astype(np.float32), np.concatenate(faces).astype(np.int32))
    return out


def _down() -> NDArray[np.float64]:
    T = np.eye(4)
    T[2, 3] = -1.0
    return T
