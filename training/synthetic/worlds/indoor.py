"""Rooms to live, work and cook in: a shell with windows and doors, furniture along the walls and in the middle."""

from __future__ import annotations

import math

import numpy as np

from training.synthetic.scene import Lamp, SceneBuilder, Sun, Surroundings
from training.synthetic.worlds import furniture as f
from training.synthetic.worlds.clutter import scatter
from training.synthetic.worlds.palette import Palette, shared_builder
from training.synthetic.worlds.world import World

# Pieces for the walls and for the middle of each sort of room.
SORTS: dict[str, tuple[tuple[f.Piece, ...], tuple[f.Piece, ...]]] = {
    "living": (
        (f.sofa, f.shelf, f.cupboard, f.cupboard, f.stand, f.stand, f.table),
        (f.table, f.sofa, f.chair, f.stand),
    ),
    "office": ((f.desk, f.desk, f.desk, f.shelf, f.cupboard, f.stand), (f.desk, f.table, f.chair)),
    "kitchen": ((f.counter, f.counter, f.counter, f.cupboard, f.table, f.stand), (f.table, f.chair, f.table)),
    "bedroom": ((f.bed, f.cupboard, f.cupboard, f.desk, f.shelf, f.stand), (f.stand, f.chair, f.sofa)),
    "storeroom": ((f.shelf, f.shelf, f.stand, f.stand, f.cupboard), (f.stand, f.table, f.chair)),
}


def build_indoor(seed: int) -> World:
    """Return a room of 2.5 to 12 m with furniture."""
    b = shared_builder(seed)
    rng, p = b.rng, Palette(b)
    names = list(SORTS)
    sort = names[int(rng.choice(len(names), p=[0.27, 0.27, 0.24, 0.14, 0.08]))]
    long, wide = sorted(np.exp(rng.uniform(np.log(2.6), np.log(8.5), 2)))[::-1]
    tall = float(rng.uniform(2.2, 3.6))
    long, wide = float(long), float(wide)
    shell(b, p, long, wide, tall)
    _along_walls(b, p, long, wide, SORTS[sort][0])
    _middle(b, p, long, wide, SORTS[sort][1])
    _on_walls(b, p, long, wide, tall)
    scatter(b, p, 0, 0, 0, (0.8 * long, 0.8 * wide), int(rng.integers(0, 8)), 0.35)

    def place(r: np.random.Generator) -> tuple[float, float, float, float]:
        x, y = r.uniform(-0.46, 0.46) * long, r.uniform(-0.46, 0.46) * wide
        # mostly towards the far side of the room
        target = -x + 0.35 * long * r.normal(), -y + 0.35 * wide * r.normal()
        yaw = math.atan2(target[1] - y, target[0] - x) if r.random() < 0.8 else r.uniform(-math.pi, math.pi)
        z = float(np.clip(r.choice([r.uniform(0.2, 0.8), r.uniform(0.9, 1.8)], p=[0.3, 0.7]), 0.2, tall - 0.4))
        return float(x), float(y), z, float(yaw)

    lights, around = room_light(b, long, wide, tall)
    return World(b.build(lights, around), "indoor", place, 0.16, 0.14, 0.25)


def shell(b: SceneBuilder, p: Palette, long: float, wide: float, tall: float) -> None:
    """Put floor, ceiling and four walls around the origin; some walls get windows or doors, deep in the wall."""
    rng = b.rng
    wall, floor, thick = p("wall"), p("floor"), 0.2
    b.box((0, 0, -0.1), (long + 1, wide + 1, 0.2), floor)
    b.box((0, 0, tall + 0.1), (long + 1, wide + 1, 0.2), p("ceiling"))
    skirting = p("paint")
    for k in range(4):
        length, out = ((long, wide / 2), (wide, long / 2))[k % 2]
        with b.at(0, 0, 0, k * math.pi / 2):
            m = wall if rng.random() < 0.75 else p("wall", 1.0)
            _wall(b, p, length, out, tall, thick, m)
            if rng.random() < 0.6:
                b.box((0, out - 0.008, 0.04), (length, 0.016, 0.08), skirting)


