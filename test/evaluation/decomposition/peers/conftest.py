"""The scores of a decomposition of the balls."""

from __future__ import annotations

import numpy as np
import pytest

from depth_perception.evaluation.decomposition.panoptic import ScenePanoptic


@pytest.fixture(scope="session")
def scores():
    def compute(decomposed, frames):
        panoptic = ScenePanoptic()
        for labels, frame in zip(decomposed.labels, frames):
            panoptic.update(labels, np.where(np.isfinite(frame.depth), frame.labels, -1))
        return panoptic.compute(), panoptic.matches(0.1)

    return compute


@pytest.fixture(scope="session")
def off():
    """Mean distance of a mesh's vertices from a ball, metres."""

    def compute(mesh, ball):
        center, radius = ball
        return float(np.abs(np.linalg.norm(mesh.vertices - center, axis=1) - radius).mean())

    return compute
