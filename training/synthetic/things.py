"""Things to tell apart: each of a few primitives, standing on z = 0, of a known footprint, with one instance id."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable

from training.synthetic.scene import SceneBuilder, turn
from training.synthetic.worlds.palette import Palette

Maker = Callable[[SceneBuilder, Palette, float], float]


def coat(p: Palette, role: str) -> int:
    """Return a new material for ``role``, most of them in a lively colour, as things people sell are."""
    if p.rng.random() < 0.25:
        return p.new(role)
    hue, saturation, value = (float(p.rng.uniform(low, high)) for low, high in ((0, 1), (0.35, 0.9), (0.25, 0.9)))
    return p.new(role, tint=colorsys.hsv_to_rgb(hue, saturation, value))


def carton(b: SceneBuilder, p: Palette, s: float) -> float:
    """A box of any proportions."""
    x, y, z = (s * float(b.rng.uniform(low, 1.0)) for low in (0.45, 0.4, 0.35))
    b.box((0, 0, z / 2), (x, y, z), coat(p, "box"))
    return math.hypot(x, y) / 2


def book(b: SceneBuilder, p: Palette, s: float) -> float:
    """A thick book lying flat."""
    x, y, z = s * 0.95, s * 0.7, max(0.2 * s, 0.025)
    b.box((0, 0, z / 2), (x, y, z), coat(p, "print"))
    return math.hypot(x, y) / 2


def can(b: SceneBuilder, p: Palette, s: float) -> float:
    """A cylinder, from tin to tube."""
    r, h = s * float(b.rng.uniform(0.2, 0.35)), s * float(b.rng.uniform(0.5, 1.1))
    b.cylinder((0, 0, h / 2), r, h, coat(p, "box"))
    return r


def ball(b: SceneBuilder, p: Palette, s: float) -> float:
    """A ball, or a melon."""
    r = s * float(b.rng.uniform(0.3, 0.45))
    long = float(b.rng.uniform(1.0, 1.35))
    b.ellipsoid((0, 0, r), (r * long, r, r), coat(p, "cloth"))
    return r * long


def bottle(b: SceneBuilder, p: Palette, s: float) -> float:
    """A bottle with shoulders and a neck."""
    r, paint = s * float(b.rng.uniform(0.17, 0.25)), coat(p, "paint")
    b.cylinder((0, 0, 0.35 * s), r, 0.7 * s, paint)
    b.cone((0, 0, 0.85 * s), r, 0.3 * s, paint)
    b.cylinder((0, 0, 0.95 * s), 0.4 * r, 0.3 * s, coat(p, "paint"))
    return r


def mug(b: SceneBuilder, p: Palette, s: float) -> float:
    """A mug with a handle to one side."""
    r, h, paint = 0.32 * s, 0.75 * s, coat(p, "paint")
    b.cylinder((0, 0, h / 2), r, h, paint)
    b.rod((r, 0, 0.2 * h), (1.5 * r, 0, 0.3 * h), 0.09 * s, paint)
    b.rod((1.5 * r, 0, 0.3 * h), (1.5 * r, 0, 0.7 * h), 0.09 * s, paint)
    b.rod((1.5 * r, 0, 0.7 * h), (r, 0, 0.8 * h), 0.09 * s, paint)
    return 1.5 * r + 0.09 * s


def cone(b: SceneBuilder, p: Palette, s: float) -> float:
    """A cone on a plate."""
    r = 0.4 * s
    b.box((0, 0, 0.06 * s), (2 * r, 2 * r, 0.12 * s), coat(p, "paint"))
    b.cone((0, 0, 0.6 * s), 0.8 * r, s, coat(p, "paint"))
    return math.sqrt(2) * r


def step_block(b: SceneBuilder, p: Palette, s: float) -> float:
    """Two boxes as one: a stair, which has a hollow although it is one thing."""
    paint = coat(p, "paint")
    b.box((0, 0, 0.15 * s), (s, 0.6 * s, 0.3 * s), paint)
    b.box((-0.25 * s, 0, 0.5 * s), (0.5 * s, 0.6 * s, 0.4 * s), paint)
    return math.hypot(s, 0.6 * s) / 2


def pot(b: SceneBuilder, p: Palette, s: float) -> float:
    """A round pot with a spout and a knob."""
    r, paint = 0.38 * s, coat(p, "paint")
    b.ellipsoid((0, 0, 0.8 * r), (r, r, 0.8 * r), paint)
    b.rod((0.8 * r, 0, 0.8 * r), (1.4 * r, 0, 1.5 * r), 0.16 * r, paint)
    b.ellipsoid((0, 0, 1.7 * r), 0.2 * r, paint)
    return 1.5 * r


def lamp(b: SceneBuilder, p: Palette, s: float) -> float:
    """A foot, a stand and a shade: thin in the middle."""
    metal = p.new("metal")
    b.cylinder((0, 0, 0.05 * s), 0.28 * s, 0.1 * s, metal)
    b.cylinder((0, 0, 0.5 * s), 0.05 * s, 0.9 * s, metal)
    b.cone((0, 0, 1.0 * s), 0.36 * s, 0.5 * s, coat(p, "cloth"))
    return 0.36 * s


def roll(b: SceneBuilder, p: Palette, s: float) -> float:
    """A cylinder that lies."""
    r, long = 0.22 * s, s
    b.cylinder((0, 0, r), r, long, coat(p, "box"), turn(0, math.pi / 2))
    return math.hypot(long / 2, r)


THINGS: dict[str, Maker] = {
    "carton": carton,
    "book": book,
    "can": can,
    "ball": ball,
    "bottle": bottle,
    "mug": mug,
    "cone": cone,
    "step": step_block,
    "pot": pot,
    "lamp": lamp,
    "roll": roll,
}
