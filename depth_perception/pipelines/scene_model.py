"""The model behind the blocks of a scene: here torch is needed, and told of when it is missing."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from depth_perception.pipelines.decomposition_settings import DecompositionSettings
from depth_perception.pipelines.scene_blocks import Fitter, FitterMaker

NEEDED = "torch, scikit-image and trimesh: pip install 'depth_perception[decomposition]'"


class ModelError(RuntimeError):
    """The model cannot run here; the text says what is missing."""


def model_maker(settings: DecompositionSettings) -> FitterMaker:
    """Return what makes the model of a block.

    torch is imported at once, so that the first frame does not wait for it. Raises ModelError where it is missing, or
    what writes meshes, which nobody should be told of only after a long drive.
    """
    if importlib.util.find_spec("trimesh") is None:
        raise ModelError(f"surfaces of single objects need {NEEDED} (trimesh is not installed)")
    try:
        from depth_perception.models.decomposition.config import SceneConfig
        from depth_perception.models.decomposition.fitter import SceneFitter
    except ImportError as error:
        raise ModelError(f"surfaces of single objects need {NEEDED} ({error})") from error

    config: SceneConfig = getattr(SceneConfig, settings.profile)()
    if settings.cell:
        config = replace(config, cell=settings.cell)

    def make(low: NDArray[np.float64], high: NDArray[np.float64]) -> Fitter:
        return SceneFitter(config, low, high, settings.device, settings.seed)

    return make
