"""Furniture of random measures. Every piece stands on z = 0, its back at y = 0, and reaches to y < 0.

Each function returns the piece's width and depth in metres.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from training.synthetic.scene import SceneBuilder, turn
from training.synthetic.worlds.clutter import box_pile, plant, scatter, small_thing
from training.synthetic.worlds.palette import Palette

Size = tuple[float, float]


def _legs(b: SceneBuilder, m: int, wide: float, deep: float, tall: float, thick: float, y: float = 0.0) -> None:
    round_legs = b.rng.random() < 0.5
    for sx in (-1, 1):
        for sy in (-1, 1):
            at = (sx * (wide / 2 - thick), y + sy * (deep / 2 - thick), tall / 2)
            if round_legs:
                b.cylinder(at, thick / 2, tall, m)
            else:
                b.box(at, (thick, thick, tall), m)


def table(b: SceneBuilder, p: Palette) -> Size:
    """A table with things on it, perhaps round, perhaps with a drawer block."""
    rng = b.rng
    wide, deep, tall = float(rng.uniform(0.6, 2.2)), float(rng.uniform(0.5, 1.0)), float(rng.uniform(0.4, 0.95))
    thick, leg = float(rng.uniform(0.015, 0.06)), float(rng.uniform(0.02, 0.07))
    with b.thing("table"):
        top = p("wood")
        if rng.random() < 0.25:
            b.cylinder((0, -deep / 2, tall), deep / 2, thick, top)
            b.cylinder((0, -deep / 2, tall / 2), leg, tall, p("metal"))
            b.cylinder((0, -deep / 2, 0.02), 0.5 * deep * 0.7, 0.04, p("metal"))
            wide = deep
        else:
            b.box((0, -deep / 2, tall), (wide, deep, thick), top)
            _legs(b, p("metal" if rng.random() < 0.5 else "wood"), wide * 0.96, deep * 0.94, tall, leg, -deep / 2)
            if rng.random() < 0.3:
                b.box((wide * 0.3, -deep / 2, tall * 0.55), (0.4, deep * 0.8, tall * 0.8), p("wood"))
    scatter(b, p, 0, -deep / 2, tall + thick / 2, (0.7 * wide, 0.8 * deep), int(rng.integers(0, 9)), 0.35)
    return wide, deep


def chair(b: SceneBuilder, p: Palette) -> Size:
    """A chair on four thin legs, or an office chair on a star of castors."""
    rng = b.rng
    s, seat, tall = (float(rng.uniform(*r)) for r in ((0.38, 0.55), (0.4, 0.52), (0.75, 1.15)))
    with b.thing("chair"):
        cloth, frame = p("cloth"), p("metal" if rng.random() < 0.5 else "wood")
        y = -s / 2
        thick = float(rng.uniform(0.02, 0.09))
        b.box((0, y, seat), (s, s, thick), cloth)
        if rng.random() < 0.35:
            b.cylinder((0, y, seat / 2), 0.03, seat, frame)
            for k in range(5):
                angle = 2 * math.pi * k / 5 + 0.3
                tip = (0.3 * math.cos(angle), y + 0.3 * math.sin(angle), 0.05)
                b.rod((0, y, 0.1), tip, 0.018, frame)
                b.ellipsoid((tip[0], tip[1], 0.03), 0.03, frame)
        else:
            leg = float(rng.uniform(0.015, 0.045))
            _legs(b, frame, s, s, seat, leg, y)
        back = turn(0, 0, float(rng.uniform(0, 0.2)))
        if rng.random() < 0.5:
            b.box((0, -0.02, (seat + tall) / 2), (s, 0.03, tall - seat), cloth, rotation=back)
        else:
            count = int(rng.integers(2, 7))
            for x in np.linspace(-s / 2 + 0.02, s / 2 - 0.02, count):
                b.rod((x, -0.02, seat), (x, 0.0, tall), 0.011, frame)
            b.box((0, 0, tall), (s, 0.025, 0.07), frame)
    return s, s


def shelf(b: SceneBuilder, p: Palette) -> Size:
    """An open shelf full of books, boxes and things."""
    rng = b.rng
    wide, deep, tall = (float(rng.uniform(*r)) for r in ((0.5, 2.0), (0.22, 0.45), (0.8, 2.3)))
    levels = np.linspace(0.05, tall, int(rng.integers(3, 7)))
    board = float(rng.uniform(0.012, 0.035))
    with b.thing("shelf"):
        m = p("wood")
        for x in (-wide / 2, wide / 2):
            b.box((x, -deep / 2, tall / 2), (board, deep, tall), m)
        for z in levels:
            b.box((0, -deep / 2, z), (wide, deep, board), m)
        if rng.random() < 0.7:
            b.box((0, -0.005, tall / 2), (wide, 0.01, tall), m)
    gap = float(levels[1] - levels[0])
    full = float(rng.uniform(0.1, 0.95))
    for z in levels[:-1]:
        x = -wide / 2 + 0.03
        while x < wide / 2 - 0.08:
            if rng.random() > full:
                x += float(rng.uniform(0.03, 0.2))
                continue
            if rng.random() < 0.8:
                group = int(rng.integers(1, 6))  # books alike are one primitive
                w = min(0.03 * group, wide / 2 - x - 0.02)
                h, d = gap * float(rng.uniform(0.5, 0.85)), deep * float(rng.uniform(0.55, 0.9))
                with b.thing("books"):
                    b.box((x + w / 2, -d / 2 - 0.02, z + board / 2 + h / 2), (w, d, h), p("box", 0.4))
                x += w + 0.004
            else:
                with b.at(x + 0.07, -deep / 2, z + board / 2):
                    small_thing(b, p, min(0.9 * gap, 0.14))
                x += 0.15
    if rng.random() < 0.5:
        scatter(b, p, 0, -deep / 2, tall + board / 2, (0.7 * wide, 0.2), int(rng.integers(1, 4)), 0.3)
    return wide, deep


def cupboard(b: SceneBuilder, p: Palette) -> Size:
    """A cupboard with doors or drawers and handles."""
    rng = b.rng
    wide, deep, tall = (float(rng.uniform(*r)) for r in ((0.4, 2.0), (0.35, 0.65), (0.5, 2.2)))
    with b.thing("cupboard"):
        body, front = p("wood"), p("wood")
        foot = float(rng.choice([0.0, 0.1]))
        b.box((0, -deep / 2, foot + tall / 2), (wide, deep, tall), body)
        if foot:
            _legs(b, p("metal"), wide, deep, foot, 0.04, -deep / 2)
        columns, rows = max(1, round(wide / 0.5)), int(rng.integers(1, 5))
        w, h = wide / columns, tall / rows
        for i in range(columns):
            for j in range(rows):
                x, z = -wide / 2 + (i + 0.5) * w, foot + (j + 0.5) * h
                b.box((x, -deep - 0.008, z), (w - 0.012, 0.018, h - 0.012), front)
                if rng.random() < 0.8:
                    b.box((x, -deep - 0.035, z + 0.3 * h), (0.12, 0.02, 0.015), p("metal"))
    scatter(b, p, 0, -deep / 2, foot + tall, (0.8 * wide, 0.6 * deep), int(rng.integers(0, 5)), 0.35)
    return wide, deep


def counter(b: SceneBuilder, p: Palette) -> Size:
    """A kitchen counter with wall cupboards, a hood, taps and things on it."""
    rng = b.rng
    wide, deep, tall = float(rng.uniform(1.5, 3.6)), float(rng.uniform(0.55, 0.7)), float(rng.uniform(0.85, 0.95))
    body, front, top = p("wood"), p("wood"), p("rock" if rng.random() < 0.5 else "wood")
    columns = max(2, round(wide / 0.6))
    w = wide / columns
    with b.thing("counter"):
        b.box((0, -deep / 2 + 0.02, tall / 2 + 0.04), (wide, deep - 0.04, tall - 0.08), body)
        b.box((0, -deep / 2, tall), (wide + 0.02, deep + 0.02, 0.04), top)
        for i in range(columns):
            x = -wide / 2 + (i + 0.5) * w
            b.box((x, -deep + 0.01, tall / 2 + 0.04), (w - 0.01, 0.02, tall - 0.14), front)
            b.box((x, -deep - 0.02, tall - 0.13), (0.6 * w, 0.015, 0.015), p("metal"))
    with b.thing("wall cupboard"):
        low, high = float(rng.uniform(1.35, 1.5)), float(rng.uniform(2.0, 2.25))
        hood = int(rng.integers(columns))
        for i in range(columns):
            x = -wide / 2 + (i + 0.5) * w
            if i == hood:
                b.box((x, -0.2, low + 0.1), (w * 0.95, 0.45, 0.08), p("metal"))
                b.box((x, -0.12, (low + high) / 2 + 0.1), (0.25, 0.22, high - low), p("metal"))
            elif rng.random() < 0.85:
                b.box((x, -0.17, (low + high) / 2), (w - 0.01, 0.34, high - low), front)
                b.cylinder((x + 0.35 * w, -0.36, low + 0.12), 0.008, 0.12, p("metal"))
    with b.thing("tap"):
        x = float(rng.uniform(-0.4, 0.4)) * wide
        metal = p("metal")
        b.rod((x, -0.1, tall), (x, -0.1, tall + 0.3), 0.014, metal)
        b.rod((x, -0.1, tall + 0.3), (x, -0.28, tall + 0.25), 0.012, metal)
    scatter(b, p, 0, -deep / 2, tall + 0.02, (0.95 * wide, 0.8 * deep), int(rng.integers(3, 12)), 0.3)
    if rng.random() < 0.7:
        with b.at(wide / 2 + 0.35), b.thing("fridge"):
            h = float(rng.uniform(1.4, 2.0))
            m = p("paint")
            b.box((0, -0.33, h / 2), (0.6, 0.62, h), m)
            b.box((0, -0.66, h * 0.35), (0.59, 0.05, h * 0.66), m)
            b.box((-0.25, -0.7, h * 0.4), (0.025, 0.04, 0.5), p("metal"))
    return wide + 1.4, deep


def desk(b: SceneBuilder, p: Palette) -> Size:
    """A desk with monitors, keyboard, papers, drawers and an office chair before it."""
    rng = b.rng
    wide, deep, tall = (float(rng.uniform(*r)) for r in ((1.0, 2.0), (0.6, 0.9), (0.68, 0.78)))
    with b.thing("desk"):
        b.box((0, -deep / 2, tall), (wide, deep, 0.03), p("wood"))
        _legs(b, p("metal"), wide, deep, tall, float(rng.uniform(0.03, 0.07)), -deep / 2)
        if rng.random() < 0.6:
            b.box((wide / 2 - 0.25, -deep / 2, 0.3), (0.42, 0.5, 0.58), p("wood"))
    for k in range(int(rng.integers(1, 4))):
        x = (k - 0.7) * 0.58 + 0.1 * float(rng.normal())
        if abs(x) > wide / 2 - 0.2:
            continue
        size, yaw = float(rng.uniform(0.4, 0.62)), 0.25 * float(rng.normal())
        with b.thing("monitor"), b.at(x, -0.25, tall + 0.015, yaw):
            dark = p("paint", tint=(0.03, 0.03, 0.035))
            b.box((0, 0, 0.12 + size * 0.3), (size, 0.03, size * 0.6), dark)
            screen = (
                p("print", emission=0.8) if rng.random() < 0.4 else p("paint", tint=(0.02, 0.02, 0.02), mirror=0.06)
            )
            b.box((0, -0.017, 0.12 + size * 0.3), (size * 0.96, 0.004, size * 0.55), screen)
            b.box((0, 0.03, 0.1), (0.06, 0.02, 0.22), dark)
            b.cylinder((0, 0.0, 0.008), 0.11, 0.016, dark)
    with b.thing("keyboard"):
        b.box((0, -deep * 0.72, tall + 0.025), (0.42, 0.14, 0.018), p("paint"), yaw=0.1 * rng.normal())
        b.ellipsoid((0.32, -deep * 0.72, tall + 0.03), (0.03, 0.05, 0.018), p("paint"))
    scatter(b, p, 0, -deep / 2, tall + 0.016, (0.9 * wide, 0.8 * deep), int(rng.integers(1, 8)), 0.25)
    with b.at(0.3 * float(rng.normal()), -deep - 0.1, 0, float(rng.normal(3.0, 0.6))):
        chair(b, p)
    return wide, deep + 0.5


def sofa(b: SceneBuilder, p: Palette) -> Size:
    """A sofa or an armchair with cushions."""
    rng = b.rng
    wide, deep = float(rng.uniform(0.8, 2.5)), float(rng.uniform(0.75, 1.0))
    seat, tall, arm = (float(rng.uniform(*r)) for r in ((0.35, 0.48), (0.65, 0.95), (0.08, 0.25)))
    with b.thing("sofa"):
        m = p("cloth")
        b.box((0, -deep / 2, seat / 2 + 0.03), (wide, deep, seat - 0.06), m)
        b.box((0, -0.12, (tall + seat) / 2), (wide, 0.22, tall - seat + 0.1), m, rotation=turn(0, 0, 0.12))
        for sx in (-1, 1):
            b.box((sx * (wide - arm) / 2, -deep / 2, 0.3), (arm, deep, 0.6), m)
            if rng.random() < 0.5:
                b.cylinder((sx * (wide - arm) / 2, -deep / 2, 0.6), arm / 2, deep, m, turn(0, 0, math.pi / 2))
        count = max(1, round((wide - 2 * arm) / 0.7))
        w = (wide - 2 * arm) / count
        for k in range(count):
            b.box((-wide / 2 + arm + (k + 0.5) * w, -deep / 2 - 0.04, seat + 0.03), (w - 0.01, deep - 0.15, 0.14), m)
    for _ in range(int(rng.integers(0, 4))):
        with b.thing("cushion"):
            x = float(rng.uniform(-0.35, 0.35)) * wide
            b.ellipsoid((x, -0.33, seat + 0.26), (0.23, 0.1, 0.2), p("cloth", 0.5), turn(0.3 * rng.normal(), 0, 0.35))
    return wide, deep


def bed(b: SceneBuilder, p: Palette) -> Size:
    """A bed with pillows and a blanket of soft lumps."""
    rng = b.rng
    wide, deep, tall = float(rng.uniform(0.9, 1.9)), float(rng.uniform(1.9, 2.2)), float(rng.uniform(0.35, 0.6))
    with b.thing("bed"):
        b.box((0, -deep / 2, tall * 0.45), (wide, deep, tall * 0.5), p("wood"))
        b.box((0, -deep / 2, tall * 0.85), (wide * 0.97, deep * 0.97, tall * 0.3), p("cloth"))
        b.box((0, -0.03, tall), (wide, 0.06, 2 * tall), p("wood"))
        cover = p("cloth")
        b.box((0, -deep * 0.62, tall * 1.02), (wide * 1.02, deep * 0.7, tall * 0.12), cover)
        for _ in range(int(rng.integers(1, 7))):
            at = (rng.uniform(-0.4, 0.4) * wide, -deep * rng.uniform(0.4, 0.9), tall * 1.02)
            b.ellipsoid(at, (*rng.uniform(0.15, 0.45, 2), rng.uniform(0.05, 0.16)), cover, turn(rng.uniform(0, 3)))
        for x in (-wide / 4, wide / 4):
            b.ellipsoid((x, -0.28, tall * 1.05), (wide * 0.21, 0.2, 0.09), p("cloth"), turn(0.2 * rng.normal()))
    return wide, deep


def stand(b: SceneBuilder, p: Palette) -> Size:
    """Something narrow: a floor lamp, a plant, a coat stand, a bin, a pile of cartons, a ladder."""
    rng = b.rng
    kind = int(rng.integers(6))
    with b.thing("stand"), b.at(0, -0.3):
        metal = p("metal")
        if kind == 0:
            tall = float(rng.uniform(1.3, 1.9))
            b.cylinder((0, 0, 0.02), 0.16, 0.04, metal)
            b.cylinder((0, 0, tall / 2), 0.013, tall, metal)
            b.cone((0, 0, tall), float(rng.uniform(0.15, 0.3)), 0.3, p("cloth", emission=float(rng.uniform(0, 1.2))))
        elif kind == 1:
            plant(b, p, float(rng.uniform(0.5, 1.9)))
        elif kind == 2:
            tall = float(rng.uniform(1.5, 1.9))
            b.rod((0, 0, 0), (0, 0, tall), 0.02, metal)
            for k in range(6):
                angle = k * math.pi / 3
                up = (0.25 * math.cos(angle), 0.25 * math.sin(angle))
                b.rod((0, 0, 0.2 if k % 2 else tall - 0.15), (*up, 0.0 if k % 2 else tall), 0.012, metal)
            for _ in range(int(rng.integers(0, 4))):
                at = (0.12 * rng.normal(), 0.12 * rng.normal(), tall - 0.5)
                b.ellipsoid(at, (0.12, 0.2, 0.45), p("cloth", 0.6), turn(rng.uniform(0, 3)))
        elif kind == 3:
            b.cylinder((0, 0, 0.3), float(rng.uniform(0.12, 0.3)), 0.6, p("paint"))
        elif kind == 4:
            box_pile(b, p, float(rng.uniform(0.3, 0.7)))
        else:
            tall, lean = float(rng.uniform(1.2, 2.2)), 0.35
            for x in (-0.2, 0.2):
                b.rod((x, -lean, 0), (x, 0.1, tall), 0.018, metal)
            for s in np.linspace(0.1, 0.9, int(tall / 0.28)):
                y = -lean + s * (lean + 0.1)
                b.rod((-0.2, y, s * tall), (0.2, y, s * tall), 0.014, metal)
    return 0.6, 0.6


Piece = Callable[[SceneBuilder, Palette], Size]
