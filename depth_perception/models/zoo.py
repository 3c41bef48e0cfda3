"""Completers by name."""

from __future__ import annotations

from depth_perception.models.completer import Completer
from depth_perception.models.diffusion import DiffusionCompleter
from depth_perception.models.fast import FastCompleter

_COMPLETERS: dict[str, type] = {"diffusion": DiffusionCompleter, "fast": FastCompleter}


def names() -> tuple[str, ...]:
    """Return the names of all completers, the default first."""
    return tuple(_COMPLETERS)


def load(name: str) -> Completer:
    """Return a new completer; raises ValueError listing the names for an unknown one."""
    if name not in _COMPLETERS:
        raise ValueError(f"unknown completer {name!r}; known: {', '.join(names())}")
    return _COMPLETERS[name]()
