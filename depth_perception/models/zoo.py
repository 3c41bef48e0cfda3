"""Completers and estimators by name: from the weight files that are shipped, and those that need no weights."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depth_perception.frames import ScaleKind
from depth_perception.models import backends, families, weights
from depth_perception.models.completer import Completer
from depth_perception.models.diffusion import DiffusionCompleter
from depth_perception.models.estimator import LearnedEstimator
from depth_perception.models.fast import FastCompleter
from depth_perception.models.learned import LearnedCompleter
from depth_perception.models.weights import FOLDER, WeightError

# name: family of networks and what it is, in the order of preference
LEARNED = {
    "completion-small": ("refiner", "Learned, for CPUs"),
    "completion-large": ("refiner", "Learned, for GPUs, with what estimation-small sees"),
    "jarrn": ("jarrn", "Learned: JARRN, joint absolute-relative relations"),
    "clude": ("clude", "Learned: CluDe, clustering into depth centres"),
}
# the same for depth from images alone
ESTIMATORS = {
    "estimation-small": ("monocular", "Learned from video: GAM-Depth, for CPUs"),
    "estimation-large": ("monocular", "Learned from video: GAM-Depth, for GPUs"),
}
_WITHOUT_WEIGHTS: dict[str, Callable[[], Completer]] = {"diffusion": DiffusionCompleter, "fast": FastCompleter}

DEFAULT, DEFAULT_WITHOUT_WEIGHTS = "completion-small", "diffusion"


@dataclass(frozen=True)
class Description:
    """What a completer or estimator is. ``scale``: of the depth it gives. The rest is empty without weights.

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
    first = DEFAULT if DEFAULT in every else DEFAULT_WITHOUT_WEIGHTS
    return (first, *(name for name in every if name != first))


def estimators() -> tuple[str, ...]:
    """Return the names of all estimators whose weights are shipped, in the order of preference; there may be none."""
    return tuple(name for name in ESTIMATORS if weight_file(name).is_file())


def weight_file(name: str) -> Path:
    """Return where the weights of a learned completer or estimator are shipped."""
    return FOLDER / f"{name}.safetensors"


def load(name: str, backend: str = "auto", device: str = "auto", file: Path | str | None = None) -> Completer:
    """Return a new completer.

    ``backend`` and ``device``: what runs a learned one, see ``backends.make_runner``. ``file``: weights to use instead
    of the shipped ones, of the same family.

    Raises ValueError listing the names for an unknown one, WeightError (a ValueError) for a file that cannot be used,
    FileNotFoundError, ImportError naming what to install if nothing here can run a network.
    """
    backends.check_choice(backend, device)
    if name in ESTIMATORS:
        raise ValueError(f"{name} estimates and completes nothing; completers: {', '.join(names())}")
    if name in _WITHOUT_WEIGHTS:
        if file:
            raise ValueError(f"{name} has no weights, so it takes no file ({file})")
        return _WITHOUT_WEIGHTS[name]()
    loaded = read_weights(name, file)
    run = backends.make_runner(loaded, backend, device)
    method = families.method(loaded.family, loaded.config)
    load_parts = getattr(method, "load_parts", None)
    if load_parts is not None:
        load_parts(backend, device)
    return LearnedCompleter(name, loaded.version, method, run, loaded.calibration)


def load_estimator(
    name: str, backend: str = "auto", device: str = "auto", file: Path | str | None = None
) -> LearnedEstimator:
    """Return a new estimator; arguments and errors as for ``load``.

    What its depth means is ``scale`` in the weight file's field ``training``; ``up_to_scale`` if that says nothing.
    """
    backends.check_choice(backend, device)
    if name not in ESTIMATORS:
        raise ValueError(f"unknown estimator {name!r}; known: {', '.join(ESTIMATORS)}")
    loaded = read_weights(name, file)
    scale = _scale(loaded.source, loaded.training)
    run = backends.make_runner(loaded, backend, device)
    method = families.method(loaded.family, loaded.config)
    return LearnedEstimator(name, loaded.version, method, run, loaded.calibration, scale)


def read_weights(name: str, file: Path | str | None = None) -> weights.Weights:
    """Return the weights of a learned model, shipped or from ``file``; raises as ``load`` does."""
    path = _file(name, file)
    return weights.read(path, _about(name)[0])


def describe(name: str, file: Path | str | None = None) -> Description:
    """Return what a completer or estimator is without loading it; raises as ``load`` does."""
    if name in _WITHOUT_WEIGHTS:
        kind = _WITHOUT_WEIGHTS[name]
        return Description(name, kind().version, (inspect.getdoc(kind) or "").partition("\n")[0])
    path = _file(name, file)
    family, summary = _about(name)
    info = weights.inspect(path, family)
    scale = _scale(info.file, info.training) if name in ESTIMATORS else ScaleKind.METRIC
    return Description(
        name,
        info.version,
        summary,
        scale=scale.name.lower(),
        family=info.family,
        parameters=info.parameters,
        size=info.size,
        file=info.file,
        config=info.config,
        training=info.training,
    )


def _about(name: str) -> tuple[str, str]:
    """Return family and summary of a learned model."""
    return LEARNED[name] if name in LEARNED else ESTIMATORS[name]


def _scale(source: object, training: dict[str, Any]) -> ScaleKind:
    told = str(training.get("scale", "up_to_scale"))
    if told not in (kind.name.lower() for kind in ScaleKind):
        known = ", ".join(kind.name.lower() for kind in ScaleKind)
        raise WeightError(f"{source}: field 'training': scale {told!r} is not one of {known}")
    return ScaleKind[told.upper()]


def _file(name: str, file: Path | str | None) -> Path:
    if name in _WITHOUT_WEIGHTS:
        raise ValueError(f"{name} has no weights")
    if name not in LEARNED and name not in ESTIMATORS:
        raise ValueError(f"unknown completer {name!r}; known: {', '.join(names())}")
    if file:
        return Path(file)
    if weight_file(name).is_file():
        return weight_file(name)
    missing = f"no weights of {name!r} are shipped: {weight_file(name)} is missing"
    if name in LEARNED:
        raise WeightError(f"{missing}; to train them, type: make weights")
    raise WeightError(f"{missing}; name a file of your own, or train one as docs/training_estimation.md says")
