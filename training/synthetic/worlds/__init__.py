"""Random worlds of every kind, each from one number."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.synthetic.worlds.abstract import build_abstract
from training.synthetic.worlds.corridor import build_corridor
from training.synthetic.worlds.indoor import build_indoor
from training.synthetic.worlds.journey import journey
from training.synthetic.worlds.street import build_street
from training.synthetic.worlds.terrain import build_terrain
from training.synthetic.worlds.warehouse import build_warehouse
from training.synthetic.worlds.world import World

__all__ = ["KINDS", "World", "build_world", "journey"]

# What builds a kind, and its share of all worlds.
KINDS: dict[str, tuple[Callable[[int], World], float]] = {
    "indoor": (build_indoor, 0.45),
    "corridor": (build_corridor, 0.10),
    "warehouse": (build_warehouse, 0.08),
    "street": (build_street, 0.17),
    "terrain": (build_terrain, 0.08),
    "abstract": (build_abstract, 0.12),
}


def build_world(seed: int, kind: str | None = None) -> World:
    """Return the world of that number, of ``kind`` or one drawn from the number; raises KeyError for other kinds."""
    if kind is None:
        names = list(KINDS)
        kind = names[int(np.random.default_rng((seed, 1)).choice(len(names), p=[share for _, share in KINDS.values()]))]
    return KINDS[kind][0](seed)
