"""Names given to ``--model``: ours, ``NAME@FILE`` for one with weights of the user's own, ``peer:NAME``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from depth_perception.evaluation import peers
from depth_perception.frames import CameraModel, DepthPrediction, FloatImage
from depth_perception.models.completer import Completer
from depth_perception.models.estimator import Estimator
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.estimation_parameters import ESTIMATION_PARAMETERS
from depth_perception.pipelines.model_selection import ESTIMATORS, MODELS, EstimatorChoice, ModelChoice
from depth_perception.pipelines.parameters import Value

PREFIX = "peer:"
AT = "@"


class PeerCompleter:
    """A peer behind the interface of our models; it claims no standard deviation."""

    version = "published algorithm"

    def __init__(self, name: str):
        """Raise ValueError, listing the names, for an unknown peer."""
        self.name = PREFIX + name
        self._peer = peers.load(name)

    def infer(
        self, image: NDArray[np.uint8] | None, sparse: FloatImage, camera: CameraModel | None = None
    ) -> DepthPrediction:
        """Complete ``sparse`` (height, width) metres, 0 = none; see models.completer.Completer."""
        if image is None:
            image = np.zeros((*sparse.shape, 3), np.uint8)
        depth = np.asarray(self._peer.infer(image, sparse, camera), np.float32)
        return DepthPrediction(depth, np.full_like(depth, np.nan))


def peer_options() -> dict[str, list[str]]:
    """Return the option sets of each peer family that this OpenCV build can run, in order."""
    found: dict[str, list[str]] = {}
    for name in peers.available():
        family, _, options = name.partition(":")
        found.setdefault(family, []).append(options)
    return found


def parse_models(text: str) -> tuple[str, ...]:
    """Split a comma-separated list of models; options of a peer may hold commas themselves.

    A part that is no model of ours and has no prefix belongs to the peer before it.
    """
    names: list[str] = []
    for part in (piece.strip() for piece in text.split(",")):
        if not part:
            continue
        if (
            names
            and names[-1].startswith(PREFIX)
            and not part.startswith(PREFIX)
            and part.partition(AT)[0] not in MODELS
        ):
            names[-1] += "," + part
        else:
            names.append(part)
    return tuple(dict.fromkeys(names))


def load_model(name: str, values: Mapping[str, Value] | None = None) -> Completer:
    """Return the model called ``name``; a peer without options gets its first.

    ``values`` are those of COMPLETION_PARAMETERS: backend and device hold for every learned model, model_file for the
    one that they name. Raises ValueError listing all for an unknown name, or telling why a model cannot be had.
    """
    if not name.startswith(PREFIX):
        model, _, file = name.partition(AT)
        if model not in MODELS:
            raise ValueError(
                f"unknown model {name!r}; known: {', '.join(MODELS)}, and for comparison "
                + ", ".join(PREFIX + family for family in peer_options())
            )
        choice = ModelChoice.from_parameters(COMPLETION_PARAMETERS.defaults() if values is None else values, model)
        if file:
            choice = replace(choice, file=file)
        if problem := choice.problem():
            raise ValueError(f"{choice}: {problem}")
        return choice.load()
    wanted, options = name[len(PREFIX) :], peer_options()
    if wanted in options and options[wanted][0]:
        wanted += ":" + options[wanted][0]
    return PeerCompleter(wanted)


def load_estimator(name: str, values: Mapping[str, Value] | None = None) -> Estimator:
    """Return the estimator called ``name``, also NAME@FILE; ``values`` are those of ESTIMATION_PARAMETERS.

    Raises ValueError listing all for an unknown name, or telling why it cannot be had.
    """
    model, _, file = name.partition(AT)
    if model not in ESTIMATORS:
        raise ValueError(f"unknown estimator {name!r}; known: {', '.join(ESTIMATORS)}, each also with {AT}FILE")
    choice = EstimatorChoice.from_parameters(ESTIMATION_PARAMETERS.defaults() if values is None else values, model)
    if file:
        choice = replace(choice, file=file)
    if problem := choice.problem():
        raise ValueError(f"{choice}: {problem}")
    return choice.load()
