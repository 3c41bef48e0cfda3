"""Families of learned completers and estimators by name: their configuration and their NumPy side."""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any

from depth_perception.models.learned import Method

_CLASSES = {
    "refiner": ("depth_perception.models.refiner", "RefinerConfig", "RefinerMethod"),
    "jarrn": ("depth_perception.models.jarrn", "JarrnConfig", "JarrnMethod"),
    "clude": ("depth_perception.models.clude", "CludeConfig", "CludeMethod"),
    "monocular": ("depth_perception.models.monocular", "MonocularConfig", "MonocularMethod"),
}


def names() -> tuple[str, ...]:
    """Return the names of all families."""
    return tuple(_CLASSES)


def configuration(family: str, values: dict[str, Any] | None = None) -> Any:
    """Return a family's configuration with ``values`` over its defaults; lists become tuples, as JSON has none.

    Raises ValueError naming the family or the keys that are not known.
    """
    if family not in _CLASSES:
        raise ValueError(f"unknown family of networks {family!r}; known: {', '.join(_CLASSES)}")
    module, config, _ = _CLASSES[family]
    kind = getattr(importlib.import_module(module), config)
    known = [field.name for field in dataclasses.fields(kind)]
    unknown = sorted(set(values or {}) - set(known))
    if unknown:
        raise ValueError(f"{family} has no setting {', '.join(unknown)}; it has {', '.join(known)}")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in (values or {}).items()})


def method(family: str, config: Any) -> Method:
    """Return the NumPy side of a family for ``config``, as ``configuration`` makes it."""
    module, _, kind = _CLASSES[family]
    made: Method = getattr(importlib.import_module(module), kind)(config)
    return made
