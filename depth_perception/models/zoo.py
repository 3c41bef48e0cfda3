"""Completers by name: learned ones from the weight files that are shipped, and those that need no weights."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depth_perception.models import backends, families, weights
from depth_perception.models.completer import Completer
from depth_perception.models.diffusion import DiffusionCompleter
from depth_perception.models.fast import FastCompleter
from depth_perception.models.learned import LearnedCompleter
from depth_perception.models.weights import FOLDER, WeightError

# name: family of networks and what it is, in the order of preference
LEARNED = {
    "completion-small": ("refiner", "Learned, for CPUs"),
    "completion-large": ("refiner", "Learned, for GPUs"),
    "jarrn": ("jarrn", "Learned: JARRN, joint absolute-relative relations"),
    "clude": ("clude", "Learned: CluDe, clustering into depth centres"),
}
_WITHOUT_WEIGHTS: dict[str, Callable[[], Completer]] = {"diffusion": DiffusionCompleter, "fast": FastCompleter}

# completion-small of today is not more accurate on the whole and takes three times as long; see docs/completion.md
DEFAULT = "diffusion"


@dataclass(frozen=True)
class Description:
    """What a completer is. ``scale``: of the depth it gives. The rest is empty for those without weights.

    ``parameters``: trained values; ``size``: bytes of the weight file; ``training``: what made it.
    """

    name: str
    version: str
    summary: str
    scale: str = "metric"
    family: str = ""
    parameters: int = 0
    size: int = 0
    file: Path | None = None
    config: Any = None
    training: dict[str, Any] | None = None


def names() -> tuple[str, ...]:
    """Return the names of all completers that are there, the default first."""
    every = (*(name for name in LEARNED if weight_file(name).is_file()), *_WITHOUT_WEIGHTS)
    return (DEFAULT, *(name for name in every if name != DEFAULT))


def weight_file(name: str) -> Path:
    """Return where the weights of a learned completer are shipped."""
    return FOLDER / f"{name}.safetensors"


def load(name: str, backend: str = "auto", device: str = "auto", file: Path | str | None = None) -> Completer:
    """Return a new completer.

    ``backend`` and ``device``: what runs a learned one, see ``backends.make_runner``. ``file``: weights to use instead
    of the shipped ones, of the same family.

    Raises ValueError listing the names for an unknown one, WeightError (a ValueError) for a file that cannot be used,
    FileNotFoundError, ImportError naming what to install if nothing here can run a network.
    """
    backends.check_choice(backend, device)
    if name in _WITHOUT_WEIGHTS:
        if file:
            raise ValueError(f"{name} has no weights, so it takes no file ({file})")
        return _WITHOUT_WEIGHTS[name]()
    loaded = read_weights(name, file)
    run = backends.make_runner(loaded, backend, device)
    method = families.method(loaded.family, loaded.config)
    return LearnedCompleter(name, loaded.version, method, run, loaded.calibration)


def read_weights(name: str, file: Path | str | None = None) -> weights.Weights:
    """Return the weights of a learned completer, shipped or from ``file``; raises as ``load`` does."""
    path = _file(name, file)
    return weights.read(path, LEARNED[name][0])


def describe(name: str, file: Path | str | None = None) -> Description:
    """Return what a completer is without loading it; raises as ``load`` does."""
    if name in _WITHOUT_WEIGHTS:
        kind = _WITHOUT_WEIGHTS[name]
        return Description(name, kind().version, (inspect.getdoc(kind) or "").partition("\n")[0])
    info = weights.inspect(_file(name, file), LEARNED[name][0])
    return Description(
        name,
        info.version,
        LEARNED[name][1],
        family=info.family,
        parameters=info.parameters,
        size=info.size,
        file=info.file,
        config=info.config,
        training=info.training,
    )


def _file(name: str, file: Path | str | None) -> Path:
    if name in _WITHOUT_WEIGHTS:
        raise ValueError(f"{name} has no weights")
    if name not in LEARNED:
        raise ValueError(f"unknown completer {name!r}; known: {', '.join(names())}")
    if file:
        return Path(file)
    if not weight_file(name).is_file():
        raise WeightError(
            f"no weights of {name!r} are shipped: {weight_file(name)} is missing; to train them, type: make weights"
        )
    return weight_file(name)
