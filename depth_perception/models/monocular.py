"""GAM-Depth's NumPy side: any image to the size the network was trained at, and its answer back to the image's.

Cheng et al., *GAM-Depth* (ICRA 2024). The network is trained on video without any measured depth, so its depth is
known up to one factor: units are the network's own, and so is the standard deviation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, DepthPrediction, FloatImage
from depth_perception.geometry import camera as cameras
from depth_perception.models.completer import unknown
from depth_perception.models.learned import Array, Prepared
from depth_perception.models.resize import resize_guided

MULTIPLE = 32  # of the sides of network inputs
_SMALLEST = 64  # reflected borders need two cells at the coarsest level


@dataclass(frozen=True)
class MonocularConfig:
    """``widths`` of the encoder's five features, ``blocks`` at its last four sizes, ``decoder`` widths inwards.

    ``height`` x ``width`` pixels is what the network is trained at, multiples of 32. ``nearest`` and ``farthest``: ends
    of the depth it can tell, in network units.
    """

    widths: tuple[int, ...] = (64, 64, 128, 256, 512)
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    decoder: tuple[int, ...] = (16, 32, 64, 128, 256)
    height: int = 288
    width: int = 384
    nearest: float = 0.1
    farthest: float = 10.0

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot be built."""
        if len(self.widths) != 5 or len(self.decoder) != 5 or len(self.blocks) != 4:
            raise ValueError(
                f"5 widths, 4 counts of blocks and 5 decoder widths wanted, got {self.widths}, {self.blocks} and "
                f"{self.decoder}"
            )
        for side in (self.height, self.width):
            if side % MULTIPLE or side < _SMALLEST:
                raise ValueError(f"height and width must be multiples of {MULTIPLE} from {_SMALLEST} on, got {side}")
        if not 0 < self.nearest < self.farthest:
            raise ValueError(f"0 < nearest < farthest wanted, got {self.nearest} and {self.farthest}")


class _Context(NamedTuple):
    image: NDArray[np.uint8]
    small: NDArray[np.uint8]


class MonocularMethod:
    """Depth from one image; sparse depth is not looked at."""

    family = "monocular"
    input_names = ("image",)

    def __init__(self, config: MonocularConfig | None = None):
        self.config = config or MonocularConfig()

    def prepare(
        self,
        image: NDArray[np.uint8] | None,
        sparse: FloatImage | None = None,
        camera: CameraModel | None = None,
    ) -> Prepared:
        """Return the one input (1, 3, h, w), colour in [0, 1], of an RGB uint8 image (H, W, 3); scale is 1.

        Without an image there is nothing to ask the network, and ``sparse`` says of which size the answer is.
        """
        if image is None:
            return Prepared((), 1.0, None if sparse is None else sparse.shape)
        height, width = network_size(image.shape[:2], (self.config.height, self.config.width))
        small = shrink(image, height, width)
        features = np.ascontiguousarray(np.moveaxis(small, 2, 0), np.float32)[None] * np.float32(1 / 255)
        return Prepared((features,), 1.0, _Context(image, small))

    def finish(self, outputs: Sequence[Array], prepared: Prepared) -> DepthPrediction:
        """See ``Method.finish``: inverse depth is enlarged with its edges where the image has them; inlier is NaN."""
        if not prepared.inputs:
            return unknown(prepared.context)
        context: _Context = prepared.context
        depth, deviation = (np.ascontiguousarray(o[0, 0]) for o in outputs[:2])
        shape = context.image.shape[:2]
        inverse = resize_guided(np.reciprocal(depth), context.image, context.small)
        relative = cv2.resize(deviation / depth, shape[::-1], interpolation=cv2.INTER_LINEAR)
        depth = np.float32(prepared.scale) / inverse
        return DepthPrediction(depth, np.asarray(relative * depth, np.float32), np.full(shape, np.nan, np.float32))


def network_size(shape: Sequence[int], trained: tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) to ask the network at: as many pixels as ``trained``, sides in the image's proportion.

    Both are multiples of 32 and at least 64. An image of the proportion trained on gets just that size.
    """
    stretch = math.sqrt(trained[0] * trained[1] / (shape[0] * shape[1]))
    height, width = (max(_SMALLEST, round(side * stretch / MULTIPLE) * MULTIPLE) for side in shape)
    return height, width


def shrink(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize (H, W, 3) as training does: averaged where it shrinks."""
    if image.shape[:2] == (height, width):
        return image
    shrinks = image.shape[0] > height and image.shape[1] > width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)


def network_camera(camera: CameraModel, config: MonocularConfig) -> CameraModel:
    """Return the camera whose images are what the network sees of ``camera``'s."""
    height, width = network_size(camera.shape, (config.height, config.width))
    return cameras.resize(camera, width, height)
