"""A street lined with houses: parked cars, trees, lamp posts, wires, bins, people, a gentle haze."""

from __future__ import annotations

import math

import numpy as np
import torch

from training.synthetic import textures as tx
from training.synthetic.noise import fractal_noise
from training.synthetic.scene import Scene, SceneBuilder, Sun, Surroundings, turn

ROAD = 4.6  # half width of the carriageway in metres
PATH = 2.4  # width of a pavement
LENGTH = 72.0  # the houses stand along x from -15 to LENGTH
KERB = 0.13


class _Materials:
    """The street's materials, in colours drawn from the seed."""

    def __init__(self, b: SceneBuilder, g: torch.Generator, size: int):
        rng = b.rng

        def make(kind: str, low, high, **numbers) -> int:
            return b.material(tx.KINDS[kind](g, low, high, size=size).clamp(0, 1), **numbers)

        def recolored(material: int, tint, **numbers) -> int:
            texture = b._materials[material].texture
            return b.material(texture, tint=tuple(float(c) for c in tint), **numbers)

        self.clouds = b.texture(fractal_noise(g, size, 3, 6, 0.6)[..., None].expand(size, size, 3).contiguous())
        self.road = make("asphalt", (0.07, 0.07, 0.075), (0.24, 0.23, 0.22), tile=3.2)
        self.paving = make("paving", (0.26, 0.25, 0.235), (0.42, 0.4, 0.37), tile=2.6)
        self.kerb = make("plaster", (0.42, 0.41, 0.39), (0.3, 0.3, 0.29), tile=1.5)
        self.lawn = make("foliage", (0.05, 0.09, 0.02), (0.2, 0.27, 0.07), tile=2.2)
        self.mark = make("plaster", (0.72, 0.72, 0.7), (0.5, 0.5, 0.48), tile=1.5)
        light = make("plaster", (0.95, 0.95, 0.95), (0.6, 0.6, 0.6), tile=3.0)
        self.walls = [make("brick", (0.27, 0.085, 0.05), (0.46, 0.2, 0.12), tile=1.3)]
        self.walls.append(make("brick", (0.36, 0.3, 0.21), (0.55, 0.47, 0.33), tile=1.3))
        self.walls += [
            recolored(light, c, tile=3.0)
            for c in ((0.75, 0.66, 0.48), (0.55, 0.62, 0.64), (0.78, 0.76, 0.7), (0.7, 0.45, 0.36), (0.52, 0.58, 0.45))
        ]
        self.stone = make("paving", (0.36, 0.34, 0.3), (0.5, 0.47, 0.42), tile=1.8)
        self.roofs = [
            make("shingles", (0.22, 0.075, 0.05), (0.4, 0.16, 0.1), tile=2.4),
            make("shingles", (0.07, 0.075, 0.085), (0.17, 0.17, 0.18), tile=2.4),
        ]
        self.white = make("plain", (0.8, 0.8, 0.78), (0.7, 0.7, 0.68), specular=0.1)
        self.glass = make(
            "plain", (0.025, 0.035, 0.045), (0.05, 0.06, 0.07), specular=0.6, shininess=150.0, mirror=0.22
        )
        self.curtain = make("stripes", (0.5, 0.48, 0.42), (0.75, 0.73, 0.68), tile=0.7)
        wood = make("planks", (0.5, 0.5, 0.5), (0.9, 0.9, 0.9), tile=1.2)
        self.doors = [
            recolored(wood, c, tile=1.2, specular=0.2)
            for c in ((0.1, 0.22, 0.12), (0.35, 0.06, 0.05), (0.07, 0.13, 0.28), (0.3, 0.17, 0.08))
        ]
        self.bark = make("grain", (0.09, 0.06, 0.04), (0.22, 0.16, 0.11), tile=0.5)
        self.leaves = [
            make("foliage", low, high, tile=1.0)
            for low, high in (
                ((0.03, 0.075, 0.015), (0.22, 0.36, 0.07)),
                ((0.05, 0.08, 0.01), (0.36, 0.38, 0.07)),
                ((0.02, 0.06, 0.03), (0.12, 0.26, 0.1)),
            )
        ]
        self.metal = make("metal", (0.16, 0.17, 0.17), (0.3, 0.31, 0.31), tile=0.6, specular=0.5, shininess=40.0)
        self.dark = make("plain", (0.02, 0.02, 0.022), (0.04, 0.04, 0.042), specular=0.2)
        self.rubber = make("asphalt", (0.015, 0.015, 0.016), (0.04, 0.04, 0.04), tile=0.5)
        self.rim = make("metal", (0.4, 0.4, 0.42), (0.7, 0.7, 0.72), tile=0.3, specular=0.8, shininess=50.0, mirror=0.2)
        paint = make("plain", (0.95, 0.95, 0.95), (0.9, 0.9, 0.9), tile=3.0)
        hues = [(0.55, 0.03, 0.03), (0.03, 0.1, 0.3), (0.6, 0.6, 0.6), (0.05, 0.05, 0.055), (0.7, 0.7, 0.68),
                (0.06, 0.2, 0.13), (0.65, 0.35, 0.03), (0.22, 0.3, 0.36)]  # fmt: skip
        self.cars = [recolored(paint, c, tile=3.0, specular=0.9, shininess=180.0, mirror=0.07) for c in hues]
        self.red = make("plain", (0.6, 0.02, 0.02), (0.5, 0.02, 0.02), specular=0.6, emission=0.2)
        self.lens = make("plain", (0.75, 0.75, 0.72), (0.7, 0.7, 0.68), specular=0.8, mirror=0.15)
        self.signs = [
            make("text", (0.75, 0.7, 0.55), (0.4, 0.05, 0.04), tile=0.0),
            make("text", (0.1, 0.2, 0.42), (0.8, 0.8, 0.75), tile=0.0),
            make("text", (0.08, 0.25, 0.16), (0.85, 0.8, 0.6), tile=0.0),
        ]
        self.awnings = [
            make("stripes", (0.55, 0.08, 0.06), (0.8, 0.78, 0.72), tile=1.0),
            make("stripes", (0.07, 0.24, 0.2), (0.8, 0.76, 0.66), tile=1.0),
        ]
        self.cloth = [
            make("weave", c, np.minimum(np.array(c) * 1.6 + 0.03, 1), tile=0.3) for c in rng.uniform(0.04, 0.4, (6, 3))
        ]
        self.skin = make("plain", (0.5, 0.3, 0.2), (0.45, 0.27, 0.18))
        self.panel = make("plain", (0.75, 0.05, 0.04), (0.7, 0.05, 0.04), specular=0.3)


