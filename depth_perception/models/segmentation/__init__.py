"""Which pixels belong to one object: segmenters of single images, built in or installed by the user."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, FloatImage
from depth_perception.models.segmentation.geometric import GeometricSegmenter


def segment(image: NDArray[np.uint8], depth: FloatImage, camera: CameraModel) -> NDArray[np.int32]:
    """Cut a depth image into objects with the built-in segmenter; see ``GeometricSegmenter.segment``."""
    return GeometricSegmenter().segment(image, depth, camera)
