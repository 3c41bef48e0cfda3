"""``fast``: the real-time completer. The same surface model on a coarser grid with a grey guide; medians when dense."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, DepthPrediction, FloatImage
from depth_perception.models.blend import BlendSettings
from depth_perception.models.completer import check_inputs, unknown
from depth_perception.models.dense import complete_dense
from depth_perception.models.surface import SurfaceSettings, complete, grid_step
from depth_perception.models.surfels import NARROW, SHRINKING


class FastCompleter:
    """Robust planes at the points, blended on a grid of at most 13 000 cells."""

    name = "fast"
    version = "1"
    settings = SurfaceSettings(
        cells=13_000,
        coarsest=8,
        starts=(NARROW[:2], SHRINKING),
        many=1_000,
        sharpen=False,
        blend=BlendSettings(channels=1, scales=(0.1, 0.03), bands=4),
    )
    settings_dense = SurfaceSettings(cells=120_000)

    def infer(
        self, image: NDArray[np.uint8] | None, sparse: FloatImage, camera: CameraModel | None = None
    ) -> DepthPrediction:
        """See ``Completer.infer``. Where every twelfth cell holds a point, planes give way to medians."""
        image, sparse = check_inputs(image, sparse, camera)
        count = int(np.count_nonzero(sparse != 0))
        if not count:
            return unknown(sparse.shape)
        step = grid_step(sparse.shape, 1, self.settings_dense)
        if count * step * step * 12 > sparse.size:
            return complete_dense(sparse, step)
        return complete(image, sparse, self.settings)