def _wall(b: SceneBuilder, p: Palette, length: float, out: float, tall: float, thick: float, m: int) -> None:
    """Put a wall of ``length`` along x whose face is y = ``out``, with or without an opening."""
    rng = b.rng
    y, kind = out + thick / 2, rng.random()
    if kind > 0.7 or length < 1.8:
        b.box((0, y, tall / 2), (length + 0.4, thick, tall), m)
        return
    window = kind < 0.45
    w = float(rng.uniform(0.7, min(2.6, length - 0.6))) if window else float(rng.uniform(0.75, 1.0))
    low, high = (float(rng.uniform(0.3, 1.1)), float(rng.uniform(1.7, min(2.3, tall - 0.1)))) if window else (0.0, 2.05)
    x = float(rng.uniform(-1, 1)) * (length - w) * 0.45
    left, right = -length / 2 - 0.2, length / 2 + 0.2
    for start, end in ((left, x - w / 2), (x + w / 2, right)):
        b.box(((start + end) / 2, y, tall / 2), (end - start, thick, tall), m)
    b.box((x, y, (high + tall) / 2), (w, thick, tall - high), m)
    if low > 0:
        b.box((x, y, low / 2), (w, thick, low), m)
    frame = p("paint")
    with b.thing("window" if window else "door"):
        if window:
            view = p("print", emission=float(rng.uniform(0.8, 2.5)), tint=(0.9, 0.95, 1.0))
            b.box((x, y + thick, (low + high) / 2), (w + 0.6, 0.02, high - low + 0.6), view, shadow=False)
            for z in (low + 0.025, high - 0.025):
                b.box((x, y, z), (w, 0.06, 0.05), frame)
            for bar in np.linspace(x - w / 2 + 0.025, x + w / 2 - 0.025, int(rng.integers(2, 5))):
                b.box((bar, y, (low + high) / 2), (0.05, 0.06, high - low), frame)
            if rng.random() < 0.5:
                b.box((x, out - 0.08, low - 0.02), (w + 0.1, 0.24, 0.03), frame)
                scatter(b, p, x, out - 0.09, low, (w, 0.1), int(rng.integers(0, 4)), 0.2)
        else:
            b.box((x, out + 0.06, high / 2), (w, 0.04, high), p("wood"))
            b.rod((x + 0.4 * w, out, 1.0), (x + 0.4 * w - 0.1, out, 1.0), 0.012, p("metal"))
            for side in (-1, 1):
                b.box((x + side * w / 2, out, high / 2), (0.07, 0.04, high), frame)
    if window and rng.random() < 0.5:
        curtain(b, p, x - w / 2 - 0.2, x + w / 2 + 0.2, out - 0.1, high + 0.15)


def curtain(b: SceneBuilder, p: Palette, start: float, end: float, y: float, top: float) -> None:
    """Hang two curtains of round folds between ``start`` and ``end`` along x."""
    rng = b.rng
    m, low = p("cloth", 0.6), float(rng.choice([0.05, 0.6]))
    share, r = float(rng.uniform(0.12, 0.35)), float(rng.uniform(0.025, 0.06))
    with b.thing("curtain"):
        b.rod((start, y, top), (end, y, top), 0.012, p("metal"))
        count = int(share * (end - start) / (1.5 * r)) + 2
        for side, edge in ((1, start), (-1, end)):
            for k in range(count):
                b.cylinder((edge + side * k * 1.5 * r, y + 0.5 * r * (k % 2), (top + low) / 2), r, top - low, m)


def _along_walls(b: SceneBuilder, p: Palette, long: float, wide: float, pieces) -> None:
    """Line the four walls with furniture, leaving gaps."""
    rng = b.rng
    for k in range(4):
        length, out = ((long, wide / 2), (wide, long / 2))[k % 2]
        start, angle = -length / 2 + 0.1 + float(rng.uniform(0, 0.4)), k * math.pi / 2
        if rng.random() < 0.15:
            continue
        while start < length / 2 - 0.5:
            piece = pieces[int(rng.integers(len(pieces)))]
            before = b.mark()
            # The width is known only afterwards, so the piece is moved along the wall when it stands.
            with b.at(0, 0, 0, k * math.pi / 2), b.at(0, out - 0.02):
                width, deep = piece(b, p)
            if start + width > length / 2 - 0.05 or deep > 0.55 * min(long, wide):
                b.undo(before)
                start += float(rng.uniform(0.3, 0.8))
                continue
            along = start + width / 2
            b.move(before, (along * math.cos(angle), along * math.sin(angle), 0.0))
            start += width + float(rng.choice([0.02, rng.uniform(0.05, 0.9)]))


