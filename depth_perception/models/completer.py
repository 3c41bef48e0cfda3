"""What a depth completer is, and the checks every one of them makes on its input."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, DepthPrediction, FloatImage


@runtime_checkable
class Completer(Protocol):
    """Anything that turns sparse depth into dense depth."""

    name: str
    version: str

    def infer(
        self, image: NDArray[np.uint8] | None, sparse: FloatImage, camera: CameraModel | None = None
    ) -> DepthPrediction:
        """Complete ``sparse`` float32 (H, W) metres with 0 = none, guided by RGB uint8 (H, W, 3) or by nothing.

        Depth and standard deviation are dense as soon as one point is usable, and all NaN without any. Values of
        ``sparse`` that are NaN, infinite, zero or negative count as not measured. Raises ValueError for shapes or
        types that do not fit together; never for content.
        """
        ...


def check_inputs(
    image: NDArray | None, sparse: NDArray, camera: CameraModel | None
) -> tuple[NDArray[np.uint8] | None, FloatImage]:
    """Return image and sparse depth as contiguous arrays, every unusable depth set to 0.

    Raises ValueError naming shapes and types unless sparse is floating point (H, W), image None or uint8 (H, W, 3),
    and the camera's size that of sparse.
    """
    if not isinstance(sparse, np.ndarray) or sparse.ndim != 2 or sparse.dtype.kind != "f":
        raise ValueError(f"sparse depth must be float32 (height, width), got {_describe(sparse)}")
    if image is not None:
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"image must be RGB uint8 (height, width, 3) or None, got {_describe(image)}")
        if image.shape[:2] != sparse.shape:
            raise ValueError(f"image is {image.shape[:2]} but sparse depth is {sparse.shape} (height, width)")
        image = np.ascontiguousarray(image)
    if camera is not None and camera.shape != sparse.shape:
        raise ValueError(f"camera is {camera.shape} but sparse depth is {sparse.shape} (height, width)")
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(sparse, np.float32)
    usable = (values >= SMALLEST_DEPTH) & (values <= LARGEST_DEPTH)
    return image, np.where(usable, values, np.float32(0))


# Outside this range, in metres, a float32 cannot be inverted and squared safely: it is no measurement.
SMALLEST_DEPTH, LARGEST_DEPTH = 1e-6, 1e9


def unknown(shape: tuple[int, ...]) -> DepthPrediction:
    """Return the prediction of somebody who was told nothing: NaN everywhere."""
    empty = np.full(shape, np.nan, np.float32)
    return DepthPrediction(empty, empty.copy(), empty.copy())


def _describe(value: object) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
