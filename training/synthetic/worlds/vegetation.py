"""Trees, bushes, tufts of grass and rocks."""

from __future__ import annotations

import math

import numpy as np

from training.synthetic.scene import SceneBuilder, turn
from training.synthetic.worlds.palette import Palette


def any_turn(rng: np.random.Generator) -> np.ndarray:
    """Return a rotation (3, 3), nearly uniform over all."""
    return turn(rng.uniform(0, 2 * math.pi), math.asin(rng.uniform(-1, 1)), rng.uniform(0, 2 * math.pi))


def tree(b: SceneBuilder, p: Palette, tall: float) -> None:
    """A conifer of cones, a bare tree of branches, or a leafy crown of clusters with gaps between them."""
    rng = b.rng
    bark, leaf = p("bark"), p("leaf")
    kind, r = rng.random(), tall * float(rng.uniform(0.015, 0.035))
    with b.thing("tree"):
        if kind < 0.22:
            b.cylinder((0, 0, 0.15 * tall), r, 0.3 * tall, bark)
            for k in range(4):
                size = tall * (0.24 - 0.045 * k)
                b.cone((0, 0, tall * (0.35 + 0.18 * k)), size, 0.34 * tall, leaf)
            return
        lean = 0.06 * tall * rng.normal(size=2)
        fork = np.array([*lean, tall * rng.uniform(0.3, 0.5)])
        b.rod((0, 0, -0.1), fork, r, bark)
        bare = kind > 0.8
        size, spread_of_leaves = tall * float(rng.uniform(0.05, 0.14)), tall * float(rng.uniform(0.04, 0.12))
        for _ in range(int(rng.integers(5, 12))):
            angle, spread = rng.uniform(0, 2 * math.pi), tall * rng.uniform(0.1, 0.32)
            out = np.array([math.cos(angle) * spread, math.sin(angle) * spread, tall * rng.uniform(0.1, 0.5)])
            tip = fork + out
            b.rod(fork, tip, 0.45 * r, bark)
            if bare:
                for _ in range(4):
                    twig = tip + 0.12 * tall * rng.normal(size=3)
                    b.rod(fork + rng.uniform(0.4, 1.0) * (tip - fork), twig, 0.16 * r, bark)
            else:
                for _ in range(int(rng.integers(2, 6))):
                    at = tip + spread_of_leaves * rng.normal(size=3)
                    b.ellipsoid(at, size * rng.uniform(0.3, 1.0, 3), leaf, any_turn(rng))


def bush(b: SceneBuilder, p: Palette, size: float) -> None:
    """A bush of lumps and a few twigs."""
    rng, leaf = b.rng, p("leaf")
    lump = size * float(rng.uniform(0.12, 0.4))
    with b.thing("bush"):
        for _ in range(int(rng.integers(4, 14))):
            at = size * np.array([*rng.uniform(-0.4, 0.4, 2), rng.uniform(0.1, 0.7)])
            b.ellipsoid(at, lump * rng.uniform(0.5, 1.0, 3), leaf, any_turn(rng))
        for _ in range(int(rng.integers(0, 6))):
            tip = size * np.array([*rng.uniform(-0.8, 0.8, 2), rng.uniform(0.5, 1.3)])
            b.rod((0, 0, 0), tip, 0.008 * size + 0.001, leaf)


def tuft(b: SceneBuilder, p: Palette, size: float) -> None:
    """A tuft of grass: thin cones that bend outwards."""
    rng, leaf = b.rng, p("leaf")
    with b.thing("grass"):
        for _ in range(int(rng.integers(4, 12))):
            angle, lean = rng.uniform(0, 2 * math.pi), rng.uniform(0.0, 0.7)
            length = size * rng.uniform(0.5, 1.0)
            rotation = turn(angle, lean, 0)
            b.cone(rotation[:, 2] * length / 2, 0.012 * size + 0.002, length, leaf, rotation)


def rock(b: SceneBuilder, p: Palette, size: float) -> None:
    """A rock of one to three lumps, half buried."""
    rng, m = b.rng, p("rock")
    with b.thing("rock"):
        for _ in range(int(rng.integers(1, 4))):
            at, half = 0.35 * size * rng.normal(size=3) * (1, 1, 0.2), size * rng.uniform(0.2, 0.5, 3)
            if rng.random() < 0.6:
                b.ellipsoid(at, half, m, any_turn(rng))
            else:
                b.box(at, 1.6 * half, m, rotation=any_turn(rng))
