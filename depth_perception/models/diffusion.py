"""``diffusion``: the edge-aware completer. Depth spreads from the points over planes until the image shows an edge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, DepthPrediction, FloatImage
from depth_perception.models.completer import check_inputs, unknown
from depth_perception.models.surface import SurfaceSettings, complete


class DiffusionCompleter:
    """Robust planes at the points, blended along paths of even colour, edges drawn at full resolution."""

    name = "diffusion"
    version = "1"
    settings = SurfaceSettings()

    def infer(
        self, image: NDArray[np.uint8] | None, sparse: FloatImage, camera: CameraModel | None = None
    ) -> DepthPrediction:
        """See ``Completer.infer``. Without an image the blending is by distance and agreement alone."""
        image, sparse = check_inputs(image, sparse, camera)
        return complete(image, sparse, self.settings) if sparse.any() else unknown(sparse.shape)
