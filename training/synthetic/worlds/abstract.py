"""Worlds of nothing in particular: primitives of all sizes and directions between slanted walls or in the open."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from training.synthetic.scene import BOX, CONE, CYLINDER, ELLIPSOID, Lamp, Sun, turn
from training.synthetic.worlds.indoor import room_light
from training.synthetic.worlds.palette import Palette, shared_builder
from training.synthetic.worlds.street import sky
from training.synthetic.worlds.vegetation import any_turn
from training.synthetic.worlds.world import World


def build_abstract(seed: int) -> World:
    """Return primitives from the size of a finger to that of the world, which spans 1.5 to 30 m."""
    b = shared_builder(seed)
    rng, p = b.rng, Palette(b, 0.9)
    span = float(np.exp(rng.uniform(np.log(1.5), np.log(25))))
    open_air = rng.random() < 0.4
    tilt = turn(0, 0.2 * rng.normal(), 0.2 * rng.normal()) if rng.random() < 0.4 else np.eye(3)
    b.box((0, 0, -0.7 * span), (60 * span, 60 * span, 0.2), p("any", 1.0), rotation=tilt)
    if not open_air:
        b.box((0, 0, 1.0 * span), (60 * span, 60 * span, 0.2), p("any", 1.0), rotation=turn(0, 0.1 * rng.normal()))
        for k in range(4):
            yaw = k * math.pi / 2 + 0.25 * float(rng.normal())
            out = span * float(rng.uniform(0.8, 2.0))
            b.box(
                (out * math.cos(yaw), out * math.sin(yaw), 0),
                (0.2, 12 * span, 12 * span),
                p("any", 1.0),
                rotation=turn(yaw, 0.15 * rng.normal()),
            )
    count = int(np.exp(rng.uniform(np.log(50), np.log(400))))
    thin = float(rng.uniform(0, 0.6))
    middles = span * rng.uniform(-0.7, 0.7, (int(rng.integers(2, 8)), 3)) * np.array([1, 1, 0.7])
    for _ in range(count):
        with b.thing("shape"):
            at = span * np.array([*rng.uniform(-1, 1, 2), rng.uniform(-0.6, 0.8)])
            if rng.random() < 0.5:  # in a heap
                at = middles[int(rng.integers(len(middles)))] + 0.15 * span * rng.normal(size=3)
            size = span * np.exp(rng.uniform(np.log(0.015), np.log(0.35)))
            half = size * np.exp(rng.uniform(-1.0, 0.5, 3))
            if rng.random() < thin:  # rods and sheets
                half[: int(rng.integers(1, 3))] *= rng.uniform(0.02, 0.2)
            kind = int(rng.choice([BOX, ELLIPSOID, CYLINDER, CONE], p=[0.45, 0.2, 0.25, 0.1]))
            if kind in (CYLINDER, CONE):
                half[1] = half[0]
            rotation = any_turn(rng) if rng.random() < 0.7 else turn(rng.uniform(0, 6.3))
            b.add(kind, at, np.maximum(half, 0.003), p("any", 0.4), rotation)
    if rng.random() < 0.4:  # a row of alike things: rails, posts, steps
        step, n = span * rng.uniform(0.04, 0.2), int(rng.integers(5, 25))
        along, m = any_turn(rng)[:, 0], p("any", 1.0)
        start = span * rng.uniform(-0.7, 0.7, 3)
        for k in range(n):
            b.add(int(rng.choice([BOX, CYLINDER])), start + k * step * along, span * np.array([0.02, 0.02, 0.3]), m)
    if open_air:
        yaw, up, power = rng.uniform(0, 6.3), rng.uniform(0.2, 1.4), float(rng.uniform(2, 12))
        lights: list = [Sun((math.cos(yaw), math.sin(yaw), float(up)), (power, power, 0.9 * power), 0.01)]
        around = sky(p, rng)
    else:
        lights, around = room_light(b, span, span, 0.8 * span)
        scale = float(np.clip((span / 3) ** 2, 0.3, 40))
        lights = [_brighter(light, scale) if isinstance(light, Lamp) else light for light in lights]

    def place(r: np.random.Generator) -> tuple[float, float, float, float]:
        x, y, z = (float(v) for v in span * r.uniform(-1, 1, 3) * (0.75, 0.75, 0.5))
        return x, y, z, math.atan2(-y, -x) + 0.8 * float(r.normal())

    return World(b.build(lights, around), "abstract", place, 0.3, 0.05, float(np.clip(0.1 * span, 0.05, 0.7)))


def _brighter(lamp: Lamp, scale: float) -> Lamp:
    red, green, blue = lamp.color
    return replace(lamp, color=(scale * red, scale * green, scale * blue))
