"""The networks, in torch. Imported only where one is trained, exported or run by torch."""

from __future__ import annotations

import importlib
from typing import Any

_CLASSES = {
    "refiner": "RefinerNetwork",
    "jarrn": "JarrnNetwork",
    "clude": "CludeNetwork",
    "monocular": "MonocularNetwork",
}


def build(family: str, config: Any):
    """Return a new, untrained ``torch.nn.Module`` of a family; raises ValueError listing the families."""
    if family not in _CLASSES:
        raise ValueError(f"unknown family of networks {family!r}; known: {', '.join(_CLASSES)}")
    module = importlib.import_module(f"depth_perception.models.networks.{family}")
    return getattr(module, _CLASSES[family])(config)
