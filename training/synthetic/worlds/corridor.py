"""Corridors: long and narrow, with doors, lamps, pipes, bends and things left along the walls."""

from __future__ import annotations

import math

import numpy as np

from training.synthetic.scene import Lamp, Surroundings
from training.synthetic.worlds import furniture as f
from training.synthetic.worlds.clutter import box_pile, scatter
from training.synthetic.worlds.palette import Palette, shared_builder
from training.synthetic.worlds.world import World


def build_corridor(seed: int) -> World:
    """Return a corridor of 8 to 50 m along x, 1.2 to 4 m wide, with side passages and perhaps a bend at its end."""
    b = shared_builder(seed)
    rng, p = b.rng, Palette(b)
    long, wide, tall = float(np.exp(rng.uniform(2.1, 3.9))), float(rng.uniform(1.3, 4.0)), float(rng.uniform(2.2, 4.0))
    wall, floor, ceiling = p("wall"), p("floor"), p("ceiling")
    b.box((0, 0, -0.1), (long + 20, wide + 20, 0.2), floor)
    b.box((0, 0, tall + 0.1), (long + 20, wide + 20, 0.2), ceiling)
    for side in (-1, 1):
        _side(b, p, long, wide, tall, side, wall if rng.random() < 0.7 else p("wall", 1.0))
        b.box(
            (side * (long / 2 + 0.1), side * wide * float(rng.choice([0, 1.0])), tall / 2), (0.2, 2 * wide, tall), wall
        )
    for _ in range(int(rng.integers(0, int(3 + long / 3)))):
        side = int(rng.choice([-1, 1]))
        x = float(rng.uniform(-0.48, 0.48)) * long
        with b.at(x, side * (wide / 2 - 0.03), 0, 0 if side > 0 else math.pi):
            piece = (f.stand, f.shelf, f.cupboard, f.chair, f.table)[int(rng.integers(5))]
            before = b.mark()
            _, deep = piece(b, p)
            if deep > wide - 0.8:
                b.undo(before)
    for _ in range(int(rng.integers(0, 4))):
        with b.at(float(rng.uniform(-0.45, 0.45)) * long, float(rng.uniform(-0.4, 0.4)) * wide):
            box_pile(b, p, 0.45)
    scatter(b, p, 0, 0, 0, (0.9 * long, 0.8 * wide), int(rng.integers(0, 8)), 0.4)
    _ceiling(b, p, long, wide, tall)

    lights: list = []
    for k in range(min(4, int(long / 6) + 1)):
        x = (k + 0.5) / min(4, int(long / 6) + 1) * long - long / 2
        power = float(rng.uniform(1.5, 4.0))
        lights.append(Lamp((x, 0.2 * wide, tall - 0.25), (power, 0.95 * power, 0.85 * power), 0.1, shadows=k == 1))
    ambient = float(np.exp(rng.uniform(np.log(0.2), np.log(1.0))))
    around = Surroundings((0.5, 0.5, 0.48), (0.45, 0.44, 0.4), (0.3, 0.28, 0.25), ambient, 0.0, 0.0, 0.9)

    def place(r: np.random.Generator) -> tuple[float, float, float, float]:
        yaw = 0.35 * r.normal() + (math.pi if r.random() < 0.5 else 0.0)
        if r.random() < 0.15:
            yaw = r.uniform(-math.pi, math.pi)
        x, y = r.uniform(-0.46, 0.46) * long, r.uniform(-0.4, 0.4) * wide
        return float(x), float(y), float(r.uniform(0.2, min(1.8, tall - 0.4))), float(yaw)

    return World(b.build(lights, around), "corridor", place, 0.1, 0.05, 0.3)


def _side(b, p: Palette, long: float, wide: float, tall: float, side: int, m: int) -> None:
    """Put one wall with doors shut, doors open on small rooms, niches and pilasters."""
    rng = b.rng
    with b.at(0, 0, 0, 0 if side > 0 else math.pi):
        x, y = -long / 2, wide / 2
        dado = p("wall", 0.8) if rng.random() < 0.3 else None
        door = p("wood")
        while x < long / 2:
            step = min(float(rng.uniform(0.8, 5.0)), long / 2 - x)
            b.box((x + step / 2, y + 0.1, tall / 2), (step, 0.2, tall), m)
            if dado is not None:
                b.box((x + step / 2, y - 0.01, 0.5), (step, 0.02, 1.0), dado)
            if rng.random() < 0.35 and step > 1.2:
                with b.thing("notice"):
                    b.box(
                        (x + step / 2, y - 0.01, 1.5),
                        (rng.uniform(0.3, 1.1), 0.02, rng.uniform(0.3, 0.9)),
                        p("print", 1.0),
                    )
            if rng.random() < 0.2:
                b.box((x + 0.2, y - 0.1, tall / 2), (0.4, 0.2, tall), m)
            x += step
            gap = float(rng.uniform(0.8, 1.1))
            if x + gap > long / 2:
                break
            high = float(rng.uniform(2.0, min(2.15, tall)))
            b.box((x + gap / 2, y + 0.1, (high + tall) / 2), (gap, 0.2, tall - high), m)
            with b.thing("door"):
                for edge in (x + 0.03, x + gap - 0.03):
                    b.box((edge, y, high / 2), (0.06, 0.06, high), p("paint"))
                yaw = float(rng.choice([0.0, 0.0, rng.uniform(0.3, 1.4)]))
                with b.at(x, y + 0.1, 0, yaw):
                    b.box((gap / 2, 0, high / 2), (gap, 0.04, high), door)
                    b.rod((gap * 0.85, -0.06, 1.0), (gap * 0.95, -0.06, 1.0), 0.012, p("metal"))
            x += gap
        b.box((0, y + 3.0, tall / 2), (long + 20, 0.2, tall), p("wall", 1.0))


def _ceiling(b, p: Palette, long: float, wide: float, tall: float) -> None:
    rng = b.rng
    glow = p("paint", tint=(1.0, 0.97, 0.9), emission=float(rng.uniform(0.5, 3.0)))
    step = float(rng.uniform(2.0, 5.0))
    for x in np.arange(-long / 2 + 1, long / 2, step):
        b.box((x, 0, tall - 0.03), (0.9, 0.2, 0.06), glow, shadow=False)
    for _ in range(int(rng.integers(0, 4))):
        with b.thing("pipe"):
            y, z = float(rng.uniform(-0.45, 0.45)) * wide, tall - float(rng.uniform(0.08, 0.35))
            b.rod((-long / 2, y, z), (long / 2, y, z), float(rng.uniform(0.01, 0.12)), p("metal"))
    if rng.random() < 0.3:
        rail = float(rng.choice([-1, 1])) * (wide / 2 - 0.06)
        with b.thing("rail"):
            b.rod((-long / 2, rail, 0.9), (long / 2, rail, 0.9), 0.02, p("metal"))
