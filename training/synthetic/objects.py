"""Worlds of 3 to 50 separate things on a table, in a shelf or on a floor, and the views of a camera that goes around.

What carries the things (table, boards, floor, walls) is instance 0; things are 1, 2, ... and stay so. World frame as
REP 103, z up, metres; the floor is z = 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, PosedDepth
from training.synthetic.camera_sensor import CameraSensor, develop, metered
from training.synthetic.depth_camera import DepthCamera, measure
from training.synthetic.draft import render_draft
from training.synthetic.scene import Lamp, Scene, SceneBuilder, Sun, Surroundings
from training.synthetic.things import THINGS
from training.synthetic.worlds.palette import Palette, shared_builder

SUPPORTS = ("table", "shelf", "floor")
_TABLE = 0.74  # metres above the floor
_FILLED = 0.34  # of the area, by the circles around the things
_LEVELS = 0.42  # metres between the boards of a shelf
_DEPTH = 0.42  # of a shelf, metres
PERIOD = 125_000_000  # nanoseconds between two views


@dataclass(frozen=True, eq=False)
class ObjectWorld:
    """A built world: ``center`` (3,) of its things, ``reach`` metres from there to the farthest, ``names`` by id."""

    scene: Scene
    support: str
    center: NDArray[np.float64]
    reach: float
    names: tuple[str, ...]
    seed: int

    @property
    def count(self) -> int:
        """Number of things."""
        return len(self.names) - 1

    def poses(self, views: int, laps: float = 1.0) -> NDArray[np.float64]:
        """Return ``views`` poses (n, 4, 4) of the optical frame on ``laps`` rounds; before a shelf it goes to and fro.

        The camera rises and falls, comes nearer and farther, and looks about the middle of the things.
        """
        rng = np.random.default_rng((self.seed, 5))
        at = np.arange(views) / max(views, 1)
        distance = (1.5 if self.support == "shelf" else 1.12) * self.reach + (0.9 if self.support == "floor" else 0.5)
        if self.support == "shelf":
            angle = math.pi + 0.95 * np.sin(2 * math.pi * laps * at)
            rise = 0.12 * self.reach + 0.35 * np.sin(2 * math.pi * (2 * laps * at + rng.random()))
        else:
            angle = 2 * math.pi * (laps * at + rng.random())
            rise = (0.62 + 0.16 * np.sin(2 * math.pi * (1.7 * laps * at + rng.random()))) * distance
        far = distance * (1 + 0.08 * np.sin(2 * math.pi * (1.3 * laps * at + rng.random())))
        eyes = self.center + np.stack([far * np.cos(angle), far * np.sin(angle), rise], 1)
        aims = self.center + 0.12 * self.reach * rng.normal(size=(views, 3)) * (1, 1, 0.3)
        return np.stack([looking(eye, aim) for eye, aim in zip(eyes, aims)])


def looking(eye: NDArray, aim: NDArray) -> NDArray[np.float64]:
    """Return the pose (4, 4) of an optical frame at ``eye`` that looks at ``aim`` with its x axis level."""
    ahead = (aim - eye) / np.linalg.norm(aim - eye)
    right = np.cross(ahead, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(ahead, right), ahead], 1)
    pose[:3, 3] = eye
    return pose


def build_objects(count: int, support: str = "table", seed: int = 0, size: float | None = None) -> ObjectWorld:
    """Return a world with ``count`` things of about ``size`` metres on a ``support`` of SUPPORTS.

    The support grows with the things, so that they stand as close at every count. Raises ValueError for another
    support or a count below 1.
    """
    if support not in SUPPORTS:
        raise ValueError(f"support: {support!r} is not one of {', '.join(SUPPORTS)}")
    if count < 1:
        raise ValueError(f"count: {count} is below 1")
    b = shared_builder(seed)
    p = Palette(b, wild=0.0)
    size = size or (0.45 if support == "floor" else 0.2)
    height = 0.0
    if support == "shelf":
        wide, deep, levels = _shelf(b, p, count, size)
        per_level = np.bincount(np.arange(count) % levels, minlength=levels)
        centers = []
        for level, number in enumerate(per_level):
            z = _TABLE / 2 + _LEVELS * level
            centers += _place(b, p, int(number), (deep - 0.04, wide - 0.06), z, size, grow=False)
        center = np.array([0.0, 0.0, _TABLE / 2 + _LEVELS * levels / 2])
        reach = max(wide / 2, _LEVELS * levels / 2)
    else:
        height = _TABLE if support == "table" else 0.0
        side = math.sqrt(count * math.pi * (0.42 * size) ** 2 / _FILLED)
        spots = _place(b, p, count, (side * 0.8, side * 1.25), height, size)
        away = float(np.abs(np.array(spots)[:, :2]).max()) + 0.5 * size
        _ground(b, p, support, away)
        center = np.array([0.0, 0.0, height + 0.25 * size])
        reach = float(np.linalg.norm(np.array(spots)[:, :2], axis=1).max()) + 0.4 * size
    lights, around = _light(b)
    scene = b.build(lights, around)
    return ObjectWorld(scene, support, center, reach, scene.instance_names, seed)


def _place(b: SceneBuilder, p: Palette, count: int, wide, z: float, size: float, grow: bool = True) -> list:
    """Put ``count`` things on a rectangle ``wide`` (x, y) around the origin at height z; return where they stand."""
    kinds = list(THINGS)
    spots: list[tuple[float, float, float]] = []
    while len(spots) < count:
        kind = kinds[int(b.rng.integers(len(kinds)))]
        s = size * float(b.rng.uniform(0.6, 1.15))
        mark = b.mark()
        with b.thing(kind):
            radius = THINGS[kind](b, p, s)
        for attempt in range(400):
            loose = 1 + (0.002 * attempt if grow else 0.0)
            x, y = (float(b.rng.uniform(-0.5, 0.5)) * max(loose * w - 2 * radius, 0.01) for w in wide)
            gap = float(b.rng.uniform(0.004, 0.05)) * (0.2 if attempt > 200 else 1.0)
            if all(math.hypot(x - u, y - v) > radius + r + gap for u, v, r in spots):
                break
        else:
            # no room for this one: smaller things are drawn in its place, under the same id
            b.undo(mark)
            b._names.pop()
            size *= 0.93
            continue
        _turn(b, mark, float(b.rng.uniform(0, 2 * math.pi)))
        b.move(mark, (x, y, z))
        spots.append((x, y, radius))
    return spots


def _turn(b: SceneBuilder, mark: int, yaw: float) -> None:
    """Turn everything added since ``mark`` about the z axis of the world."""
    c, s = math.cos(yaw), math.sin(yaw)
    turned = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    b._rows[mark:] = [(row[0], turned @ row[1], turned @ row[2], *row[3:]) for row in b._rows[mark:]]


def _ground(b: SceneBuilder, p: Palette, support: str, away: float) -> None:
    """Add floor, two walls, and a table of ``away`` metres to either side unless things stand on the floor."""
    room = 2.2 * away + 2.2
    b.box((0, 0, -0.05), (2 * room, 2 * room, 0.1), p.new("floor"))
    wall = p.new("wall")
    b.box((room, 0, 1.3), (0.1, 2 * room, 2.6), wall)
    b.box((0, room, 1.3), (2 * room, 0.1, 2.6), wall)
    if support == "table":
        wood = p.new("wood")
        b.box((0, 0, _TABLE - 0.02), (2 * away + 0.06, 2 * away + 0.06, 0.04), wood)
        for x in (-away, away):
            for y in (-away, away):
                b.box((x * 0.94, y * 0.94, _TABLE / 2 - 0.02), (0.05, 0.05, _TABLE - 0.04), wood)


def _shelf(b: SceneBuilder, p: Palette, count: int, size: float) -> tuple[float, float, int]:
    """Add a shelf before a wall that holds ``count`` things; return its width, depth and levels."""
    levels = int(np.clip(round(math.sqrt(count / 2.5)), 1, 4))
    row = math.ceil(count / levels) * math.pi * (0.42 * size) ** 2 / (0.75 * _FILLED)
    wide, deep = max(row / _DEPTH, 0.6), _DEPTH
    wood, low = p.new("wood"), _TABLE / 2
    tall = _LEVELS * levels
    for level in range(levels + 1):
        b.box((0, 0, low + _LEVELS * level - 0.01), (deep, wide + 0.04, 0.02), wood)
    for y in (-wide / 2 - 0.01, wide / 2 + 0.01):
        b.box((0, y, low + tall / 2), (deep, 0.02, tall), wood)
    b.box((deep / 2 + 0.01, 0, low + tall / 2), (0.02, wide + 0.04, tall), p.new("wood"))
    b.box((0, 0, -0.05), (6 + wide, 6 + wide, 0.1), p.new("floor"))
    b.box((deep / 2 + 0.1, 0, 1.5), (0.1, 6 + wide, 3.0), p.new("wall"))
    return wide, deep, levels


def _light(b: SceneBuilder) -> tuple[list[Sun | Lamp], Surroundings]:
    x, y = (float(v) for v in b.rng.uniform(-0.8, 0.8, 2))
    lights: list[Sun | Lamp] = [Sun((x - 0.3, y, 1.2), (3.2, 3.0, 2.7)), Lamp((-1.6, -1.2, 2.3), (2.5, 2.3, 2.0), 0.2)]
    around = Surroundings((0.6, 0.6, 0.62), (0.62, 0.6, 0.56), (0.4, 0.36, 0.32), 1.0, 0.0, 0.0, 0.35)
    return lights, around


def camera_of(width: int, height: int, view: float = 60.0) -> CameraModel:
    """Return a pinhole camera ``view`` degrees wide with its principal point in the middle."""
    focal = width / 2 / math.tan(math.radians(view) / 2)
    return CameraModel.pinhole(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)


def render_objects(
    world: ObjectWorld, camera: CameraModel, poses: NDArray, sensor: DepthCamera | None = None, stamp: int = 0
) -> list[PosedDepth]:
    """Return the views of ``camera`` at ``poses`` (n, 4, 4) with true ids as labels.

    Depth is exact, or what ``sensor`` measures of it; ``standard_deviation`` is what the sensor claims. Views are
    ``PERIOD`` apart, from ``stamp`` nanoseconds on.
    """
    frames: list[PosedDepth] = []
    exposure: CameraSensor | None = None
    for k, pose in enumerate(poses):
        view = render_draft(world.scene, [camera], torch.from_numpy(pose[None]))
        exposure = exposure or CameraSensor(exposure=metered(view.radiance, 0.45), blur=0.5)
        noise = torch.Generator().manual_seed(world.seed * 100_003 + k)
        image = develop(view.radiance, exposure, noise)[0].numpy()
        depth = view.depth[0].numpy().astype(np.float32)
        deviation = None
        if sensor is not None:
            rng = np.random.default_rng((world.seed, 7, k))
            depth, deviation = measure(depth, view.normal[0].numpy(), camera, sensor, rng)
        labels = view.instance[0].numpy().astype(np.int32)
        frames.append(
            PosedDepth(stamp + k * PERIOD, "camera_optical_frame", image, camera, depth, pose, labels, deviation)
        )
    return frames
