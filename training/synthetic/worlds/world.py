"""A built world, where cameras can be in it, and how far from anything a point is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from training.synthetic.scene import BOX, CYLINDER, Scene, turn
from training.synthetic.tracer import closest_hits
from training.synthetic.worlds.palette import bank_on

# Columns: x to the right, y down, z forward of a camera whose body looks along x with z up.
BODY_CAMERA = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])

_ROOM = (0.25, 0.1, 0.05, 0.02)  # metres around a camera, tried in turn: small worlds full of things have less

Place = Callable[[np.random.Generator], tuple[float, float, float, float]]


@dataclass(frozen=True, eq=False)
class World:
    """One generated world.

    ``place`` draws where a camera may be and look: x, y, z in metres and yaw in radians. ``tilt`` is the standard
    deviation of pitch and roll in radians, ``pitch`` their mean downwards, ``baseline`` the metres between the camera
    and the LiDAR beside it, at most.
    """

    scene: Scene
    kind: str
    place: Place
    tilt: float = 0.1
    pitch: float = 0.1
    baseline: float = 0.4

    def to(self, device: str | torch.device) -> World:
        """Return the world with its scene on ``device``."""
        return replace(self, scene=replace(self.scene, textures=bank_on(torch.device(device))).to(device))

    def camera_poses(self, rng: np.random.Generator, n: int, tries: int = 12) -> NDArray[np.float64]:
        """Draw n poses (n, 4, 4) of an optical frame (x right, y down, z forward) in the world.

        None is inside a thing, and where the world has room none is within 0.25 m of a surface; of up to ``tries``
        draws the first is taken that sees neither mostly sky nor mostly one near surface, else the best. Raises
        RuntimeError if the world is filled up.
        """
        return np.stack([self._pose(rng, tries) for _ in range(n)])

    def _pose(self, rng: np.random.Generator, tries: int) -> NDArray[np.float64]:
        for room in _ROOM:
            pose = self._pose_with(room, rng, tries)
            if pose is not None:
                return pose
        raise RuntimeError(f"found no free place for a camera in this {self.kind}")

    def _pose_with(self, room: float, rng: np.random.Generator, tries: int) -> NDArray[np.float64] | None:
        """Return the best of ``tries`` views from places with ``room`` metres around, None if none of many has it."""
        best, worst = None, np.inf
        for _ in range(tries * 4):
            x, y, z, yaw = self.place(rng)
            if clearance(self.scene, np.array([[x, y, z]]))[0] < room:
                continue
            pose = np.eye(4)
            steep = 3.0 if rng.random() < 0.15 else 1.0  # hand-held cameras and drones look anywhere
            pitch, roll = self.pitch + steep * self.tilt * rng.normal(), 0.5 * steep * self.tilt * rng.normal()
            pose[:3, :3] = turn(yaw, pitch, roll) @ BODY_CAMERA
            pose[:3, 3] = x, y, z
            badness = self._badness(pose)
            if badness < worst:
                best, worst = pose, badness
            if badness < 0.5 or tries <= 1:
                break
            tries -= 1
        return best

    def _badness(self, pose: NDArray[np.float64]) -> float:
        """Return how little a view is worth: the largest of the shares of sky, of one near surface, and the like."""
        y, x = np.mgrid[-0.42:0.43:0.084, -0.56:0.57:0.0933]
        rays = np.stack([x, y, np.ones_like(x)], -1).reshape(-1, 3) @ pose[:3, :3].T
        directions = torch.from_numpy(rays).float().to(self.scene.device)
        origins = torch.from_numpy(pose[:3, 3]).float().to(self.scene.device).expand_as(directions)
        hits = closest_hits(self.scene, origins, directions, len(directions))
        t, primitive = hits.t.cpu().numpy(), hits.primitive.cpu().numpy()
        sky = float(np.mean(~np.isfinite(t)))
        near = primitive[t < 1.5]
        blank = np.bincount(near).max() / len(t) if len(near) else 0.0
        shares = np.bincount(primitive + 1) / len(t)
        few = 1.0 - np.count_nonzero(shares[1:]) / 8  # a view should show at least four things
        bare = shares[1:].max(initial=0.0) - 0.25 if self.kind != "street" else 0.0
        close = float(np.mean(t < 0.3))
        return max(sky, blank, few, bare, 1.0 if close > 0.02 else 0.0)


def clearance(scene: Scene, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return metres from points (n, 3) to the nearest surface, negative inside; a cone counts as its cylinder."""
    p = torch.as_tensor(points, dtype=torch.float32, device=scene.device)
    local = torch.einsum("nij,kni->knj", scene.rotation, p[:, None] - scene.center)  # (k, N, 3)
    q = local.abs() - scene.half
    box = q.clamp_min(0).square().sum(-1).sqrt() + q.amax(-1).clamp_max(0)
    radial = (local[..., :2] / scene.half[:, :2]).square().sum(-1).sqrt()
    side = (radial - 1) * scene.half[:, :2].amin(-1)
    flat = torch.stack([side, q[..., 2]], -1)
    tube = flat.clamp_min(0).square().sum(-1).sqrt() + flat.amax(-1).clamp_max(0)
    scaled = local / scene.half
    k0 = scaled.square().sum(-1).sqrt()
    k1 = (scaled / scene.half).square().sum(-1).sqrt().clamp_min(1e-9)
    ball = k0 * (k0 - 1) / k1
    out = torch.where(scene.kind == BOX, box, torch.where(scene.kind == CYLINDER, tube, ball))
    out = torch.where(scene.kind == 3, tube, out)
    return out.amin(1).cpu().numpy().astype(np.float64)