def build_street(seed: int = 0, texture_size: int = 512) -> Scene:
    """Return a street along x; drive on the right lane, y about -1.7, from x = 0 towards x = 60."""
    b = SceneBuilder(seed)
    g = torch.Generator().manual_seed(seed + 1)
    m = _Materials(b, g, texture_size)
    _ground(b, m)
    for side in (-1, 1):
        _houses(b, m, side)
        _parked_cars(b, m, side)
        _trees_and_posts(b, m, side)
        _people_and_clutter(b, m, side)
    _end_of_street(b, m)
    lights = (Sun((-0.42, 0.5, 0.68), (9.8, 8.6, 6.8), 0.012),)
    around = Surroundings(
        zenith=(0.13, 0.3, 0.72), horizon=(0.62, 0.72, 0.86), ground=(0.3, 0.27, 0.23), ambient=0.78, clouds=0.5,
        haze=0.0028, occlusion_range=1.4, cloud_texture=m.clouds,
    )  # fmt: skip
    return b.build(lights, around)


def _ground(b: SceneBuilder, m: _Materials) -> None:
    middle, long = (LENGTH - 15) / 2, LENGTH + 15
    b.box((middle, 0, -0.5), (long + 120, 240, 1.0), m.road)
    for side in (-1, 1):
        b.box((middle, side * (ROAD + PATH / 2 + 0.15), KERB / 2), (long, PATH, KERB), m.paving)
        b.box((middle, side * (ROAD + 0.075), KERB / 2 + 0.005), (long, 0.15, KERB + 0.01), m.kerb)
        b.box((middle, side * (ROAD + PATH + 30.15), KERB / 2), (long, 60.0, KERB), m.lawn)
        b.box((middle, side * (ROAD - 0.35), 0.003), (long, 0.1, 0.006), m.mark)
    for x in np.arange(-12, LENGTH, 6.0).tolist():
        b.box((x, 0, 0.003), (3.0, 0.13, 0.006), m.mark)
    for y in np.arange(-3.8, 3.9, 0.95).tolist():  # a zebra crossing
        b.box((27.5, y, 0.003), (3.2, 0.5, 0.006), m.mark)
    for x, y in ((9.0, -1.3), (33.0, 1.2), (48.0, -1.4)):
        with b.thing("manhole"):
            b.cylinder((x, y, 0.004), 0.34, 0.01, m.metal)


