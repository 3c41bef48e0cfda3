"""``fast``: the real-time completer. The same surface model on a coarser grid with a grey guide and a single fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, DepthPrediction, FloatImage
from depth_perception.models.blend import BlendSettings
from depth_perception.models.completer import check_inputs, unknown
from depth_perception.models.surface import SurfaceSettings, complete
from depth_perception.models.surfels import NARROW, SHRINKING


class FastCompleter:
    """Robust planes at the points, blended on a grid of at most 20 000 cells."""

    name = "fast"
    version = "1"
    settings = SurfaceSettings(
        cells=20_000,
        coarsest=8,
        starts=(NARROW[:2], SHRINKING),
        rounds=1,
        many=1_000,
        sharpen=False,
        blend=BlendSettings(channels=1, scales=(0.1, 0.03), bands=4),
    )

    def infer(
        self, image: NDArray[np.uint8] | None, sparse: FloatImage, camera: CameraModel | None = None
    ) -> DepthPrediction:
        """See ``Completer.infer``."""
        image, sparse = check_inputs(image, sparse, camera)
        return complete(image, sparse, self.settings) if sparse.any() else unknown(sparse.shape)
