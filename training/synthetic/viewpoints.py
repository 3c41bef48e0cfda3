"""Cameras for training frames: their lens, their faults, and the place of the LiDAR beside them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel
from training.synthetic.camera_sensor import CameraSensor
from training.synthetic.scene import turn
from training.synthetic.worlds.world import World, clearance


def random_camera(rng: np.random.Generator, height: int, width: int) -> CameraModel:
    """Draw a pinhole camera 40 to 100 degrees wide, some with a principal point off the middle."""
    angle = math.radians(rng.uniform(40, 100))
    fx = width / 2 / math.tan(angle / 2)
    fy = fx * float(rng.normal(1.0, 0.01))
    off = rng.normal(0.0, 0.07 if rng.random() < 0.3 else 0.015, 2).clip(-0.15, 0.15)
    cx, cy = (width - 1) / 2 + off[0] * width, (height - 1) / 2 + off[1] * height
    return CameraModel.pinhole(fx, fy, float(cx), float(cy), width, height)


def random_sensor(rng: np.random.Generator, exposure: float) -> CameraSensor:
    """Draw a camera's faults; ``exposure`` is the metered one, which it misses by up to about a stop and a half."""
    missed = float(np.exp(np.clip(rng.normal(0.0, 0.35), -1.1, 0.9)))
    sharp = rng.random() < 0.7
    return CameraSensor(
        exposure=exposure * missed,
        blur=float(rng.uniform(0.4, 0.75)) if sharp else float(rng.uniform(0.75, 1.5)),
        vignette=float(rng.uniform(0.0, 0.5)),
        shot=float(np.exp(rng.uniform(np.log(0.4), np.log(9.0)))),
        read=float(np.exp(rng.uniform(np.log(0.3), np.log(4.0)))),
    )


def white_balance(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw factors (3,) for linear red, green and blue."""
    gains = np.exp(rng.normal(0.0, 0.08, 3))
    return (gains / gains.mean()).astype(np.float32)


def lidar_place(world: World, pose: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return T_camera_second (4, 4) of a second view 0.03 to 0.7 m away, mostly above or beside, in free space."""
    for attempt in range(12):
        low, high = np.log(0.03), np.log(max(world.baseline, 0.031))
        length = float(np.exp(rng.uniform(low, high))) * 0.8**attempt
        direction = rng.normal(size=3) * (0.8, 1.0, 0.35)
        if rng.random() < 0.6:
            direction[1] = -abs(direction[1]) - 0.5  # y is down: above the camera
        out = np.eye(4)
        out[:3, 3] = length * direction / np.linalg.norm(direction)
        out[:3, :3] = turn(*(0.02 * rng.normal(size=3)))
        if clearance(world.scene, (pose @ out)[None, :3, 3])[0] > 0.1:
            return out
    return np.eye(4)