def _houses(b: SceneBuilder, m: _Materials, side: int) -> None:
    x = -14.0
    while x < LENGTH - 4:
        wide = float(b.rng.uniform(7.0, 10.5))
        gap = 0.0 if b.rng.random() < 0.6 else float(b.rng.uniform(1.5, 4.0))
        floors = int(b.rng.integers(2, 4))
        back = float(b.rng.uniform(0.0, 0.5)) + (2.2 if b.rng.random() < 0.25 else 0.0)
        yaw = 0.0 if side > 0 else math.pi
        with b.thing("house"), b.at(x + wide / 2, side * (ROAD + PATH + 0.15 + back), KERB, yaw):
            _house(b, m, wide, floors, back > 2)
        x += wide + gap


def _house(b: SceneBuilder, m: _Materials, wide: float, floors: int, garden: bool) -> None:
    """A house whose front is at y = 0 and looks towards -y."""
    rng = b.rng
    wall = m.walls[int(rng.integers(len(m.walls)))]
    deep, level = 9.0, 2.9
    tall = floors * level + 0.4
    b.box((0, deep / 2, tall / 2), (wide - 0.02, deep, tall), wall)
    b.box((0, deep / 2 - 0.03, 0.25), (wide, deep + 0.06, 0.5), m.stone)
    b.box((0, -0.08, tall - 0.1), (wide + 0.05, 0.34, 0.22), m.white)
    _roof(b, m, wide, deep, tall)
    count = max(2, int(wide // 2.5))
    door = int(rng.integers(count))
    shop = not garden and rng.random() < 0.35
    for floor in range(floors):
        for k in range(count):
            x = (k + 0.5) * wide / count - wide / 2
            low = floor * level + 1.05
            if floor == 0 and (k == door):
                _door(b, m, x)
            elif floor == 0 and shop:
                b.box((x, -0.03, 1.5), (wide / count * 0.86, 0.1, 1.9), m.white)
                b.box((x, -0.06, 1.5), (wide / count * 0.78, 0.1, 1.7), m.glass)
            else:
                _window(b, m, x, low, 1.05, 1.45)
    if shop:
        b.box((0, -0.12, 2.82), (wide * 0.9, 0.12, 0.5), m.signs[int(rng.integers(len(m.signs)))])
        b.box((0, -0.6, 2.45), (wide * 0.9, 1.25, 0.03), m.awnings[int(rng.integers(2))], rotation=turn(0, 0, 0.35))
    b.rod((wide / 2 - 0.15, -0.1, 0.1), (wide / 2 - 0.15, -0.1, tall - 0.2), 0.05, m.metal)
    if garden:
        b.box((-wide * 0.28, -1.9, 0.45), (wide * 0.42, 0.35, 0.9), m.leaves[2])
        b.box((wide * 0.28, -1.9, 0.4), (wide * 0.42, 0.25, 0.8), m.stone)


def _roof(b: SceneBuilder, m: _Materials, wide: float, deep: float, tall: float) -> None:
    roof = m.roofs[int(b.rng.integers(len(m.roofs)))]
    slope = float(b.rng.uniform(0.55, 0.75))
    length = deep / 2 / math.cos(slope) + 0.35
    for y, sign in ((deep / 4 - 0.12, 1), (deep * 3 / 4 + 0.12, -1)):
        z = tall + deep / 4 * math.tan(slope) - 0.02
        b.box((0, y, z), (wide + 0.3, length, 0.12), roof, rotation=turn(0, 0, sign * slope))
    # The gable between the slopes: a tilted box stands in for the triangle.
    side = deep / 2 / math.cos(slope) - 0.2
    for sign in (1, -1):
        b.box((0, deep / 2 - sign * deep / 4.4, tall + deep / 4.6 * math.tan(slope) - 0.55), (wide - 0.1, side, 0.9),
              m.walls[2], rotation=turn(0, 0, sign * slope))  # fmt: skip
    if b.rng.random() < 0.7:
        x = float(b.rng.uniform(-wide / 3, wide / 3))
        b.box((x, deep / 2, tall + deep / 2 * math.tan(slope) + 0.3), (0.6, 0.6, 1.5), m.walls[0])
    if b.rng.random() < 0.6:
        x = float(b.rng.uniform(-wide / 4, wide / 4))
        b.box((x, deep * 0.24, tall + deep * 0.24 * math.tan(slope) + 0.3), (1.3, 1.8, 1.1), m.white)
        b.box((x, deep * 0.24 - 0.91, tall + deep * 0.24 * math.tan(slope) + 0.35), (0.95, 0.04, 0.75), m.glass)


def _window(b: SceneBuilder, m: _Materials, x: float, low: float, wide: float, high: float) -> None:
    z = low + high / 2
    b.box((x, -0.02, z), (wide + 0.2, 0.1, high + 0.2), m.white)
    b.box((x, -0.055, z), (wide, 0.05, high), m.glass)
    b.box((x, -0.075, z), (0.06, 0.06, high), m.white)
    b.box((x, -0.075, z + high * 0.18), (wide, 0.06, 0.05), m.white)
    b.box((x, -0.12, low - 0.1), (wide + 0.3, 0.26, 0.07), m.stone)
    if b.rng.random() < 0.22:
        b.box((x, -0.22, low - 0.0), (wide * 0.9, 0.22, 0.18), m.doors[3])
        for k in range(3):
            b.ellipsoid((x + (k - 1) * wide * 0.3, -0.24, low + 0.16), (0.16, 0.13, 0.14), m.leaves[k])


def _door(b: SceneBuilder, m: _Materials, x: float) -> None:
    b.box((x, -0.04, 1.2), (1.35, 0.14, 2.4), m.white)
    b.box((x, -0.08, 1.12), (1.05, 0.1, 2.1), m.doors[int(b.rng.integers(len(m.doors)))])
    b.box((x, -0.14, 1.6), (0.5, 0.02, 0.6), m.glass)
    b.ellipsoid((x + 0.4, -0.16, 1.05), 0.035, m.rim)
    b.box((x, -0.35, 0.09), (1.6, 0.6, 0.18), m.stone)


def _parked_cars(b: SceneBuilder, m: _Materials, side: int) -> None:
    x = -6.0 if side > 0 else 5.0
    while x < LENGTH - 8:
        if not 24.0 < x < 31.0 and b.rng.random() < 0.72:
            yaw = (0.0 if side < 0 else math.pi) + float(b.rng.normal(0, 0.015))
            with (
                b.thing("car"),
                b.at(x, side * (ROAD - 1.1 - float(b.rng.uniform(0.0, 0.15))), 0.0, yaw),
            ):
                _car(b, m)
        x += float(b.rng.uniform(5.4, 7.5))


def _car(b: SceneBuilder, m: _Materials) -> None:
    """A car with its nose towards +x, standing on z = 0."""
    rng = b.rng
    paint = m.cars[int(rng.integers(len(m.cars)))]
    van = rng.random() < 0.2
    long, wide = (4.9, 1.9) if van else (float(rng.uniform(3.9, 4.6)), 1.76)
    b.box((0, 0, 0.56), (long - 0.3, wide, 0.46), paint)
    for x in (-1, 1):
        b.cylinder((x * (long / 2 - 0.13), 0, 0.5), 0.13, wide - 0.1, paint, turn(0, 0, math.pi / 2))
        b.box((x * (long / 2 - 0.25), 0, 0.6), (0.3, wide - 0.02, 0.34), paint)
    b.box((0, 0, 0.33), (long - 0.5, wide - 0.1, 0.2), m.dark)
    if van:
        b.box((-0.45, 0, 1.3), (long - 1.5, wide - 0.06, 1.15), paint)
        b.box((-long / 2 + 0.32, 0, 1.5), (0.1, wide * 0.75, 0.45), m.glass)
        b.box((1.25, 0, 1.15), (1.2, wide - 0.1, 0.75), m.glass, rotation=turn(0, 0.35, 0))
    else:
        b.add(1, (-0.25, 0, 0.82), (long * 0.34, wide * 0.47, 0.62), m.glass)
        b.box((-0.3, 0, 1.36), (long * 0.26, wide * 0.62, 0.08), paint)
        for y in (-1, 1):
            b.rod((-0.28, y * wide * 0.44, 0.8), (-0.3, y * wide * 0.33, 1.38), 0.035, paint)
            b.rod((long * 0.27, y * wide * 0.42, 0.8), (0.25, y * wide * 0.31, 1.38), 0.035, paint)
            b.rod((-long * 0.36, y * wide * 0.42, 0.8), (-0.85, y * wide * 0.31, 1.38), 0.05, paint)
        b.box((long * 0.34, 0, 0.82), (long * 0.24, wide * 0.88, 0.1), paint, rotation=turn(0, 0.06, 0))
    across = turn(0, 0, math.pi / 2)
    for axle in (-long * 0.31, long * 0.31):
        for y in (-1, 1):
            b.cylinder((axle, y * (wide / 2 - 0.1), 0.32), 0.32, 0.22, m.rubber, across)
            b.cylinder((axle, y * (wide / 2 - 0.09), 0.32), 0.2, 0.225, m.rim, across)
    for y in (-1, 1):
        b.ellipsoid((long / 2 - 0.17, y * wide * 0.36, 0.65), (0.12, 0.17, 0.09), m.lens)
        b.box((-long / 2 + 0.14, y * wide * 0.38, 0.72), (0.06, 0.26, 0.14), m.red)
        b.ellipsoid((long * 0.2, y * (wide / 2 + 0.08), 0.98), (0.08, 0.1, 0.07), paint)
    b.box((-long / 2 + 0.12, 0, 0.5), (0.03, 0.5, 0.11), m.white)
    b.box((long / 2 - 0.11, 0, 0.42), (0.03, 0.5, 0.11), m.white)
    b.box((long / 2 - 0.13, 0, 0.6), (0.05, 0.8, 0.12), m.dark)


def _trees_and_posts(b: SceneBuilder, m: _Materials, side: int) -> None:
    y = side * (ROAD + 0.55)
    for start in np.arange(-9 + 3 * side, LENGTH, 13.0).tolist():
        place = start + float(b.rng.uniform(-1, 1))
        with b.thing("tree"), b.at(place, y, KERB):
            _tree(b, m)
    for x in np.arange(-4.0 + 5 * side, LENGTH, 22.0).tolist():
        with b.thing("lamp post"), b.at(x, side * (ROAD + 0.35), KERB):
            b.cylinder((0, 0, 0.4), 0.1, 0.8, m.metal)
            b.cylinder((0, 0, 3.3), 0.055, 6.6, m.metal)
            b.rod((0, 0, 6.5), (0, -side * 1.5, 6.9), 0.035, m.metal)
            b.box((0, -side * 1.6, 6.88), (0.26, 0.6, 0.1), m.white)
    for k, x in enumerate((6.5, 23.8, 41.0, 58.0)):
        if (k % 2 == 0) == (side > 0):
            with b.thing("sign"), b.at(x, side * (ROAD + 0.4), KERB):
                b.cylinder((0, 0, 1.3), 0.03, 2.6, m.metal)
                face = turn(0, math.pi / 2, 0)
                b.cylinder((-0.04, 0, 2.35), 0.32, 0.02, m.white, face)
                b.cylinder((-0.05, 0, 2.35), 0.26, 0.02, m.panel, face)
                b.box((-0.066, 0, 2.35), (0.01, 0.36, 0.09), m.white)


def _tree(b: SceneBuilder, m: _Materials) -> None:
    rng = b.rng
    tall = float(rng.uniform(4.5, 6.8))
    trunk = tall * 0.45
    leaf = m.leaves[int(rng.integers(3))]
    if rng.random() < 0.2:
        b.cylinder((0, 0, 0.6), 0.11, 1.2, m.bark)
        for k in range(5):
            b.cone((0, 0, 1.5 + 0.75 * k), 0.85 - 0.15 * k, 1.3, m.leaves[2])
        return
    b.cylinder((0, 0, trunk / 2), 0.13, trunk, m.bark)
    for k in range(5):
        angle = k * 2.4 + float(rng.uniform(0, 1))
        tip = np.array([0.9 * math.cos(angle), 0.9 * math.sin(angle), tall * float(rng.uniform(0.62, 0.8))])
        b.rod((0, 0, trunk * 0.85), tip, 0.05, m.bark)
    for k in range(30):
        angle, lift = k * 2.4, float(rng.uniform(0.5, 1.0))
        reach = float(rng.uniform(0.3, 1.5)) * (1.3 - lift * 0.8)
        radius = float(rng.uniform(0.28, 0.62))
        place = (reach * math.cos(angle), reach * math.sin(angle), tall * lift)
        b.ellipsoid(place, (radius, radius, radius * 0.75), leaf, turn(angle))


def _people_and_clutter(b: SceneBuilder, m: _Materials, side: int) -> None:
    for x in (8.0, 17.5, 29.0, 36.0, 51.0):
        place = x + float(b.rng.uniform(-2, 2)) + 2 * side
        y = side * (ROAD + float(b.rng.uniform(0.9, 2.0)))
        with b.thing("person"), b.at(place, y, KERB, float(b.rng.uniform(0, 6.28))):
            _person(b, m)
    for x in (12.0, 31.5, 44.0, 60.0):
        with b.thing("bin"), b.at(x + 3 * side, side * (ROAD + PATH - 0.25), KERB, float(b.rng.uniform(-0.2, 0.2))):
            b.box((0, 0, 0.5), (0.55, 0.55, 0.9), m.doors[0])
            b.box((0, 0, 0.98), (0.6, 0.62, 0.07), m.dark, rotation=turn(0, 0, 0.06))
    for x in (15.0, 39.0):
        with b.thing("bench"), b.at(x - 2 * side, side * (ROAD + PATH - 0.4), KERB):
            for k in range(3):
                b.box((0, side * (0.14 * k - 0.15), 0.45), (1.6, 0.11, 0.04), m.doors[3])
                b.box((0, side * 0.25, 0.6 + 0.14 * k), (1.6, 0.03, 0.1), m.doors[3])
            for end in (-0.7, 0.7):
                b.box((end, 0, 0.22), (0.06, 0.4, 0.44), m.dark)
                b.box((end, side * 0.27, 0.5), (0.06, 0.04, 0.9), m.dark)
    for x in np.arange(20.0, 24.0, 1.0).tolist():
        with b.thing("bollard"):
            b.cylinder((x, side * (ROAD + 0.4), KERB + 0.45), 0.06, 0.9, m.dark)
            b.cylinder((x, side * (ROAD + 0.4), KERB + 0.78), 0.063, 0.08, m.white)


def _person(b: SceneBuilder, m: _Materials) -> None:
    shirt, trousers = (m.cloth[int(k)] for k in b.rng.integers(0, len(m.cloth), 2))
    stride = 0.16
    for y, sign in ((-0.09, 1), (0.09, -1)):
        b.rod((sign * stride, y, 0.05), (0, y, 0.88), 0.075, trousers)
        b.ellipsoid((sign * stride + 0.06, y, 0.05), (0.14, 0.055, 0.05), m.dark)
        b.rod((0, y * 2.4, 1.4), (-sign * 0.2, y * 2.7, 0.88), 0.05, shirt)
    b.ellipsoid((0, 0, 1.15), (0.16, 0.22, 0.36), shirt)
    b.cylinder((0, 0, 1.5), 0.05, 0.12, m.skin)
    b.ellipsoid((0.01, 0, 1.65), (0.1, 0.085, 0.125), m.skin)
    b.ellipsoid((-0.02, 0, 1.7), (0.1, 0.092, 0.1), m.bark)


def _end_of_street(b: SceneBuilder, m: _Materials) -> None:
    """A park closes the view: hedge, trees, a church tower behind them."""
    x = LENGTH + 6
    with b.thing("hedge"):
        b.box((x - 3, 0, 0.7), (1.0, 26.0, 1.4), m.leaves[2])
    for y in np.arange(-15.0, 16.0, 4.2).tolist():
        with b.thing("tree"), b.at(x + float(b.rng.uniform(0, 7)), y, 0.0):
            _tree(b, m)
    with b.thing("tower"), b.at(x + 14, 5.0):
        b.box((0, 0, 9), (6, 6, 18), m.walls[1])
        b.cone((0, 0, 22.5), 3.4, 9.0, m.roofs[1])
        b.cylinder((-3.0, 0, 15), 1.3, 0.2, m.white, turn(0, math.pi / 2))
