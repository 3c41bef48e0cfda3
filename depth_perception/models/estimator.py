"""What a depth estimator is: depth from one image alone, and what its numbers mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, DepthPrediction, FloatImage, ScaleKind
from depth_perception.models.calibration import Calibration
from depth_perception.models.completer import check_inputs, unknown
from depth_perception.models.learned import Array, Prepared, Runner


@runtime_checkable
class Estimator(Protocol):
    """Anything that turns one image into dense depth, without a measurement.

    ``scale`` says what its numbers are: metres, metres times one unknown factor, or neither.
    """

    name: str
    version: str
    scale: ScaleKind

    def infer(self, image: NDArray[np.uint8], camera: CameraModel | None = None) -> DepthPrediction:
        """Estimate depth and its standard deviation for RGB uint8 (H, W, 3), both in the estimator's own unit.

        ``inlier`` is all NaN, as nothing was measured. Raises ValueError for shapes or types that do not fit together;
        never for content.
        """
        ...


class ImageMethod(Protocol):
    """A ``learned.Method`` that needs no points; ``sparse`` is all zeros."""

    family: str
    config: Any
    input_names: tuple[str, ...]

    def prepare(self, image: NDArray[np.uint8] | None, sparse: FloatImage, camera: CameraModel | None) -> Prepared:
        """See ``learned.Method.prepare``."""
        ...

    def finish(self, outputs: Sequence[Array], prepared: Prepared) -> DepthPrediction:
        """See ``learned.Method.finish``, in the network's own unit."""
        ...


class LearnedEstimator:
    """A method with its weights: an ``Estimator``.

    ``scale`` says what the network was taught: metres, if it saw any, else depth up to one factor.
    """

    def __init__(
        self,
        name: str,
        version: str,
        method: ImageMethod,
        run: Runner,
        calibration: Calibration | None = None,
        scale: ScaleKind = ScaleKind.UP_TO_SCALE,
    ):
        self.name = name
        self.version = version
        self.method = method
        self.run = run
        self.calibration = calibration
        self.scale = scale

    def infer(self, image: NDArray[np.uint8], camera: CameraModel | None = None) -> DepthPrediction:
        """See ``Estimator.infer``."""
        image, nothing = check_image(image, camera)
        prepared = self.method.prepare(image, nothing, camera)
        outputs = list(self.run(prepared.inputs)) if prepared.inputs else []
        if self.calibration is not None and outputs:
            # relative to depth, so it holds in any unit; there is no density, and the table has but one
            outputs[1] = self.calibration.apply(outputs[1], outputs[0], 1.0)
        depth, deviation, _ = self.method.finish(outputs, prepared)
        return DepthPrediction(depth, deviation, np.full(depth.shape, np.nan, np.float32))


class NoEstimator:
    """Knows nothing, and says so: in place of an estimator that is not there yet."""

    name, version, scale = "none", "", ScaleKind.RELATIVE

    def infer(self, image: NDArray[np.uint8], camera: CameraModel | None = None) -> DepthPrediction:
        """Return NaN everywhere; see ``Estimator.infer``."""
        return unknown(check_image(image, camera)[1].shape)


def check_image(image: NDArray, camera: CameraModel | None) -> tuple[NDArray[np.uint8], FloatImage]:
    """Return the image, contiguous, and sparse depth (H, W) without any point.

    Raises ValueError naming shapes and types unless ``image`` is uint8 (H, W, 3) and the camera's size its own.
    """
    shape = image.shape[:2] if isinstance(image, np.ndarray) and image.ndim == 3 else None
    if shape is None:
        told = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"image must be RGB uint8 (height, width, 3), got {told}")
    checked, nothing = check_inputs(image, np.zeros(shape, np.float32), camera)
    assert checked is not None
    return checked, nothing
