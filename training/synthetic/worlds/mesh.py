"""A scene as triangles, for programs that know no primitives: simulators, viewers, other renderers."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.synthetic.scene import BOX, CONE, CYLINDER, ELLIPSOID, Scene


class Mesh(NamedTuple):
    """``vertices`` (V, 3) in metres, ``triangles`` (T, 3), counter-clockwise from outside, ``instance`` (T,)."""

    vertices: NDArray[np.float64]
    triangles: NDArray[np.int64]
    instance: NDArray[np.int64]


def scene_mesh(scene: Scene, sides: int = 24) -> Mesh:
    """Return every primitive as triangles, round ones with ``sides`` around; raises ValueError below 3."""
    if sides < 3:
        raise ValueError(f"a round shape needs at least 3 sides, got {sides}")
    shapes = {
        BOX: _lathe([(0, -1), (2**0.5, -1), (2**0.5, 1), (0, 1)], 4, np.pi / 4),
        ELLIPSOID: _lathe([(np.sin(a), -np.cos(a)) for a in np.linspace(0, np.pi, sides // 2 + 2)], sides),
        CYLINDER: _lathe([(0, -1), (1, -1), (1, 1), (0, 1)], sides),
        CONE: _lathe([(0, -1), (1, -1), (0, 1)], sides),
    }
    vertices, triangles, instance, count = [], [], [], 0
    numbers = (x.cpu().numpy() for x in (scene.kind, scene.center, scene.rotation, scene.half, scene.instance))
    for kind, center, rotation, half, owner in zip(*numbers):
        points, corners = shapes[int(kind)]
        vertices.append((points * half) @ rotation.T + center)
        triangles.append(corners + count)
        instance.append(np.full(len(corners), owner))
        count += len(points)
    return Mesh(np.concatenate(vertices).astype(np.float64), np.concatenate(triangles), np.concatenate(instance))


def _lathe(profile: list[tuple[float, float]], sides: int, start: float = 0.0) -> tuple[NDArray, NDArray]:
    """Turn a profile of (radius, z), from bottom to top, around z."""
    angle = start + np.arange(sides) * 2 * np.pi / sides
    rings = [np.stack([r * np.cos(angle), r * np.sin(angle), np.full(sides, z)], 1) for r, z in profile]
    corners = []
    for ring in range(len(profile) - 1):
        for k in range(sides):
            a, b = ring * sides + k, ring * sides + (k + 1) % sides
            if profile[ring][0] > 1e-9:
                corners.append((a, b, b + sides))
            if profile[ring + 1][0] > 1e-9:
                corners.append((a, b + sides, a + sides))
    return np.concatenate(rings), np.array(corners)


def write_obj(mesh: Mesh, path: Path | str) -> None:
    """Write a Wavefront OBJ file with one object per instance."""
    lines = [f"v {x:.5f} {y:.5f} {z:.5f}" for x, y, z in mesh.vertices]
    for owner in np.unique(mesh.instance):
        lines.append(f"o instance_{owner}")
        lines += [f"f {a} {b} {c}" for a, b, c in mesh.triangles[mesh.instance == owner] + 1]
    Path(path).write_text("\n".join(lines) + "\n")
