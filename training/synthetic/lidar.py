"""A spinning multi-beam LiDAR: rays cast from where the sensor is at each point's own time, and what goes wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.synthetic.scene import Scene
from training.synthetic.shading import albedo, surface_at
from training.synthetic.tracer import closest_hits

_BLOCK = 8  # columns whose rays are traced together

PoseAt = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class LidarModel:
    """``elevations`` of the rings in degrees, top first; one sweep of ``columns`` takes 1 / ``rate`` seconds.

    A sweep starts behind the sensor and turns to the left (counter-clockwise seen from above). ``noise``
    is the standard deviation of range in metres; ``weakest`` the returned power (1: white, head-on, at
    10 m) at which half of the returns are lost; ``outliers`` and ``mixed`` the shares of false ranges
    and, at depth edges, of ranges between near and far.
    """

    elevations: tuple[float, ...] = tuple(np.linspace(12.0, -24.0, 32).tolist())
    columns: int = 1024
    rate: float = 10.0
    min_range: float = 0.4
    max_range: float = 100.0
    noise: float = 0.02
    weakest: float = 0.003
    outliers: float = 0.001
    mixed: float = 0.15
    beam: float = 0.0025  # radians

    @property
    def period(self) -> float:
        """Seconds a sweep takes."""
        return 1.0 / self.rate


class LidarScan(NamedTuple):
    """n returned points, ring by ring within each column, in the order in which they were measured.

    ``points`` float32 (n, 3) in the sensor's frame at the time of each point; ``intensity`` float32 (n,)
    from 0 to 255; ``ring`` uint16 (n,), 0 topmost; ``time`` float32 (n,) seconds since the sweep began;
    ``true_range`` float32 (n,) metres, without noise.
    """

    points: NDArray[np.float32]
    intensity: NDArray[np.float32]
    ring: NDArray[np.uint16]
    time: NDArray[np.float32]
    true_range: NDArray[np.float32]


def scan(scene: Scene, model: LidarModel, pose_at: PoseAt, start: float, generator: torch.Generator) -> LidarScan:
    """Take the sweep that begins at ``start`` seconds.

    ``pose_at`` maps times (k,) to poses (k, 4, 4) of the sensor in the world (x forward, y left, z up).
    ``generator`` is a CPU generator, so that the same seed gives the same faults on every device.
    """
    device = scene.device
    columns, rings = model.columns, len(model.elevations)
    column = np.arange(columns)
    time = column / columns * model.period
    azimuth = torch.from_numpy(-math.pi + 2 * math.pi * (column + 0.5) / columns)
    elevation = torch.deg2rad(torch.tensor(model.elevations, dtype=torch.float64))
    level = torch.cos(elevation)
    rays = torch.stack(
        [
            level * torch.cos(azimuth)[:, None],
            level * torch.sin(azimuth)[:, None],
            torch.sin(elevation).expand(columns, rings),
        ],
        -1,
    )  # (C, R, 3)
    poses = torch.from_numpy(np.asarray(pose_at(start + time), np.float64))  # (C, 4, 4)
    world = torch.einsum("cij,crj->cri", poses[:, :3, :3], rays).reshape(-1, 3).float().to(device)
    origins = poses[:, None, :3, 3].expand(columns, rings, 3).reshape(-1, 3).float().to(device)
    hits = closest_hits(scene, origins, world, _BLOCK * rings)
    hit = hits.primitive >= 0
    power = torch.zeros(len(hit), device=device)
    if bool(hit.any()):
        surface = surface_at(scene, origins[hit], world[hit], hits.t[hit], hits.primitive[hit])
        material = scene.material[surface.primitive]
        cosine = (surface.normal * surface.view).sum(1).abs()
        dull = albedo(scene, surface, model.beam).mean(1) * cosine
        # Mirrors send the beam elsewhere unless met head-on.
        shiny = (scene.mirror[material] + 0.3 * scene.specular[material]).clamp(0.0, 1.0)
        power[hit] = (dull * (1 - shiny) ** 4 + shiny * cosine.pow(40)) * (10.0 / surface.distance.clamp_min(2.0)) ** 2
    return _faults(model, rays.reshape(-1, 3).float(), hits.t.cpu(), power.cpu(), time, generator)


def _faults(model: LidarModel, rays: Tensor, exact: Tensor, power: Tensor, time, generator) -> LidarScan:
    """Lose, blur and falsify ranges; ``exact`` and ``power`` (C * R,) column by column."""
    rings = len(model.elevations)

    def uniform() -> Tensor:
        return torch.rand(len(exact), generator=generator)

    returned = torch.sigmoid(2.5 * torch.log(power.clamp_min(1e-9) / model.weakest))
    kept = torch.isfinite(exact) & (uniform() < 0.995 * returned)
    grid = exact.view(-1, rings)
    beside = torch.roll(grid, -1, 0).reshape(-1)  # the next column
    jump = torch.isfinite(beside) & torch.isfinite(exact) & ((beside - exact).abs() > 0.15 + 0.05 * exact)
    share = uniform()
    measured = torch.where(jump & (uniform() < model.mixed), torch.lerp(exact, beside, share), exact)
    measured = measured + model.noise * torch.randn(len(exact), generator=generator)
    false = uniform() < model.outliers
    measured = torch.where(
        false, model.min_range + uniform() * (exact.clamp_max(model.max_range) - model.min_range), measured
    )
    kept &= (measured >= model.min_range) & (measured <= model.max_range)
    index = kept.nonzero()[:, 0].numpy()
    points = (rays * measured[:, None])[kept].numpy()
    intensity = (255.0 * power.sqrt()).clamp(0.0, 255.0)[kept].round().numpy()
    return LidarScan(
        np.ascontiguousarray(points, np.float32),
        intensity.astype(np.float32),
        (index % rings).astype(np.uint16),
        time[index // rings].astype(np.float32),
        exact[kept].numpy().astype(np.float32),
    )
