"""Streets: carriageway, kerbs, buildings, cars, vans, people, poles, wires, trees, fences, signs."""

from __future__ import annotations

import math

import numpy as np

from training.synthetic.scene import SceneBuilder, Sun, Surroundings, turn
from training.synthetic.worlds.palette import Palette, shared_builder
from training.synthetic.worlds.vegetation import bush, tree
from training.synthetic.worlds.world import World


def build_street(seed: int) -> World:
    """Return a street of 160 m along x, perhaps with a crossing and parked cars, buildings or hedges on both sides."""
    b = shared_builder(seed)
    rng, p = b.rng, Palette(b, 0.03)
    road, path = float(np.exp(rng.uniform(np.log(2.4), np.log(9.0)))), float(rng.uniform(0.0, 4.0))
    kerb = float(rng.uniform(0.02, 0.18))
    b.box((0, 0, -0.5), (320, 320, 1.0), p("ground"))
    b.box(
        (0, 0, -0.492),
        (320, 2 * road, 1.0),
        p.new("road", tint=(float(rng.uniform(0.15, 0.7)),) * 3, tile=float(rng.uniform(2, 5))),
    )
    mark = p("paint", tint=(0.8, 0.8, 0.78))
    if rng.random() < 0.7:
        for x in np.arange(-70, 70, 6.0):
            b.box((x, 0, 0.0), (2.5, 0.14, 0.02), mark)
        for side in (-1, 1):
            b.box((0, side * (road - 0.3), 0.0), (150, 0.12, 0.02), mark)
    dense = float(rng.uniform(0.1, 1.0))
    for side in (-1, 1):
        if path > 0.5:
            b.box((0, side * (road + path / 2), kerb / 2), (320, path, kerb), p("ground"))
        _buildings(b, p, road + path + float(rng.uniform(0, 6)), side, float(rng.uniform(0.3, 1.0)))
        _along(b, p, road, path, side, dense)
        _hedges(b, p, road + path, side, int(rng.choice([0, 3, 8, 16])))
    _traffic(b, p, road, dense)
    if rng.random() < 0.5:
        _wires(b, p, road + path * 0.7)
    yaw, up = rng.uniform(0, 2 * math.pi), rng.uniform(0.25, 1.4)
    power = float(rng.uniform(4, 13)) if rng.random() < 0.75 else 1.0
    lights = [Sun((math.cos(yaw), math.sin(yaw), float(up)), (power, 0.92 * power, 0.78 * power), 0.01)]
    around = sky(p, rng)

    def place(r: np.random.Generator) -> tuple[float, float, float, float]:
        forward = r.random() < 0.7
        yaw = (0.12 if forward else 0.9) * r.normal() + (math.pi if r.random() < 0.5 else 0.0)
        if r.random() < 0.7:  # from a vehicle, else from the pavement or a drone
            return float(r.uniform(-45, 45)), float(r.uniform(-0.7, 0.7)) * road, float(r.uniform(1.0, 2.3)), float(yaw)
        z = r.uniform(0.3, 1.8) if r.random() < 0.7 else r.uniform(2.0, 8.0)
        return float(r.uniform(-45, 45)), float(r.uniform(-1, 1)) * (road + path), float(z), float(yaw)

    return World(b.build(lights, around), "street", place, 0.05, 0.04, 0.7)


def sky(p: Palette, rng: np.random.Generator) -> Surroundings:
    """Draw a sky from clear to grey, with or without haze."""
    grey = rng.uniform(0.0, 1.0)
    zenith = np.array([0.15, 0.32, 0.75]) * (1 - grey) + 0.65 * grey
    horizon = np.array([0.65, 0.75, 0.88]) * (1 - grey) + 0.75 * grey
    tone = rng.uniform(0.7, 1.2)
    haze = float(rng.choice([0.0, rng.uniform(0.0005, 0.012)]))
    clouds = p.index["clouds"]
    return Surroundings(
        tuple(zenith * tone), tuple(horizon * tone), (0.3, 0.28, 0.24), float(rng.uniform(0.5, 1.2)),
        float(rng.uniform(0, 1)), haze, float(rng.uniform(0.5, 1.5)), clouds[int(rng.integers(len(clouds)))],
    )  # fmt: skip


