"""Open country: hills, slopes, rocks, trunks, branches, bushes, grass, now and then a fence or a hut."""

from __future__ import annotations

import math

import numpy as np

from training.synthetic.scene import Sun, turn
from training.synthetic.worlds.palette import Palette, shared_builder
from training.synthetic.worlds.street import sky
from training.synthetic.worlds.vegetation import bush, rock, tree, tuft
from training.synthetic.worlds.world import World


def build_terrain(seed: int) -> World:
    """Return 200 m of rolling ground made of flat ellipsoids, with vegetation around the middle."""
    b = shared_builder(seed)
    rng, p = b.rng, Palette(b, 0.03)
    ground = p.new("meadow" if rng.random() < 0.5 else "soil", tile=float(rng.uniform(1.0, 4.0)))
    b.box((0, 0, -1), (400, 400, 2), ground)
    hills = []
    for _ in range(int(rng.integers(10, 40))):
        reach, far = float(np.exp(rng.uniform(np.log(2), np.log(30)))), float(rng.uniform(0, 90)) ** 1.0
        angle = rng.uniform(0, 2 * math.pi)
        tall = reach * float(rng.uniform(0.03, 0.25))
        x, y = far * math.cos(angle), far * math.sin(angle)
        radii = np.array([reach, reach * rng.uniform(0.5, 1.0), tall])
        yaw = float(rng.uniform(0, math.pi))
        b.ellipsoid(
            (x, y, -0.1 * tall), radii, ground if rng.random() < 0.7 else p("soil"), turn(yaw, 0.05 * rng.normal())
        )
        hills.append((x, y, radii, yaw))

    def height(x: float, y: float) -> float:
        best = 0.0
        for hx, hy, (a, c, t), yaw in hills:
            dx, dy = x - hx, y - hy
            u, v = (math.cos(yaw) * dx + math.sin(yaw) * dy) / a, (math.cos(yaw) * dy - math.sin(yaw) * dx) / c
            if u * u + v * v < 1:
                best = max(best, t * (math.sqrt(1 - u * u - v * v) - 0.1))
        return best

    counts = {
        tree: rng.integers(0, 45),
        bush: rng.integers(0, 30),
        rock: rng.integers(0, 30),
        tuft: rng.integers(0, 70),
    }
    sizes = {tree: (2.5, 10.0), bush: (0.4, 1.8), rock: (0.1, 2.0), tuft: (0.15, 0.8)}
    for put, count in counts.items():
        spread = 6.0 if put is tuft else 13.0
        for _ in range(int(count)):
            x, y = (float(v) for v in spread * rng.normal(size=2))
            with b.at(x, y, height(x, y) - 0.03, float(rng.uniform(0, 6.3))):
                low, high = sizes[put]
                put(b, p, float(np.exp(rng.uniform(np.log(low), np.log(high)))))
    if rng.random() < 0.5:
        m = p("wood")
        with b.thing("fence"), b.at(float(rng.normal()) * 6, float(rng.normal()) * 6, 0, float(rng.uniform(0, 3.1))):
            for x in np.arange(-15, 15, 2.0):
                b.cylinder((x, 0, 0.6), 0.05, 1.4, m)
            for z in (0.4, 0.8, 1.1):
                b.rod((-15, 0, z), (14, 0, z), float(rng.choice([0.004, 0.035])), m)
    if rng.random() < 0.3:
        x, y = (float(v) for v in rng.uniform(-18, 18, 2))
        with b.thing("hut"), b.at(x, y, 0, float(rng.uniform(0, 6.3))):
            b.box((0, 0, 1.3), (5, 4, 2.6), p("wood"))
            for s in (-1, 1):
                b.box((0, s * 1.2, 3.1), (5.6, 3.0, 0.15), p("roof"), rotation=turn(0, 0, -s * 0.6))
    yaw, up = rng.uniform(0, 2 * math.pi), rng.uniform(0.2, 1.4)
    power = float(rng.uniform(4, 13)) if rng.random() < 0.8 else 1.0
    lights = [Sun((math.cos(yaw), math.sin(yaw), float(up)), (power, 0.92 * power, 0.78 * power), 0.01)]

    def place(r: np.random.Generator) -> tuple[float, float, float, float]:
        x, y = (float(v) for v in 7 * r.normal(size=2))
        z = height(x, y) + float(r.uniform(0.3, 2.0) if r.random() < 0.8 else r.uniform(2, 10))
        yaw = math.atan2(-y, -x) + 1.2 * float(r.normal())
        return x, y, z, yaw

    return World(b.build(lights, sky(p, rng)), "terrain", place, 0.12, 0.1, 0.6)
