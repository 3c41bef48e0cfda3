"""Smooth motion through any world, for sequences: a camera that walks, rolls or flies and never hits anything."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.synthetic.paths import WaypointPath
from training.synthetic.scene import turn
from training.synthetic.worlds.world import World, clearance

SPEED = {"street": 6.0, "terrain": 1.5, "corridor": 1.0, "warehouse": 1.0}  # metres per second; elsewhere 0.6
_FREE = 0.2  # metres kept from every surface


def journey(world: World, rng: np.random.Generator, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return poses (n, 4, 4) of an optical frame in the world at ``times`` (n,) in seconds, from a random view on.

    Velocity is continuous. The camera heads where it looks, turns aside where the way is not free, and sways a little.
    """
    start = world.camera_poses(rng, 1)[0]
    forward = start[:3, 2]
    yaw = float(np.arctan2(forward[1], forward[0]))
    tilt = turn(yaw).T @ start[:3, :3]  # what the camera adds to its heading
    knots = np.arange(np.floor(times.min()), np.ceil(times.max()) + 1.5)
    positions, yaws = [start[:3, 3]], [yaw]
    speed = SPEED.get(world.kind, 0.6) * float(rng.uniform(0.5, 1.2))
    for _ in knots[1:]:
        position, heading = _step(world, rng, positions[-1], yaws[-1], speed)
        positions.append(position)
        yaws.append(heading)
    places = np.array(positions)
    for _ in range(8):
        path = WaypointPath(knots, places, np.array(yaws), sway=0.012, bob=0.01)
        poses = path.poses(times)
        if clearance(world.scene, poses[:, :3, 3]).min() >= _FREE:
            break
        places = places[0] + 0.6 * (places - places[0])  # the curve cut a corner: stay nearer to the start
    poses[:, :3, :3] = poses[:, :3, :3] @ tilt
    return poses


def _step(world: World, rng: np.random.Generator, position, yaw: float, speed: float) -> tuple[np.ndarray, float]:
    """Return where to be a second later: ahead if the way is free, else aside and slower, else in place."""
    for attempt in range(12):
        heading = yaw + (0.15 + 0.12 * attempt) * float(rng.normal())
        reach = speed * 0.85**attempt
        target = position + reach * np.array([np.cos(heading), np.sin(heading), 0.05 * rng.normal()])
        way = np.linspace(position, target, 2 + int(reach / 0.2))
        if clearance(world.scene, way).min() > _FREE + 0.1:
            return target, yaw + 0.5 * (heading - yaw)
    return position, yaw + 0.3 * float(rng.normal())