def _buildings(b: SceneBuilder, p: Palette, y: float, side: int, share: float) -> None:
    rng = b.rng
    x = -80.0
    window = p.new("paint", tint=(0.05, 0.06, 0.08), mirror=float(rng.uniform(0.05, 0.4)), specular=0.6)
    while x < 80:
        w = float(rng.uniform(5, 24))
        if rng.random() > share:
            if rng.random() < 0.6:
                _fence(b, p, x, min(x + w, 80), side * (y + 0.3))
            x += w
            continue
        tall, deep, back = (
            float(rng.uniform(3, 16)),
            float(rng.uniform(6, 14)),
            float(rng.choice([0.0, rng.uniform(0, 4)])),
        )
        with b.thing("building"), b.at(x + w / 2, side * (y + back), 0, 0 if side > 0 else math.pi):
            wall = p("facade", 0.5)
            b.box((0, deep / 2, tall / 2), (w, deep, tall), wall)
            kind = rng.random()
            if kind < 0.4:  # a gabled roof of two slabs
                slope, roof = float(rng.uniform(0.4, 0.9)), p("roof")
                for sign in (-1, 1):
                    run = deep / 2 + 0.5
                    at = (0, deep / 2 + sign * run / 2, tall + math.tan(slope) * (deep / 2) / 2)
                    b.box(at, (w + 0.6, run / math.cos(slope), 0.2), roof, rotation=turn(0, 0, -sign * slope))
            elif kind < 0.7:
                b.box((0, deep / 2, tall), (w + 0.5, deep + 0.5, 0.3), p("roof"))
            _windows(b, p, w, tall, window)
        x += w + float(rng.choice([0.02, rng.uniform(0.5, 6)]))


def _windows(b: SceneBuilder, p: Palette, w: float, tall: float, glass: int) -> None:
    rng = b.rng
    step, storey = float(rng.uniform(1.6, 3.6)), float(rng.uniform(2.6, 3.4))
    a, h = step * float(rng.uniform(0.35, 0.75)), storey * float(rng.uniform(0.4, 0.65))
    frame, deep = p("paint"), float(rng.choice([-0.03, 0.06]))
    for level in range(min(5, max(1, int(tall / storey)))):
        for x in np.arange(-w / 2 + step * 0.7, w / 2 - step * 0.5, step):
            z = level * storey + storey * 0.55
            b.box((x, -0.02, z), (a + 0.16, 0.06, h + 0.16), frame)
            b.box((x, -0.03 - 0.5 * deep, z), (a, 0.06, h), glass)
            if rng.random() < 0.06:
                b.box((x, -0.5, z - h / 2 - 0.3), (a + 0.8, 1.0, 0.12), frame)
                for dx in np.linspace(-a / 2 - 0.35, a / 2 + 0.35, 6):
                    b.rod((x + dx, -0.95, z - h / 2 - 0.25), (x + dx, -0.95, z - h / 2 + 0.7), 0.015, frame)
    b.box((float(rng.uniform(-0.35, 0.35)) * w, -0.03, 1.05), (1.1, 0.1, 2.1), p("wood"))
    if rng.random() < 0.35:
        with b.thing("awning"):
            b.box((0, -0.7, 2.9), (min(w, 4.0), 1.5, 0.06), p("cloth"), rotation=turn(0, 0, 0.35))
    if rng.random() < 0.35:
        with b.thing("sign"):
            b.box((0, -0.08, 2.6), (min(0.6 * w, 4.0), 0.1, 0.6), p("print"))


def _fence(b: SceneBuilder, p: Palette, start: float, end: float, y: float) -> None:
    rng = b.rng
    tall, kind = float(rng.uniform(0.8, 2.0)), rng.random()
    with b.thing("fence"):
        if kind < 0.3:
            b.box(((start + end) / 2, y, tall / 2), (end - start, 0.2, tall), p("facade"))
        elif kind < 0.5:
            for x in np.arange(start, end, 0.9):
                with b.at(x, y):
                    bush(b, p, float(rng.uniform(0.6, 1.1)))
        else:
            m, step = p("metal" if rng.random() < 0.5 else "wood"), float(rng.uniform(0.15, 0.5))
            for x in np.arange(start, end, step):
                b.box((x, y, tall / 2), (0.3 * step if kind < 0.7 else 0.03, 0.03, tall), m)
            for z in (0.2 * tall, 0.9 * tall):
                b.box(((start + end) / 2, y, z), (end - start, 0.04, 0.05), m)


def _hedges(b: SceneBuilder, p: Palette, y: float, side: int, count: int) -> None:
    """Let bushes and trees grow along one side, in clumps."""
    rng = b.rng
    for _ in range(count):
        x, deep = float(rng.uniform(-60, 60)), float(np.abs(rng.normal())) * 3
        for _ in range(int(rng.integers(1, 5))):
            with b.at(x + 1.5 * float(rng.normal()), side * (y + deep), 0, float(rng.uniform(0, 6.3))):
                if rng.random() < 0.6:
                    bush(b, p, float(rng.uniform(0.6, 2.5)))
                else:
                    tree(b, p, float(rng.uniform(3, 10)))


