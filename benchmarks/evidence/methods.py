"""Everything that can be measured, behind one interface: our completers as they ship, peers with all their options."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2

import depth_perception
from depth_perception.evaluation import peers
from depth_perception.models import zoo

GAUSSIAN_95 = 1.96


class Entry(NamedTuple):
    """One method with fixed options: ``infer(image, sparse, camera)`` returns depth, or a DepthPrediction.

    ``wide``: how many of its standard deviations it claims to make a 95 % interval.
    """

    method: str
    variant: str
    version: str
    infer: Callable[..., Any]
    wide: float = GAUSSIAN_95


def everything() -> list[str]:
    """Return the names of all methods, ours first."""
    return [*zoo.names(), *peers.families()]


def ours(methods: Sequence[str]) -> list[str]:
    """Return which of ``methods`` are completers of this package; all others are peers."""
    return [name for name in methods if name.split("@")[0] in (*zoo.names(), *LEARNED)]


LEARNED = ("completion-small", "completion-large", "jarrn", "clude")
"""Completers that need weights; named here so that tables are read alike before their weights are there."""


def load(names: Sequence[str]) -> list[Entry]:
    """Resolve completers of the zoo, families of peers and single peers; raises ValueError for anything else."""
    found: list[Entry] = []
    for name in names:
        if name in zoo.names():
            completer = zoo.load(name)
            calibration = getattr(completer, "calibration", None)
            wide = calibration.wide if calibration is not None else GAUSSIAN_95
            found.append(Entry(name, name, completer.version + _weights(name), completer.infer, wide))
        else:
            variants = peers.variants(name) if name in peers.families() else (name,)
            for variant in variants:
                peer = peers.load(variant)
                found.append(Entry(peer.family, variant, f"OpenCV {cv2.__version__}", peer.infer))
    return found


def _weights(name: str) -> str:
    """Tell one training from the next even where the version is the same."""
    file = Path(depth_perception.__file__).parent / "weights" / f"{name}.safetensors"
    return f"+{zlib.crc32(file.read_bytes()):08x}" if file.is_file() else ""
