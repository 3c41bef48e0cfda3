"""Which model is wanted, what speaks against it on this machine, and how it is loaded and warmed up."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np

from depth_perception.frames import CameraModel
from depth_perception.models import backends, zoo
from depth_perception.models.completer import Completer
from depth_perception.models.estimator import Estimator, NoEstimator
from depth_perception.pipelines.parameters import Value

LEARNED = ("completion-small", "completion-large", "clude", "jarrn")
WEIGHT_FREE = ("diffusion", "fast")
MODELS = (*LEARNED, *WEIGHT_FREE)
FALLBACK = "diffusion"
"""Answers where the wanted model cannot; it needs neither weights nor libraries."""

ESTIMATORS = tuple(zoo.ESTIMATORS)
NO_ESTIMATOR = "none"

_DENSITIES = (0.001, 0.03, 0.2)
"""Shares of measured pixels to warm up with: models choose their working resolution by density."""


@dataclass(frozen=True)
class ModelChoice:
    """A model by name with the backend and device that run it; ``file`` holds weights of the user's own.

    Backend, device and file mean nothing to a model without weights and are forgotten there.
    """

    name: str
    backend: str = "auto"
    device: str = "auto"
    file: str = ""
    kind: ClassVar[str] = "completion"

    def __post_init__(self) -> None:
        """Raise ValueError for a name, backend or device that there is not."""
        if self.name not in self.known():
            raise ValueError(f"unknown {self.kind} model {self.name!r}; known: {', '.join(self.known())}")
        backends.check_choice(self.backend, self.device)
        if not self.is_learned:
            for field in ("backend", "device"):
                object.__setattr__(self, field, "auto")
            object.__setattr__(self, "file", "")

    @classmethod
    def from_parameters(cls, values: Mapping[str, Value], name: str | None = None) -> ModelChoice:
        """Pick the choice out of the values of COMPLETION_PARAMETERS; ``name`` is looked at instead of their model.

        ``model_file`` belongs to the model of the parameters only.
        """
        model = str(values["model"]) if name is None else name
        file = str(values["model_file"]) if model == values["model"] else ""
        return cls(model, str(values["backend"]), str(values["device"]), file)

    @property
    def is_learned(self) -> bool:
        """True if the model has weights."""
        return self.name in LEARNED

    def __str__(self) -> str:
        """Name, and what was asked for besides."""
        wishes = [wish for wish in (self.backend, self.device) if wish != "auto"]
        wishes += [self.file] if self.file else []
        return f"{self.name} ({', '.join(wishes)})" if wishes else self.name

    def known(self) -> tuple[str, ...]:
        """Return the names that there are, with weights or without."""
        return MODELS

    def available(self) -> tuple[str, ...]:
        """Return the names that can be had without weights of the user's own."""
        return zoo.names()

    def problem(self) -> str:
        """Return why the model cannot be had, as far as that shows at once without loading; empty if nothing does."""
        if not self.is_learned:
            return ""
        if not self.file and self.name not in self.available():
            return self._no_weights()
        try:
            zoo.describe(self.name, self.file or None)
        except (ValueError, OSError, ImportError) as error:
            return str(error)
        return self._missing_library() or self._missing_device()

    def _no_weights(self) -> str:
        return (
            f"no weights of {self.name} come with this installation; make them with: make weights, name your own "
            f"in model_file, or choose one of {', '.join(self.available())}"
        )

    def _missing_library(self) -> str:
        if self.backend != "auto":
            reason = backends.why_not(self.backend)
            return f"backend {self.backend} {reason}" if reason else ""
        if any(backends.why_not(backend) is None for backend in ("onnx", "torch")):
            return ""
        return f"nothing that is installed can run it; {backends.how_to_install(self.device)}"

    def _missing_device(self) -> str:
        # asking takes seconds where no library has been loaded; then it shows when the model is loaded
        if not self.device.startswith("cuda") or not {"torch", "onnxruntime"} & set(sys.modules):
            return ""
        if backends.find_device(self.backend) != "cpu":
            return ""
        return f"device {self.device}: no GPU that a backend which is installed can use"

    def load(self) -> Any:
        """Return the model, not warmed up; raises ValueError, OSError or whatever its libraries raise."""
        if problem := self.problem():
            raise ValueError(problem)
        if not self.is_learned:
            return zoo.load(self.name)
        return zoo.load(self.name, backend=self.backend, device=self.device, file=self.file or None)


class EstimatorChoice(ModelChoice):
    """The same for depth from images alone; NO_ESTIMATOR is the one that knows nothing."""

    kind: ClassVar[str] = "estimation"

    @classmethod
    def from_parameters(cls, values: Mapping[str, Value], name: str | None = None) -> EstimatorChoice:
        """Pick the choice out of the values of ESTIMATION_PARAMETERS; see ``ModelChoice``."""
        return cast("EstimatorChoice", super().from_parameters(values, name))

    @property
    def is_learned(self) -> bool:
        """True if the model has weights."""
        return self.name != NO_ESTIMATOR

    def known(self) -> tuple[str, ...]:
        """See ``ModelChoice``."""
        return (*ESTIMATORS, NO_ESTIMATOR)

    def available(self) -> tuple[str, ...]:
        """See ``ModelChoice``."""
        return (*zoo.estimators(), NO_ESTIMATOR)

    def _no_weights(self) -> str:
        others = f", or choose one of {', '.join(zoo.estimators())}" if zoo.estimators() else ""
        return (
            f"no weights of {self.name} come with this installation; name your own in model_file, trained as "
            f"docs/training_estimation.md says{others}"
        )

    def load(self) -> Estimator:
        """See ``ModelChoice``."""
        if problem := self.problem():
            raise ValueError(problem)
        if not self.is_learned:
            return NoEstimator()
        return zoo.load_estimator(self.name, backend=self.backend, device=self.device, file=self.file or None)


def warm_up_estimator(estimator: Estimator, shape: tuple[int, int]) -> None:
    """Run made-up frames of (height, width) through ``estimator``; see ``warm_up``."""
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for _ in range(2):
        estimator.infer(image)


def warm_up(completer: Completer, shape: tuple[int, int]) -> None:
    """Run made-up frames of (height, width) through ``completer``, so that no real frame pays for first use.

    Libraries compile and plan for a size when they first see it.
    """
    height, width = shape
    random = np.random.default_rng(0)
    camera = CameraModel.pinhole(0.8 * width, 0.8 * width, (width - 1) / 2, (height - 1) / 2, width, height)
    image = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    depth = np.broadcast_to(np.linspace(2.0, 6.0, width, dtype=np.float32), shape)
    for density in _DENSITIES:
        measured = random.random(shape) < density
        measured[height // 2, width // 2] = True
        completer.infer(image, np.where(measured, depth, np.float32(0)), camera)