def car(b: SceneBuilder, p: Palette) -> None:
    """Put a car, a van or a lorry along x, on z = 0."""
    rng = b.rng
    kind = rng.random()
    with b.thing("car"):
        paint = p.new("paint", specular=0.8, shininess=120.0, mirror=float(rng.uniform(0, 0.1)))
        glass = p("paint", tint=(0.03, 0.04, 0.05), specular=0.6, mirror=0.15)
        rubber = p("paint", tint=(0.03, 0.03, 0.03), specular=0.05)
        if kind < 0.72:
            w, long, low, tall = (float(rng.uniform(*r)) for r in ((1.6, 1.95), (3.6, 5.0), (0.75, 0.95), (1.35, 1.75)))
            b.box((0, 0, (0.25 + low) / 2), (long, w, low - 0.25), paint)
            b.ellipsoid((0, 0, low - 0.12), (long / 2, w / 2 * 0.99, 0.26), paint)
            back = float(rng.uniform(-0.45, -0.1))
            cabin = long * float(rng.uniform(0.22, 0.3))
            if rng.random() < 0.5:
                b.box((back, 0, (low + tall) / 2), (2 * cabin, w * 0.84, tall - low), glass)
                b.box((back, 0, tall), (2 * cabin * 0.85, w * 0.82, 0.07), paint)
            else:  # a round roof
                b.ellipsoid((back, 0, low - 0.1), (1.35 * cabin, w * 0.47, tall - low + 0.06), glass)
                b.ellipsoid(
                    (back, 0, low + 0.5 * (tall - low)), (0.95 * cabin, w * 0.42, 0.5 * (tall - low) + 0.04), paint
                )
            b.box(
                (back + cabin, 0, (low + tall) / 2 - 0.02),
                (0.06, w * 0.8, (tall - low) * 1.3),
                glass,
                rotation=turn(0, -0.7, 0),
            )
            for sx in (-1, 1):
                b.box((back + sx * 0.75 * cabin, 0, (low + tall) / 2), (0.07, w * 0.86, tall - low), paint)
            wheel = float(rng.uniform(0.28, 0.36))
        else:
            w, long, tall = float(rng.uniform(1.8, 2.5)), float(rng.uniform(4.5, 9.0)), float(rng.uniform(2.0, 3.4))
            b.box((-0.08 * long, 0, 0.45 + tall / 2), (0.84 * long, w, tall - 0.5), paint)
            b.box((0.42 * long, 0, 0.4 * tall + 0.2), (0.18 * long, w * 0.96, 0.7 * tall), p("paint"))
            b.box((0.505 * long, 0, 0.55 * tall), (0.03, w * 0.85, 0.3 * tall), glass)
            wheel = 0.42
        for axle in (-0.32, 0.32):
            for sy in (-1, 1):
                b.cylinder((axle * long, sy * (w / 2 - 0.1), wheel), wheel, 0.22, rubber, turn(0, 0, math.pi / 2))
                b.cylinder((axle * long, sy * (w / 2), wheel), 0.6 * wheel, 0.04, p("metal"), turn(0, 0, math.pi / 2))
        for sy in (-1, 1):
            b.box((long / 2, sy * 0.36 * w, 0.65), (0.06, 0.3, 0.14), p("paint", tint=(0.9, 0.9, 0.85)))
            b.box((-long / 2, sy * 0.36 * w, 0.7), (0.06, 0.25, 0.16), p("paint", tint=(0.6, 0.03, 0.03)))


def person(b: SceneBuilder, p: Palette) -> None:
    """Put someone walking or standing on z = 0."""
    rng = b.rng
    s, stride = float(rng.uniform(0.9, 1.12)), float(rng.uniform(0, 0.35))
    with b.thing("person"):
        legs, coat, skin = p("cloth", 0.6), p("cloth", 0.6), p("paint", tint=(0.45, 0.28, 0.2), specular=0.05)
        for side in (-1, 1):
            b.rod((side * stride * s, side * 0.1, 0.03), (0, side * 0.09, 0.85 * s), 0.075 * s, legs)
            b.rod((-side * stride * s, side * 0.28, 0.85 * s), (0, side * 0.2, 1.4 * s), 0.05 * s, coat)
        b.ellipsoid((0, 0, 1.15 * s), (0.15 * s, 0.22 * s, 0.36 * s), coat)
        b.ellipsoid((0, 0, 1.63 * s), (0.1 * s, 0.085 * s, 0.13 * s), skin)
        if rng.random() < 0.3:
            b.box((-0.2, 0, 1.2 * s), (0.18, 0.3, 0.42), p("cloth", 0.6))


