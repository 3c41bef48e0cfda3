"""How near the surface of each object comes to the true one: Chamfer distance, F-score and completeness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from depth_perception.frames import TriangleMesh

FAR = 0.1  # metres: no distance counts for more, and an object without a surface counts as this far off
THRESHOLDS = (0.01, 0.02, 0.05)  # metres
SAMPLES = 4000  # of each found surface


class SurfaceScore(NamedTuple):
    """``chamfer`` in metres: mean of both directions, each distance at most FAR. ``f_score`` at THRESHOLDS, in [0, 1].

    ``completeness``: share of the true, seen surface with something found within 1 cm; ``accuracy``: metres from what
    was found to the truth, on average.
    """

    chamfer: float
    accuracy: float
    completeness: float
    f_score: tuple[float, ...]


NOTHING = SurfaceScore(FAR, FAR, 0.0, (0.0,) * len(THRESHOLDS))


class TrueSurface(NamedTuple):
    """Dense samples of one thing: ``whole`` (n, 3), and ``seen`` (m, 3), those that cameras saw."""

    whole: NDArray[np.float64]
    seen: NDArray[np.float64]


def surface_score(found: NDArray, truth: TrueSurface) -> SurfaceScore:
    """Score points (n, 3) sampled from a found surface against the true one, metres.

    What is found is measured against the whole surface, so that closing a side nobody saw in the right place costs
    nothing; what had to be found is only what was seen. No points score NOTHING.
    """
    if not len(found):
        return NOTHING
    off = cKDTree(truth.whole).query(found)[0]
    missing = cKDTree(found).query(truth.seen)[0]
    f = []
    for threshold in THRESHOLDS:
        precision, recall = float(np.mean(off < threshold)), float(np.mean(missing < threshold))
        f.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    accuracy = float(np.minimum(off, FAR).mean())
    chamfer = 0.5 * (accuracy + float(np.minimum(missing, FAR).mean()))
    return SurfaceScore(chamfer, accuracy, float(np.mean(missing < THRESHOLDS[0])), tuple(f))


def object_scores(
    meshes: Mapping[int, TriangleMesh], truth: Mapping[int, TrueSurface], matches: Mapping[int, int], seed: int = 0
) -> dict[int, SurfaceScore]:
    """Return the score of every true thing with the mesh of the segment that ``matches`` gives it, NOTHING without.

    Things of which no camera saw anything are left out.
    """
    rng = np.random.default_rng(seed)
    out = {}
    for thing, surface in truth.items():
        if not len(surface.seen):
            continue
        mesh = meshes.get(matches.get(thing, -1))
        out[thing] = surface_score(sample_mesh(mesh, SAMPLES, rng) if mesh is not None else np.zeros((0, 3)), surface)
    return out


def mean_score(scores: Sequence[SurfaceScore]) -> SurfaceScore:
    """Return the mean over objects; NOTHING for none."""
    if not scores:
        return NOTHING
    return SurfaceScore(
        float(np.mean([s.chamfer for s in scores])),
        float(np.mean([s.accuracy for s in scores])),
        float(np.mean([s.completeness for s in scores])),
        tuple(np.mean([s.f_score for s in scores], axis=0).tolist()),
    )


def sample_mesh(mesh: TriangleMesh, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return points (count, 3) spread evenly over the mesh, (0, 3) for one without area."""
    return sample_faces(mesh, count, rng)[0]


def sample_faces(
    mesh: TriangleMesh, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return points as ``sample_mesh`` does, and the face (count,) that each lies on."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)  # (m, 3, 3)
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.linalg.norm(np.cross(first, second), axis=1)
    if not len(area) or area.sum() <= 0:
        return np.zeros((0, 3)), np.zeros(0, np.int64)
    chosen = rng.choice(len(area), count, p=area / area.sum())
    u, v = rng.random((2, count, 1))
    over = u + v > 1  # fold the square onto the triangle
    u, v = np.where(over, 1 - u, u), np.where(over, 1 - v, v)
    return corners[chosen, 0] + u * first[chosen] + v * second[chosen], chosen
