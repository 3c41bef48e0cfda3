"""A furnished living room: walls with windows, shelves of books, tables, chairs, sofa, lamps, plants."""

from __future__ import annotations

import math

import numpy as np
import torch

from training.synthetic import textures as tx
from training.synthetic.scene import Lamp, Scene, SceneBuilder, Sun, Surroundings, turn

LENGTH, WIDTH, HEIGHT = 7.6, 5.6, 2.7  # metres along x, y, z; the floor is centred on the origin


class _Materials:
    """The room's materials, in colours drawn from the seed."""

    def __init__(self, b: SceneBuilder, generator: torch.Generator, size: int):
        g, rng = generator, b.rng

        def make(kind: str, low, high, **numbers) -> int:
            return b.material(tx.KINDS[kind](g, low, high, size=size).clamp(0, 1), **numbers)

        warm = rng.uniform(0.85, 1.1, 3)
        self.wall = make("plain", 0.55 * warm, 0.4 * warm, tile=2.5)
        self.accent = make("stripes", (0.20, 0.31, 0.33), (0.36, 0.44, 0.41), tile=1.6)
        self.ceiling = make("plain", (0.8, 0.79, 0.76), (0.7, 0.69, 0.66), tile=3.0)
        self.floor = make(
            "planks", (0.2, 0.1, 0.045), (0.42, 0.24, 0.11), tile=1.7, specular=0.25, shininess=60.0, mirror=0.03
        )
        self.skirting = make("plain", (0.7, 0.69, 0.66), (0.6, 0.6, 0.58))
        self.rug = make("carpet", (0.33, 0.04, 0.05), (0.55, 0.45, 0.26), tile=0.0)
        self.oak = make("grain", (0.3, 0.16, 0.07), (0.52, 0.33, 0.17), tile=0.9, specular=0.12)
        self.walnut = make("grain", (0.08, 0.04, 0.02), (0.2, 0.1, 0.05), tile=0.8, specular=0.2, shininess=40.0)
        self.white = make("plain", (0.75, 0.75, 0.73), (0.66, 0.66, 0.64), specular=0.15)
        self.steel = make(
            "metal", (0.35, 0.35, 0.37), (0.6, 0.6, 0.62), tile=0.5, specular=0.7, shininess=60.0, mirror=0.3
        )
        self.black = make("plain", (0.02, 0.02, 0.022), (0.05, 0.05, 0.05), specular=0.4, shininess=80.0)
        self.screen = make(
            "plain", (0.008, 0.008, 0.01), (0.015, 0.015, 0.02), specular=0.9, shininess=200.0, mirror=0.08
        )
        self.sofa = make("weave", (0.06, 0.12, 0.17), (0.16, 0.25, 0.3), tile=0.35)
        self.cushions = [
            make("weave", (0.55, 0.3, 0.06), (0.75, 0.5, 0.15), tile=0.2),
            make("checks", (0.5, 0.1, 0.08), (0.75, 0.7, 0.6), tile=0.3),
            make("stripes", (0.12, 0.3, 0.3), (0.8, 0.76, 0.66), tile=0.35),
        ]
        self.curtain = make("stripes", (0.5, 0.46, 0.36), (0.7, 0.66, 0.56), tile=0.9)
        self.leaf = make("foliage", (0.02, 0.07, 0.015), (0.16, 0.3, 0.06), tile=0.25, specular=0.15)
        self.clay = make("plaster", (0.42, 0.16, 0.08), (0.3, 0.1, 0.06), tile=0.4)
        self.soil = make("asphalt", (0.04, 0.025, 0.015), (0.12, 0.08, 0.05), tile=0.3)
        self.glow = make("plain", (1.0, 0.86, 0.62), (1.0, 0.86, 0.62), emission=3.0)
        self.shade = make("weave", (0.8, 0.7, 0.5), (0.9, 0.8, 0.62), tile=0.2, emission=0.9)
        garden = _garden(g, size)
        self.garden = b.material(garden, tile=0.0, emission=1.6)
        self.pictures = [
            make("painting", low, high, tile=0.0)
            for low, high in (
                ((0.04, 0.1, 0.07), (0.42, 0.52, 0.62)),
                ((0.16, 0.05, 0.1), (0.75, 0.45, 0.3)),
                ((0.03, 0.05, 0.13), (0.4, 0.35, 0.6)),
            )
        ]
        self.poster = make("text", (0.78, 0.75, 0.66), (0.25, 0.05, 0.05), tile=0.0)
        self.paper = make("text", (0.8, 0.79, 0.75), (0.03, 0.03, 0.05), tile=0.0)
        self.ceramic = [make("plain", c, c, specular=0.5, shininess=90.0) for c in _book_colors(rng, 5) + 0.1]
        cover = make("weave", (0.7, 0.7, 0.7), (0.95, 0.95, 0.95), tile=0.4)
        texture = b._materials[cover].texture
        hues = _book_colors(rng, 26)
        self.books = [b.material(texture, tint=tuple(map(float, hue)), tile=0.4) for hue in hues]


