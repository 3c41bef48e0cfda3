"""Everything that can be measured, behind one interface: our completers as they ship, peers with all their options."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2

from depth_perception.evaluation import peers
from depth_perception.models import backends, zoo

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


def base(name: str) -> str:
    """Return the completer behind ``NAME@FILE``, weights of NAME that are not the shipped ones, or the name itself."""
    return name.partition("@")[0]


def ours(methods: Sequence[str]) -> list[str]:
    """Return which of ``methods`` are completers of this package, learned or not; all others are peers."""
    return [name for name in methods if base(name) in (*zoo.LEARNED, *zoo.names())]


def learned(methods: Sequence[str]) -> list[str]:
    """Return which of ``methods`` need weights."""
    return [name for name in methods if base(name) in zoo.LEARNED]


def load(names: Sequence[str]) -> list[Entry]:
    """Resolve completers of the zoo, NAME@FILE, families of peers and single peers.

    A completer with weights from a file is called NAME@STEM. Raises ValueError for anything else.
    """
    found: list[Entry] = []
    for name in names:
        if name in zoo.names() or "@" in name:
            found.append(_completer(name))
        else:
            variants = peers.variants(name) if name in peers.families() else (name,)
            for variant in variants:
                peer = peers.load(variant)
                found.append(Entry(peer.family, variant, f"OpenCV {cv2.__version__}", peer.infer))
    return found


def _completer(name: str, **choices: Any) -> Entry:
    """Load one of ours; ``choices`` go to the zoo. The version tells one training from the next by its file."""
    kind, _, path = name.partition("@")
    file = Path(path) if path else zoo.weight_file(kind)
    completer = zoo.load(kind, file=path or None, **choices)
    calibration = getattr(completer, "calibration", None)
    wide = calibration.wide if calibration is not None else GAUSSIAN_95
    version = completer.version + (f"+{zlib.crc32(file.read_bytes()):08x}" if file.is_file() else "")
    label = f"{kind}@{file.stem}" if path else kind
    infer = _when_compiled(completer) if choices.get("backend") == "compiled" else completer.infer
    return Entry(label, label, version, infer, wide)


def by_backend(name: str) -> dict[str, Entry]:
    """Return a learned completer run by each backend that works here, by the backend's name.

    What ``compiled`` answers first, by plain torch, takes until everything is compiled; it fails where that does.
    """
    found = {}
    for backend in backends.BACKENDS[1:]:
        if backends.why_not(backend) is None:
            try:
                found[backend] = _completer(name, backend=backend)
            except (ImportError, RuntimeError, ValueError) as error:
                print(f"{name} cannot run by {backend}: {error}")
    return found


def _when_compiled(completer: Any) -> Callable[..., Any]:
    """Return ``completer.infer`` that never leaves before its network is compiled for what it was asked."""

    def infer(*arguments: Any) -> Any:
        answer = completer.infer(*arguments)
        completer.run.wait()
        if completer.run.problem:
            raise RuntimeError(completer.run.problem)
        return answer

    return infer
