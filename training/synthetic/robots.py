"""Worlds ready to record: scene, path through it, and where the sensors sit on the robot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.synthetic.lidar import LidarModel
from training.synthetic.paths import WaypointPath, room_path, street_path
from training.synthetic.room import build_room
from training.synthetic.scene import Scene, turn
from training.synthetic.street import build_street

# Camera axes in a body frame (REP 103): x right = -y, y down = -z, z forward = x.
OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True)
class World:
    """A robot in its world.

    ``T_base_camera`` (4, 4) is of the optical frame; ``key`` is the brightness aimed at, ``field_of_view`` in
    degrees across the image.
    """

    build: Callable[[int], Scene]
    path: Callable[[float], WaypointPath]
    T_base_camera: NDArray[np.float64]
    T_base_lidar: NDArray[np.float64]
    lidar: LidarModel
    key: float
    field_of_view: float = 70.0


def mount(x: float, y: float, z: float, rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the pose (4, 4) of a sensor on the base."""
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = x, y, z
    return pose


def rings(top: float, bottom: float, count: int = 16) -> tuple[float, ...]:
    """Return evenly spread elevations in degrees; most robots have a LiDAR of 16 rings."""
    return tuple(np.linspace(top, bottom, count).tolist())


WORLDS: dict[str, World] = {
    "room": World(
        build_room,
        room_path,
        mount(0.22, 0.03, 1.12, turn(0, 0.10) @ OPTICAL),
        mount(-0.1, -0.04, 1.5, turn(0.02, 0.005, -0.01)),
        LidarModel(elevations=rings(15.0, -31.0), max_range=40.0, noise=0.015, weakest=0.05),
        0.42,
    ),
    "street": World(
        build_street,
        street_path,
        mount(0.6, 0.05, 1.45, turn(0, 0.03) @ OPTICAL),
        mount(0.15, -0.03, 1.92, turn(-0.015, 0.008, 0.01)),
        LidarModel(elevations=rings(12.0, -24.0)),
        0.38,
    ),
}