def _book_colors(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return cloth-like colours (count, 3): dark to cream, mostly muted."""
    grey = rng.uniform(0.03, 0.5, (count, 1))
    hue = rng.uniform(0.2, 1.0, (count, 3)) * np.array([1.1, 0.9, 0.75])
    return np.clip(grey + (hue - hue.mean(1, keepdims=True)) * rng.uniform(0.1, 0.6, (count, 1)), 0.015, 0.75)


def _garden(g: torch.Generator, size: int) -> torch.Tensor:
    """What the window shows: sky over trees over a lawn."""
    v = tx.coordinates(size)[1]
    sky = tx.blend(torch.tensor([0.75, 0.85, 0.95]), torch.tensor([0.4, 0.62, 0.95]), v)
    leaves = tx.foliage(g, (0.03, 0.1, 0.02), (0.25, 0.42, 0.1), size=size)
    crowns = (v < 0.52 + 0.3 * (tx.fractal_noise(g, size, 3, 5)[0][None] - 0.4)).float()
    image = tx.blend(sky, leaves, crowns)
    lawn = tx.foliage(g, (0.1, 0.2, 0.03), (0.3, 0.45, 0.1), size=size)
    return tx.blend(image, lawn, (v < 0.22).float())


def build_room(seed: int = 0, texture_size: int = 512) -> Scene:
    """Return a furnished room of about 7.6 x 5.6 x 2.7 m; the camera path of ``paths.room_path`` fits into it."""
    b = SceneBuilder(seed)
    g = torch.Generator().manual_seed(seed + 1)
    m = _Materials(b, g, texture_size)
    _shell(b, m)
    _windows(b, m)
    with b.thing("rug"), b.at(0.5, 0.15, 0.0, 0.06):
        b.box((0, 0, 0.008), (3.0, 2.0, 0.016), m.rug)
    with b.at(3.25, 1.25):
        _book_shelf(b, m, 1.9)
    with b.at(3.3, -1.35):
        _sideboard(b, m)
    with b.at(0.7, 0.2, 0.0, 0.15):
        _coffee_table(b, m)
    with b.at(0.75, -1.95):
        _sofa(b, m)
    with b.at(1.55, 1.55, 0.0, -0.35):
        _dining(b, m)
    with b.at(3.2, -2.35):
        _floor_lamp(b, m)
    with b.at(3.25, 2.35), b.thing("plant"):
        _plant(b, m, 1.35)
    with b.at(-0.75, -2.35), b.thing("plant"):
        _plant(b, m, 0.95)
    with b.at(2.35, -0.45, 0.0, 2.6), b.thing("armchair"):
        _armchair(b, m)
    _wall_pictures(b, m)
    with b.thing("ceiling lamp"), b.at(1.2, 0.6, HEIGHT):
        b.cylinder((0, 0, -0.3), 0.006, 0.6, m.black, shadow=False)
        b.add(3, (0, 0, -0.66), (0.24, 0.24, 0.13), m.shade, None, False)
        b.ellipsoid((0, 0, -0.78), 0.06, m.glow)
        b._rows[-1] = (*b._rows[-1][:6], False, b._rows[-1][7])
    lights = (
        Sun((0.35, 0.9, 0.62), (11.0, 9.4, 7.0), 0.012),
        Lamp((1.2, 0.6, HEIGHT - 0.85), (2.2, 1.8, 1.3), 0.22),
        Lamp((3.2, -2.35, 1.55), (1.9, 1.35, 0.8), 0.16, shadows=False),
    )
    around = Surroundings(
        zenith=(0.48, 0.47, 0.45), horizon=(0.5, 0.46, 0.4), ground=(0.34, 0.26, 0.2), ambient=0.95,
        clouds=0.0, occlusion_range=0.9,
    )  # fmt: skip
    return b.build(lights, around)


def _shell(b: SceneBuilder, m: _Materials) -> None:
    x, y, thick = LENGTH / 2, WIDTH / 2, 0.2
    b.box((0, 0, -thick / 2), (LENGTH + 1, WIDTH + 1, thick), m.floor)
    b.box((0, 0, HEIGHT + thick / 2), (LENGTH + 1, WIDTH + 1, thick), m.ceiling)
    b.box((x + thick / 2, 0, HEIGHT / 2), (thick, WIDTH + 1, HEIGHT), m.accent)
    b.box((-x - thick / 2, 0, HEIGHT / 2), (thick, WIDTH + 1, HEIGHT), m.wall)
    b.box((0, -y - thick / 2, HEIGHT / 2), (LENGTH + 1, thick, HEIGHT), m.wall)
    # The left wall has two window openings, so it is put together from parts.
    low, high = 0.85, 2.25
    b.box((0, y + thick / 2, low / 2), (LENGTH + 1, thick, low), m.wall)
    b.box((0, y + thick / 2, (high + HEIGHT) / 2), (LENGTH + 1, thick, HEIGHT - high), m.wall)
    edges = [-x - 0.5, -1.9, -0.5, 0.55, 2.35, x + 0.5]
    for start, end in zip(edges[::2], edges[1::2]):
        b.box(((start + end) / 2, y + thick / 2, (low + high) / 2), (end - start, thick, high - low), m.wall)
    for side in (-1, 1):
        b.box((0, side * (y - 0.01), 0.05), (LENGTH, 0.02, 0.1), m.skirting)
        b.box((side * (x - 0.01), 0, 0.05), (0.02, WIDTH, 0.1), m.skirting)


def _windows(b: SceneBuilder, m: _Materials) -> None:
    y = WIDTH / 2
    for start, end in ((-1.9, -0.5), (0.55, 2.35)):
        middle, wide = (start + end) / 2, end - start
        # The view is a picture behind the opening, which lets the sun pass.
        b.box((middle, y + 0.19, 1.55), (wide + 0.05, 0.01, 1.45), m.garden, shadow=False)
        with b.thing("window"):
            for z in (0.87, 1.55, 2.23):
                b.box((middle, y + 0.1, z), (wide, 0.06, 0.05), m.white)
            for x in (start + 0.025, middle, end - 0.025):
                b.box((x, y + 0.1, 1.55), (0.05, 0.06, 1.4), m.white)
            b.box((middle, y - 0.06, 0.83), (wide + 0.16, 0.26, 0.04), m.white)
        for index, x in enumerate((start - 0.12, end + 0.12)):
            with b.thing("curtain"):
                for fold in range(5):
                    b.cylinder((x + 0.07 * (fold - 2), y - 0.07 - 0.03 * (fold % 2), 1.3), 0.045, 2.2, m.curtain)
            del index
        b.rod((start - 0.35, y - 0.08, 2.42), (end + 0.35, y - 0.08, 2.42), 0.014, m.steel)
        with b.thing("vase"):
            material = m.ceramic[int(b.rng.integers(len(m.ceramic)))]
            b.ellipsoid((end - 0.3, y - 0.08, 0.95), (0.08, 0.08, 0.11), material)
            b.cylinder((end - 0.3, y - 0.08, 1.06), 0.035, 0.1, material)
            for k in range(5):
                tip = (end - 0.3 + 0.12 * math.cos(k * 1.4), y - 0.08 + 0.1 * math.sin(k * 1.4), 1.4 + 0.03 * k)
                b.rod((end - 0.3, y - 0.08, 1.08), tip, 0.004, m.leaf)
                b.ellipsoid(tip, (0.03, 0.03, 0.035), m.cushions[k % 3])


def _book_row(b: SceneBuilder, m: _Materials, start: float, end: float, z: float, depth: float) -> None:
    """Books along y from ``start`` to ``end``, backs towards -x; some lean, some gaps hold an ornament."""
    y = start
    while y < end - 0.02:
        if b.rng.random() < 0.09 and y < end - 0.16:
            with b.thing("ornament"):
                material = m.ceramic[int(b.rng.integers(len(m.ceramic)))]
                if b.rng.random() < 0.5:
                    b.ellipsoid((-0.03, y + 0.07, z + 0.07), (0.055, 0.055, 0.07), material)
                else:
                    b.cylinder((-0.03, y + 0.07, z + 0.05), 0.045, 0.1, material)
                    b.ellipsoid((-0.03, y + 0.07, z + 0.14), 0.045, material)
            y += 0.16
            continue
        thick = float(b.rng.uniform(0.022, 0.055))
        tall = float(b.rng.uniform(0.19, 0.29))
        deep = depth * float(b.rng.uniform(0.6, 0.9))
        material = m.books[int(b.rng.integers(len(m.books)))]
        lean = 0.16 if b.rng.random() < 0.07 else 0.0
        with b.thing("book"):
            b.box(((depth - deep) / 2, y + thick / 2 + lean * tall / 2, z + tall / 2), (deep, thick, tall), material,
                  rotation=turn(0, 0, -lean))  # fmt: skip
        y += thick + 0.002 + lean * tall


def _book_shelf(b: SceneBuilder, m: _Materials, wide: float) -> None:
    tall, deep, board = 2.1, 0.32, 0.025
    with b.thing("shelf"):
        for y in (-wide / 2, 0.0, wide / 2):
            b.box((0.15, y, tall / 2), (deep, board, tall), m.oak)
        levels = np.linspace(0.06, tall, 6)
        for z in levels:
            b.box((0.15, 0, z), (deep, wide, board), m.oak)
        b.box((0.31, 0, tall / 2), (0.01, wide, tall), m.oak)
    for z in levels[:-1]:
        for start, end in ((-wide / 2 + 0.02, -0.02), (0.02, wide / 2 - 0.02)):
            with b.at(0.12, 0, z + board / 2):
                _book_row(b, m, start, end, 0.0, 0.24)
    with b.thing("box"):
        b.box((0.12, -0.5, tall + 0.13), (0.28, 0.45, 0.22), m.cushions[2])
    with b.thing("globe"):
        b.ellipsoid((0.1, 0.45, tall + 0.2), 0.15, m.pictures[2])
        b.cylinder((0.1, 0.45, tall + 0.03), 0.09, 0.03, m.walnut)


def _sideboard(b: SceneBuilder, m: _Materials) -> None:
    with b.thing("sideboard"):
        b.box((0.2, 0, 0.42), (0.45, 1.7, 0.5), m.walnut)
        b.box((0.2, 0, 0.68), (0.49, 1.76, 0.03), m.oak)
        for y in (-0.43, 0.43):
            b.box((-0.03, y, 0.42), (0.015, 0.8, 0.44), m.oak)
            b.cylinder((-0.05, y + 0.3, 0.42), 0.012, 0.14, m.steel)
        for x in (0.02, 0.38):
            for y in (-0.78, 0.78):
                b.cylinder((x, y, 0.085), 0.02, 0.17, m.black)
    with b.thing("television"):
        b.box((0.26, 0.0, 1.17), (0.05, 1.25, 0.72), m.black)
        b.box((0.232, 0.0, 1.17), (0.004, 1.21, 0.68), m.screen)
        b.box((0.26, 0.0, 0.75), (0.05, 0.1, 0.14), m.black)
        b.box((0.22, 0.0, 0.7), (0.2, 0.5, 0.015), m.black)
    for y, material in ((-0.75, m.ceramic[0]), (0.76, m.ceramic[1])):
        with b.thing("speaker"):
            b.box((0.2, y, 0.86), (0.18, 0.15, 0.32), m.walnut)
            b.cylinder((0.107, y, 0.81), 0.055, 0.01, m.black, turn(0, math.pi / 2))
            b.cylinder((0.107, y, 0.94), 0.03, 0.01, m.black, turn(0, math.pi / 2))
            b.ellipsoid((0.2, y, 1.07), 0.05, material)


def _coffee_table(b: SceneBuilder, m: _Materials) -> None:
    with b.thing("coffee table"):
        b.box((0, 0, 0.42), (1.05, 0.62, 0.035), m.oak)
        b.box((0, 0, 0.17), (0.95, 0.52, 0.02), m.oak)
        for x in (-0.47, 0.47):
            for y in (-0.26, 0.26):
                b.cylinder((x, y, 0.205), 0.022, 0.41, m.black)
    with b.thing("bowl"):
        b.ellipsoid((0.1, 0.05, 0.475), (0.15, 0.15, 0.045), m.ceramic[2])
        for k in range(6):
            angle = k * 1.05
            b.ellipsoid((0.1 + 0.07 * math.cos(angle), 0.05 + 0.07 * math.sin(angle), 0.53), 0.038, m.cushions[k % 2])
    for k, (x, y, yaw) in enumerate(((-0.3, 0.12, 0.3), (-0.29, 0.1, -0.2), (0.36, -0.15, 1.1))):
        with b.thing("magazine"):
            b.box((x, y, 0.445 + 0.014 * (k == 1)), (0.3, 0.21, 0.012), m.paper if k else m.poster, yaw=yaw)
    for x, y in ((0.38, 0.16), (-0.02, -0.2)):
        with b.thing("mug"):
            b.cylinder((x, y, 0.485), 0.04, 0.1, m.ceramic[3])
    with b.thing("basket"):
        b.cylinder((0.15, 0.02, 0.255), 0.17, 0.15, m.cushions[0])


def _sofa(b: SceneBuilder, m: _Materials) -> None:
    with b.thing("sofa"):
        b.box((0, 0, 0.25), (2.1, 0.85, 0.3), m.sofa)
        b.box((0, -0.38, 0.58), (2.1, 0.2, 0.5), m.sofa, rotation=turn(0, 0, 0.12))
        for x in (-1.02, 1.02):
            b.box((x, 0, 0.38), (0.18, 0.85, 0.5), m.sofa)
            b.cylinder((x, 0, 0.63), 0.1, 0.85, m.sofa, turn(0, 0, math.pi / 2))
        for x in (-0.46, 0.46):
            b.box((x, 0.05, 0.45), (0.9, 0.72, 0.14), m.sofa)
    for x, yaw, material in ((-0.72, 0.3, m.cushions[0]), (-0.35, -0.1, m.cushions[1]), (0.7, -0.25, m.cushions[2])):
        with b.thing("cushion"):
            b.ellipsoid((x, -0.15, 0.68), (0.23, 0.09, 0.2), material, turn(yaw, 0, 0.25))
    with b.thing("blanket"):
        b.box((0.55, 0.06, 0.53), (0.55, 0.8, 0.02), m.cushions[1], yaw=0.1)


def _armchair(b: SceneBuilder, m: _Materials) -> None:
    b.box((0, 0, 0.33), (0.62, 0.6, 0.2), m.cushions[0])
    b.box((-0.3, 0, 0.68), (0.13, 0.6, 0.62), m.cushions[0], rotation=turn(0, -0.2, 0))
    for y in (-0.33, 0.33):
        b.box((0.02, y, 0.45), (0.62, 0.07, 0.05), m.walnut)
        for x in (-0.24, 0.28):
            b.rod((x * 1.15, y * 1.1, 0.0), (x, y, 0.45), 0.02, m.walnut)


def _chair(b: SceneBuilder, m: _Materials) -> None:
    b.box((0, 0, 0.45), (0.42, 0.42, 0.03), m.walnut)
    for x in (-0.18, 0.18):
        for y in (-0.18, 0.18):
            b.rod((x * 1.12, y * 1.12, 0), (x, y, 0.45), 0.016, m.walnut)
    for y in (-0.18, -0.09, 0.0, 0.09, 0.18):
        b.rod((-0.19, y, 0.45), (-0.26, y, 0.92), 0.011, m.walnut)
    b.box((-0.265, 0, 0.92), (0.03, 0.42, 0.08), m.walnut, rotation=turn(0, -0.15, 0))


def _dining(b: SceneBuilder, m: _Materials) -> None:
    with b.thing("table"):
        b.cylinder((0, 0, 0.74), 0.55, 0.03, m.walnut)
        b.cylinder((0, 0, 0.38), 0.04, 0.7, m.black)
        b.cylinder((0, 0, 0.015), 0.28, 0.03, m.black)
    for k, angle in enumerate((2.4, 3.9, 5.6)):
        with (
            b.thing("chair"),
            b.at(0.68 * math.cos(angle), 0.68 * math.sin(angle), 0.0, angle + math.pi + 0.2 * (k - 1)),
        ):
            _chair(b, m)
    with b.thing("vase"):
        b.ellipsoid((0.05, 0.05, 0.86), (0.08, 0.08, 0.1), m.ceramic[4])
        b.cylinder((0.05, 0.05, 0.96), 0.035, 0.08, m.ceramic[4])
        for k in range(7):
            tip = (0.05 + 0.16 * math.cos(k * 0.9), 0.05 + 0.16 * math.sin(k * 0.9), 1.2 + 0.05 * math.sin(2.1 * k))
            b.rod((0.05, 0.05, 0.98), tip, 0.004, m.leaf)
            b.ellipsoid(tip, (0.04, 0.04, 0.05), m.cushions[k % 3])
    for angle in (2.4, 3.9, 5.6):
        with b.thing("plate"):
            b.cylinder((0.33 * math.cos(angle), 0.33 * math.sin(angle), 0.762), 0.11, 0.012, m.white)
    with b.thing("laptop"), b.at(-0.1, -0.3, 0.757, 0.9):
        b.box((0, 0, 0.008), (0.23, 0.32, 0.016), m.steel)
        b.box((0.13, 0, 0.11), (0.008, 0.32, 0.21), m.poster, rotation=turn(0, 0.25, 0))


def _floor_lamp(b: SceneBuilder, m: _Materials) -> None:
    with b.thing("floor lamp"):
        b.cylinder((0, 0, 0.015), 0.15, 0.03, m.black)
        b.cylinder((0, 0, 0.75), 0.012, 1.45, m.steel, shadow=False)
        b.cylinder((0, 0, 1.58), 0.2, 0.3, m.shade, shadow=False)


def _plant(b: SceneBuilder, m: _Materials, tall: float) -> None:
    b.cone((0, 0, 0.17), 0.2, 0.7, m.clay, turn(0, math.pi, 0))
    b.cylinder((0, 0, 0.33), 0.185, 0.05, m.clay)
    b.cylinder((0, 0, 0.357), 0.165, 0.01, m.soil)
    for k in range(16):
        angle, lift = k * 2.4, float(b.rng.uniform(0.45, 1.0))
        reach = float(b.rng.uniform(0.14, 0.32)) * (1.3 - 0.5 * lift)
        tip = np.array([reach * math.cos(angle), reach * math.sin(angle), 0.35 + (tall - 0.35) * lift])
        b.rod((0, 0, 0.36), tip, 0.006, m.leaf)
        b.ellipsoid(tip, (0.13, 0.06, 0.02), m.leaf, turn(angle, float(b.rng.uniform(-0.2, 0.8)), 0))


def _wall_pictures(b: SceneBuilder, m: _Materials) -> None:
    y = -WIDTH / 2
    for x, z, wide, high, material in (
        (0.1, 1.62, 0.95, 0.65, m.pictures[0]),
        (1.25, 1.7, 0.5, 0.7, m.pictures[1]),
        (2.1, 1.55, 0.6, 0.85, m.poster),
        (-1.5, 1.6, 0.8, 0.6, m.pictures[2]),
    ):
        with b.thing("picture"):
            b.box((x, y + 0.015, z), (wide, 0.03, high), material)
    with b.thing("clock"):
        b.cylinder((LENGTH / 2 - 0.02, 0.02, 2.1), 0.16, 0.03, m.white, turn(0, math.pi / 2))
        b.cylinder((LENGTH / 2 - 0.03, 0.02, 2.1), 0.02, 0.05, m.black, turn(0, math.pi / 2))
    with b.thing("picture"):
        b.box((LENGTH / 2 - 0.02, -0.12, 1.45), (0.03, 0.42, 0.55), m.pictures[1])
