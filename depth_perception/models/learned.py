"""What all learned completers share: arrays in, network, arrays out. NumPy only, so that ONNX Runtime needs no torch.

A ``Method`` turns an image and its points into the inputs of a network and the network's outputs into a prediction. A
``Runner`` runs the network, wherever. Training uses the very same ``prepare``, so nothing differs on the robot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, DepthPrediction, FloatImage
from depth_perception.models.calibration import Calibration
from depth_perception.models.completer import check_inputs, unknown

Array = NDArray[np.float32]
Runner = Callable[[Sequence[Array]], Sequence[Array]]


@dataclass(frozen=True, eq=False)
class Prepared:
    """``inputs``: float32 (1, C, h, w) each, in the order of ``Method.input_names``.

    ``scale``: metres per network unit.

    Without any input there is nothing to ask the network.
    ``context``: what ``Method.finish`` needs of this image besides.
    """

    inputs: tuple[Array, ...]
    scale: float
    context: Any = None


class Method(Protocol):
    """One learned method, without its weights."""

    family: str
    config: Any
    input_names: tuple[str, ...]

    def prepare(self, image: NDArray[np.uint8] | None, sparse: FloatImage, camera: CameraModel | None) -> Prepared:
        """Turn checked inputs with at least one point into network inputs; see ``Completer.infer`` for shapes."""
        ...

    def finish(self, outputs: Sequence[Array], prepared: Prepared) -> DepthPrediction:
        """Turn network outputs (depth, deviation, inlier), each (1, 1, h, w), into metres at the image's size.

        Depth and deviation come in units of ``prepared.scale``.
        """
        ...


class LearnedCompleter:
    """A method with its weights: a ``Completer``."""

    def __init__(self, name: str, version: str, method: Method, run: Runner, calibration: Calibration | None = None):
        self.name = name
        self.version = version
        self.method = method
        self.run = run
        self.calibration = calibration

    def infer(
        self, image: NDArray[np.uint8] | None, sparse: FloatImage, camera: CameraModel | None = None
    ) -> DepthPrediction:
        """See ``Completer.infer``. All NaN without any point."""
        image, sparse = check_inputs(image, sparse, camera)
        if not sparse.any():
            return unknown(sparse.shape)
        prepared = self.method.prepare(image, sparse, camera)
        if not prepared.inputs:
            return self.method.finish((), prepared)
        outputs = list(self.run(prepared.inputs))
        if self.calibration is not None:  # at the network's own size, which is smaller than the image
            density = np.count_nonzero(sparse) / sparse.size
            outputs[1] = self.calibration.apply(outputs[1], outputs[0], density)
        return self.method.finish(outputs, prepared)
