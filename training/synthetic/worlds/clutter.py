"""Small things: what lies on tables, floors and shelves, built of a few primitives each."""

from __future__ import annotations

import math

import numpy as np

from training.synthetic.scene import SceneBuilder, turn
from training.synthetic.worlds.palette import Palette


def small_thing(b: SceneBuilder, p: Palette, reach: float) -> None:
    """Put one thing of about ``reach`` metres on the plane z = 0 around the origin."""
    rng = b.rng
    kind = int(rng.integers(9))
    s = reach * float(rng.uniform(0.45, 1.0))
    yaw = float(rng.uniform(0, math.pi))
    with b.thing("clutter"):
        if kind == 0:  # a box, perhaps leaning
            size = s * rng.uniform(0.25, 1.0, 3)
            b.box((0, 0, size[2] / 2), size, p("box"), yaw=yaw)
        elif kind == 1:  # a stack of books or papers
            z = 0.0
            for _ in range(int(rng.integers(1, 6))):
                thick = s * float(rng.uniform(0.04, 0.16))
                sheet = (s * rng.uniform(0.7, 1), s * rng.uniform(0.5, 0.75), thick)
                b.box((0, 0, z + thick / 2), sheet, p("box", 0.5), yaw=yaw + 0.4 * rng.normal())
                z += thick
        elif kind == 2:  # a bottle
            r = s * float(rng.uniform(0.12, 0.22))
            m = p("paint")
            b.cylinder((0, 0, 0.32 * s), r, 0.64 * s, m)
            b.cone((0, 0, 0.75 * s), r, 0.26 * s, m)
            b.cylinder((0, 0, 0.84 * s), 0.35 * r, 0.3 * s, p("paint"))
        elif kind == 3:  # a cup or a pot
            r = s * float(rng.uniform(0.25, 0.45))
            b.cylinder((0, 0, 0.35 * s), r, 0.7 * s, p("paint"))
            if rng.random() < 0.5:
                b.cylinder((r, 0, 0.35 * s), 0.25 * s, 0.05 * s, p("paint"), turn(0, 0, math.pi / 2))
        elif kind == 4:  # a ball or a fruit bowl
            b.ellipsoid((0, 0, 0.3 * s), s * rng.uniform(0.25, 0.45, 3) * (1, 1, 0.67), p("cloth"))
        elif kind == 5:  # a potted plant
            plant(b, p, s * 1.6)
        elif kind == 6:  # a lamp
            b.cylinder((0, 0, 0.03 * s), 0.3 * s, 0.06 * s, p("metal"))
            b.cylinder((0, 0, 0.5 * s), 0.035 * s, s, p("metal"))
            b.cone((0, 0, 1.05 * s), 0.4 * s, 0.45 * s, p("cloth"))
        elif kind == 7:  # a tilted frame or screen on a foot
            b.box((0, 0, 0.5 * s), (0.06 * s, 0.9 * s, 0.65 * s), p("print"), rotation=turn(yaw, -0.2, 0))
            b.box((0, 0, 0.1 * s), (0.25 * s, 0.2 * s, 0.2 * s), p("paint"), yaw=yaw)
        else:  # a few rods in a holder
            b.cylinder((0, 0, 0.2 * s), 0.18 * s, 0.4 * s, p("paint"))
            for _ in range(int(rng.integers(2, 6))):
                tip = np.array([0.25 * rng.normal() * s, 0.25 * rng.normal() * s, s * rng.uniform(0.6, 1.0)])
                b.rod((0, 0, 0.2 * s), tip, 0.02 * s + 0.001, p("paint"))


def plant(b: SceneBuilder, p: Palette, tall: float) -> None:
    """Put a potted plant: blades or a crown of leaves."""
    rng = b.rng
    pot = tall * float(rng.uniform(0.2, 0.35))
    b.cylinder((0, 0, pot / 2), 0.5 * pot, pot, p("paint"))
    leaf = p("leaf")
    for _ in range(int(rng.integers(6, 16))):
        angle, lean = rng.uniform(0, 2 * math.pi), rng.uniform(0.1, 0.9)
        out = np.array([math.cos(angle) * lean, math.sin(angle) * lean, 1.0])
        length = (tall - pot) * float(rng.uniform(0.5, 1.0))
        tip = (0, 0, pot) + out / np.linalg.norm(out) * length
        if rng.random() < 0.6:
            b.rod((0, 0, pot * 0.9), tip, 0.006 * tall + 0.001, leaf)
        size = tall * rng.uniform(0.04, 0.12)
        b.ellipsoid(tip, (size, size * 0.5, size * 0.15), leaf, turn(angle, rng.uniform(-0.8, 0.8), rng.uniform(-1, 1)))


def scatter(b: SceneBuilder, p: Palette, x: float, y: float, z: float, wide, count: int, reach: float) -> None:
    """Scatter ``count`` small things over a rectangle ``wide`` (x, y) around (x, y) at height z."""
    for _ in range(count):
        dx, dy = (float(b.rng.uniform(-0.5, 0.5)) * max(w - 0.6 * reach, 0.02) for w in wide)
        with b.at(x + dx, y + dy, z, float(b.rng.uniform(0, 2 * math.pi))):
            small_thing(b, p, reach * float(np.exp(b.rng.uniform(-0.9, 0.1))))


def box_pile(b: SceneBuilder, p: Palette, reach: float) -> None:
    """Stack cartons of about ``reach`` metres, turned a little against each other."""
    rng = b.rng
    z = 0.0
    for _ in range(int(rng.integers(1, 5))):
        size = reach * rng.uniform(0.4, 1.0, 3)
        with b.thing("carton"):
            b.box((0.1 * reach * rng.normal(), 0.1 * reach * rng.normal(), z + size[2] / 2), size, p("box", 0.5),
                  yaw=0.3 * rng.normal())  # fmt: skip
        z += size[2]
