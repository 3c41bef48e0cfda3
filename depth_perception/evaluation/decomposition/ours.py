"""Our own model behind the same adapter: every frame a key frame of one box, so that only the model is compared."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from depth_perception.evaluation.decomposition.decomposed import Decomposed, Labels, object_region, world_points
from depth_perception.evaluation.decomposition.tsdf import voxel_for
from depth_perception.frames import PosedDepth
from depth_perception.models.decomposition.config import LossWeights, SceneConfig
from depth_perception.models.decomposition.fitter import SceneFitter

FREE_LABELS = ("differentiation", "regularization", "one_hot", "background", "foreground")


@dataclass(frozen=True)
class Ours:
    """``config`` of the fit and its ``cell`` in metres; ``steps`` of it, and ``seconds`` at most.

    ``without``: clustering terms that are switched off (for the ablation): names of LossWeights.
    """

    config: SceneConfig = field(default_factory=SceneConfig.live)
    cell: float = 0.01
    steps: int = 10
    seconds: float = 300.0
    without: tuple[str, ...] = ()
    device: str = "cpu"
    seed: int = 0

    def decompose(self, frames: Sequence[PosedDepth]) -> Decomposed:
        """Fit all frames; ``notes`` tell the steps and the seconds to take frames in."""
        low, high = object_region(frames)
        config = replace(self.config, cell=voxel_for(low, high, self.cell), weights=self._weights())
        fitter = SceneFitter(config, low, high, self.device, self.seed)
        started = time.perf_counter()
        for frame in frames:
            fitter.add(frame)
        taken = time.perf_counter() - started
        report = fitter.run(seconds=self.seconds, steps=self.steps)
        labels = [assigned(fitter, frame) for frame in frames]
        meshes = {channel: mesh for channel, mesh in fitter.meshes().items() if channel > 0}
        return Decomposed(labels, meshes, notes={"steps": float(report.steps), "adding": taken})

    def _weights(self) -> LossWeights:
        unknown = set(self.without) - set(FREE_LABELS)
        if unknown:
            raise ValueError(f"without: {', '.join(sorted(unknown))} is none of {', '.join(FREE_LABELS)}")
        return replace(self.config.weights, **{name: 0.0 for name in self.without})


def assigned(fitter: SceneFitter, frame: PosedDepth) -> Labels:
    """Return int32 (h, w): the channel at the measured point of each pixel, -1 without depth or where nothing is."""
    points, pixels = world_points(frame)
    out = np.full(frame.depth.shape, -1, np.int32)
    out.reshape(-1)[pixels] = fitter.assign(points).channel
    return out