def _along(b: SceneBuilder, p: Palette, road: float, path: float, side: int, dense: float) -> None:
    """Line one side with parked cars, trees, lamp posts, people, bins and signs."""
    rng = b.rng
    metal = p("metal")
    step = float(rng.uniform(7, 25))
    trees = rng.random() < 0.6
    for x in np.arange(-65 + rng.uniform(0, step), 65, step):
        with b.at(x, side * (road + 0.25 * path + 0.3), 0, float(rng.uniform(0, 6.3))):
            if trees and rng.random() < 0.7:
                tree(b, p, float(rng.uniform(3.5, 9)))
            else:
                with b.thing("lamp post"):
                    tall = float(rng.uniform(4, 9))
                    b.rod((0, 0, 0), (0, 0, tall), float(rng.uniform(0.04, 0.1)), metal)
                    b.rod((0, 0, tall), (1.2, 0, tall + 0.2), 0.035, metal)
                    b.ellipsoid((1.3, 0, tall + 0.18), (0.3, 0.13, 0.08), metal)
    x = -60.0
    parked = rng.random() < 0.65
    while parked and x < 60:
        x += float(rng.uniform(5.2, 9)) / max(dense, 0.3)
        with b.at(x, side * (road - 1.1), 0, float(rng.choice([0, math.pi])) + 0.03 * float(rng.normal())):
            car(b, p)
    for _ in range(int(rng.integers(0, 14) * dense)):
        with b.at(
            float(rng.uniform(-50, 50)), side * (road + float(rng.uniform(0.2, 0.95)) * path), 0.1, rng.uniform(0, 6.3)
        ):
            kind = rng.random()
            if kind < 0.45:
                person(b, p)
            elif kind < 0.65:
                with b.thing("sign"):
                    b.rod((0, 0, 0), (0, 0, 2.6), 0.03, metal)
                    if rng.random() < 0.5:
                        b.cylinder((0, 0, 2.4), 0.32, 0.03, p("print", tint=(0.9, 0.3, 0.2)), turn(0, math.pi / 2))
                    else:
                        b.box((0, 0, 2.3), (0.03, rng.uniform(0.4, 1.2), rng.uniform(0.3, 0.8)), p("print"))
            elif kind < 0.85:
                with b.thing("bin"):
                    b.box((0, 0, 0.5), (0.55, 0.6, 1.0), p("paint"))
                    b.box((0, 0, 1.03), (0.6, 0.64, 0.06), p("paint"))
            else:
                with b.thing("bollard"):
                    b.cylinder((0, 0, 0.45), 0.07, 0.9, metal)


def _traffic(b: SceneBuilder, p: Palette, road: float, dense: float) -> None:
    rng = b.rng
    for _ in range(int(rng.integers(0, 9) * dense)):
        side = float(rng.choice([-1, 1]))
        with b.at(
            float(rng.uniform(-60, 60)), side * 0.4 * road, 0, (math.pi if side > 0 else 0) + 0.05 * float(rng.normal())
        ):
            car(b, p)
    for _ in range(int(rng.integers(0, 4))):
        with b.at(float(rng.uniform(-40, 40)), float(rng.uniform(-1, 1)) * road, 0, float(rng.uniform(0, 6.3))):
            person(b, p)


def _wires(b: SceneBuilder, p: Palette, y: float) -> None:
    rng = b.rng
    m, tall, step = p("bark"), float(rng.uniform(5, 8)), float(rng.uniform(18, 35))
    with b.thing("wires"):
        xs = np.arange(-75, 76, step)
        for x in xs:
            b.rod((x, y, 0), (x, y, tall + 0.4), 0.11, m)
            b.box((x, y, tall), (0.1, 1.6, 0.1), m)
        for offset in (-0.7, 0.0, 0.7):
            for x in xs[:-1]:  # each span of four pieces along a parabola
                s = np.linspace(0, 1, 5)
                z = tall - 4 * 0.7 * s * (1 - s)
                for k in range(4):
                    b.rod((x + s[k] * step, y + offset, z[k]), (x + s[k + 1] * step, y + offset, z[k + 1]), 0.015, m)