def _middle(b: SceneBuilder, p: Palette, long: float, wide: float, pieces) -> None:
    rng = b.rng
    for _ in range(int(rng.integers(0, 2 + int(long * wide / 9)))):
        x, y = float(rng.uniform(-0.3, 0.3)) * long, float(rng.uniform(-0.25, 0.25)) * wide
        piece = pieces[int(rng.integers(len(pieces)))]
        with b.at(x, y, 0, float(rng.choice([0, 1, 2, 3]) * math.pi / 2 + 0.25 * rng.normal())):
            _, d = piece(b, p)
            if piece is f.table:
                for side in (-1, 1):
                    if rng.random() < 0.6:
                        with b.at(0.2 * float(rng.normal()), -d / 2 + side * (d / 2 + 0.25), 0,
                                  (math.pi if side < 0 else 0) + 0.4 * float(rng.normal())):  # fmt: skip
                            f.chair(b, p)


def _on_walls(b: SceneBuilder, p: Palette, long: float, wide: float, tall: float) -> None:
    """Hang pictures, boards, pipes and radiators on the walls and lamps on the ceiling."""
    rng = b.rng
    for k in range(4):
        length, out = ((long, wide / 2), (wide, long / 2))[k % 2]
        with b.at(0, 0, 0, k * math.pi / 2):
            for _ in range(int(rng.integers(0, 4))):
                x, z = float(rng.uniform(-0.42, 0.42)) * length, float(rng.uniform(1.1, 2.0))
                w, h = float(rng.uniform(0.15, 1.0)), float(rng.uniform(0.15, 0.8))
                thick = float(rng.uniform(0.004, 0.05))
                with b.thing("picture"):
                    if rng.random() < 0.6:
                        b.box((x, out - 0.4 * thick, z), (w + 0.06, 0.8 * thick, h + 0.06), p("wood"))
                    b.box((x, out - thick / 2, z), (w, thick, h), p("print", 1.0))
            if rng.random() < 0.3:
                with b.thing("pipe"):
                    x = float(rng.uniform(-0.45, 0.45)) * length
                    b.cylinder((x, out - 0.06, tall / 2), float(rng.uniform(0.015, 0.06)), tall, p("metal"))
    for _ in range(int(rng.integers(0, 4))):
        x, y = float(rng.uniform(-0.4, 0.4)) * long, float(rng.uniform(-0.4, 0.4)) * wide
        with b.thing("ceiling lamp"), b.at(x, y, tall):
            glow = p("paint", tint=(1.0, 0.92, 0.75), emission=float(rng.uniform(0.3, 3.0)))
            kind = rng.random()
            if kind < 0.4:
                drop = float(rng.uniform(0.2, min(1.0, tall - 1.9)))
                b.add(2, (0, 0, -drop / 2), (0.004, 0.004, drop / 2), p("metal"), None, False)
                b.add(3, (0, 0, -drop), (0.22, 0.22, 0.12), p("cloth"), None, False)
            elif kind < 0.7:
                b.box((0, 0, -0.03), (1.2, 0.25, 0.06), glow, shadow=False)
            else:
                b.cylinder((0, 0, -0.04), 0.18, 0.08, glow, shadow=False)


def room_light(b: SceneBuilder, long: float, wide: float, tall: float, lamps: int = 3):
    """Return lights and surroundings of a room: one or two that cast shadows, perhaps weak ones that do not."""
    rng = b.rng
    lights: list[Sun | Lamp] = []

    def colored(power: float) -> tuple[float, float, float]:
        warm = rng.uniform(-0.25, 0.35)
        return float(power * (1 + warm)), float(power), float(power * (1 - warm))

    for k in range(int(rng.integers(1, lamps + 1))):
        at = (float(rng.uniform(-0.4, 0.4)) * long, float(rng.uniform(-0.4, 0.4)) * wide,
              tall - float(rng.uniform(0.12, 0.7)))  # fmt: skip
        power = float(rng.uniform(1.0, 4.5)) * (1.0 if k == 0 else 0.5)
        lights.append(Lamp(at, colored(power), float(rng.uniform(0.02, 0.2)), shadows=k == 0))
    if rng.random() < 0.3:
        angle, up = rng.uniform(0, 2 * math.pi), rng.uniform(0.25, 0.9)
        toward = (math.cos(angle), math.sin(angle), float(up))
        lights.append(Sun(toward, colored(float(rng.uniform(5, 14))), 0.01))
    tone = rng.uniform(0.8, 1.2, 3)
    low, high = rng.uniform(0.15, 0.5), rng.uniform(0.3, 0.8)
    around = Surroundings(
        zenith=tuple(high * tone), horizon=tuple(0.8 * high * tone), ground=tuple(low * tone),
        ambient=float(np.exp(rng.uniform(np.log(0.25), np.log(1.3)))), clouds=0.0,
        occlusion_range=float(rng.uniform(0.4, 1.2)),
    )  # fmt: skip
    return lights, around
