"""Warehouses and workshops: rows of racks with boxes and pallets, pillars, beams, machines, drums."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from training.synthetic.scene import Lamp, SceneBuilder, Surroundings
from training.synthetic.worlds import furniture as f
from training.synthetic.worlds.clutter import box_pile, scatter, small_thing
from training.synthetic.worlds.indoor import room_light
from training.synthetic.worlds.palette import Palette, shared_builder
from training.synthetic.worlds.world import World


def build_warehouse(seed: int) -> World:
    """Return a hall of 12 to 40 m with racks along x and aisles between them, or a wall of bins seen from near."""
    b = shared_builder(seed)
    rng, p = b.rng, Palette(b)
    if rng.random() < 0.3:
        return _bins(b, p)
    long, tall, aisle = (float(rng.uniform(*r)) for r in ((10, 36), (3.2, 8.5), (1.4, 3.6)))
    rows = int(rng.integers(2, 5))
    deep = float(rng.uniform(0.5, 1.2))
    wide = rows * (deep + aisle) + aisle
    b.box((0, 0, -0.1), (long + 8, wide + 2, 0.2), p("floor"))
    b.box((0, 0, tall + 0.1), (long + 8, wide + 2, 0.2), p("metal"))
    wall = p("facade")
    for side in (-1, 1):
        b.box((side * (long / 2 + 3), 0, tall / 2), (0.2, wide + 2, tall), wall)
        b.box((0, side * wide / 2, tall / 2), (long + 8, 0.2, tall), wall)
    lanes = []
    steel, board = p("metal"), p("wood" if rng.random() < 0.5 else "metal")
    for row in range(rows):
        y = -wide / 2 + aisle * (row + 1) + deep * row
        lanes.append(y - aisle / 2)
        _rack(b, p, long, y, deep, min(tall - 0.5, float(rng.uniform(1.8, 6.0))), steel, board)
    lanes.append(wide / 2 - aisle / 2)
    for x in np.arange(-long / 2, long / 2, 6.0):
        b.box((x, 0, tall - 0.25), (0.2, wide, 0.4), steel)
        b.box((x, 0, tall - 0.7), (0.9, 0.15, 0.06), p("paint", tint=(1, 1, 0.95), emission=2.0), shadow=False)
    for _ in range(int(rng.integers(2, 12))):
        x, y = (
            float(rng.uniform(-0.5, 0.5)) * long,
            float(rng.choice(lanes)) + float(rng.choice([-1, 1])) * 0.42 * aisle,
        )
        with b.at(x, y, 0, float(rng.uniform(0, 6.3))):
            kind = rng.random()
            if kind < 0.5:
                box_pile(b, p, 0.6)
            elif kind < 0.7:
                with b.thing("drum"):
                    b.cylinder((0, 0, 0.44), 0.29, 0.88, p("paint"))
            else:
                f.stand(b, p)
    scatter(b, p, 0, 0, 0, (0.9 * long, wide), int(rng.integers(0, 10)), 0.5)
    lights = [Lamp((float(x), float(rng.choice(lanes)), tall - 0.9), (12.0, 11.0, 10.0), 0.2, shadows=k == 0)
              for k, x in enumerate(rng.uniform(-0.4, 0.4, 3) * long)]  # fmt: skip
    around = Surroundings(
        (0.5, 0.5, 0.5), (0.45, 0.44, 0.42), (0.3, 0.29, 0.27), float(rng.uniform(0.3, 1.0)), 0.0, 0.0, 1.2
    )

    def place(r: np.random.Generator) -> tuple[float, float, float, float]:
        y = float(r.choice(lanes)) + 0.2 * aisle * float(r.normal())
        yaw = 0.4 * r.normal() + (math.pi if r.random() < 0.5 else 0.0)
        if r.random() < 0.25:
            yaw = r.uniform(-math.pi, math.pi)
        z = float(r.uniform(0.25, 2.0) if r.random() < 0.8 else r.uniform(1.0, tall - 1.0))
        return float(r.uniform(-0.48, 0.48)) * long, y, z, float(yaw)

    return World(b.build(lights, around), "warehouse", place, 0.1, 0.05, 0.5)


def _bins(b: SceneBuilder, p: Palette) -> World:
    """Return a wall of open bins full of goods, as a picking robot sees it."""
    rng = b.rng
    columns, rows = int(rng.integers(3, 8)), int(rng.integers(2, 6))
    w, h, deep = (float(rng.uniform(*r)) for r in ((0.2, 0.5), (0.18, 0.4), (0.25, 0.6)))
    low, thick = float(rng.uniform(0.1, 0.8)), float(rng.uniform(0.006, 0.03))
    wide, tall = columns * w, rows * h
    b.box((0, 0, -0.1), (30, 30, 0.2), p("floor"))
    for k in range(4):
        with b.at(0, 0, 0, k * math.pi / 2):
            b.box(
                (0, float(rng.uniform(deep, deep + 1.0)) if k == 0 else float(rng.uniform(3, 8)), 2),
                (20, 0.2, 4),
                p("wall"),
            )
    b.box((0, 0, float(rng.uniform(2.5, 4))), (30, 30, 0.1), p("ceiling"))
    with b.thing("bins"):
        m = p("box" if rng.random() < 0.4 else "metal")
        for i in range(columns + 1):
            b.box((i * w - wide / 2, deep / 2, low + tall / 2), (thick, deep, tall), m)
        for j in range(rows + 1):
            b.box((0, deep / 2, low + j * h), (wide, deep, thick), m)
            if rng.random() < 0.7:
                b.box((0, 0.0, low + j * h + 0.02), (wide, thick, 0.05), m)
        if rng.random() < 0.8:
            b.box((0, deep, low + tall / 2), (wide, 0.01, tall), p("box"))
        for side in (-1, 1):
            b.box((side * wide / 2, 0.02, (low + tall) / 2), (0.04, 0.04, low + tall), p("metal"))
    full = float(rng.uniform(0.4, 1.0))
    for i in range(columns):
        for j in range(rows):
            if rng.random() > full:
                continue
            for _ in range(int(rng.integers(1, 5))):
                x = (i + float(rng.uniform(0.2, 0.8))) * w - wide / 2
                with b.at(x, float(rng.uniform(0.15, 0.8)) * deep, low + j * h + thick / 2, float(rng.uniform(0, 6.3))):
                    if rng.random() < 0.6:
                        size = rng.uniform(0.03, 0.14, 3) * min(1.0, h / 0.2)
                        with b.thing("goods"):
                            b.box((0, 0, size[2] / 2), size, p("print", 0.6))
                    else:
                        small_thing(b, p, 0.6 * min(w, h))
    lights, around = room_light(b, 3, 3, 2.4)

    def place(r: np.random.Generator) -> tuple[float, float, float, float]:
        x, y, z = r.uniform(-0.5, 0.5) * wide, -r.uniform(0.35, 2.0), low + r.uniform(0.1, 1.1) * tall
        return float(x), float(y), float(z), math.pi / 2 + 0.5 * float(r.normal())

    return World(b.build(lights, around), "warehouse", place, 0.12, 0.05, 0.12)


def _rack(b: SceneBuilder, p: Palette, long: float, y: float, deep: float, tall: float, steel: int, board: int) -> None:
    rng = b.rng
    levels = np.arange(0.12, tall, float(rng.uniform(0.5, 1.7)))
    bays = np.arange(-long / 2 + rng.uniform(0, 2), long / 2 - rng.uniform(0, 3), float(rng.uniform(1.2, 2.8)))
    full = float(rng.uniform(0.35, 1.0))
    gap = float(levels[1] - levels[0]) if len(levels) > 1 else 1.0
    with b.thing("rack"):
        for x in bays:
            for dy in (0.0, deep):
                b.box((x, y + dy, tall / 2), (0.07, 0.05, tall), steel)
            if rng.random() < 0.4:
                b.rod((x, y, 0.3), (x, y + deep, tall * 0.8), 0.012, steel)
        for z in levels:
            b.box(((bays[0] + bays[-1]) / 2, y + deep / 2, z), (bays[-1] - bays[0], deep, 0.04), board)
            for dy in (0.0, deep):
                b.box(((bays[0] + bays[-1]) / 2, y + dy, z), (bays[-1] - bays[0], 0.04, 0.1), steel)
    for x, end in pairwise(bays):
        for z in levels:
            at = x + 0.1
            while at < end - 0.2:
                w = float(rng.uniform(0.2, 0.9))
                if at + w > end - 0.06 or rng.random() > full:
                    at += 0.3
                    continue
                h = gap * float(rng.uniform(0.25, 0.85))
                d = deep * float(rng.uniform(0.5, 0.95))
                if rng.random() < 0.85:
                    with b.thing("carton"):
                        b.box((at + w / 2, y + deep / 2 + 0.05 * rng.normal(), z + h / 2 + 0.02), (w, d, h),
                              p("box", 0.15), yaw=0.06 * rng.normal())  # fmt: skip
                else:
                    with b.at(at + w / 2, y + deep / 2, z + 0.02):
                        small_thing(b, p, min(w, h))
                at += w + 0.03
