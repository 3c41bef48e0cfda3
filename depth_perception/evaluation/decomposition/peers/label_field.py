"""A label field that is told by the cheapest assignment of each frame's labels to its channels.

As Panoptic Lifting (Siddiqui et al., CVPR 2023) lifts instances: in every step the labels of one image are assigned to
the field's channels by the Hungarian method, by the probability that their pixels have, and the field learns these
channels by cross entropy. What is background is known across frames, so that channel 0 is it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from depth_perception.evaluation.decomposition.decomposed import Decomposed, object_region
from depth_perception.evaluation.decomposition.fields import (
    FieldSettings,
    HashField,
    field_values,
    label_images,
    optimizer_of,
    samples_of,
)
from depth_perception.evaluation.decomposition.tsdf import fuse, split_mesh, voxel_for
from depth_perception.frames import PosedDepth


@dataclass(frozen=True)
class LabelField:
    """How the field is learned.

    ``channels``, background included; ``steps`` of one frame's ``points`` each, ``seconds`` at most; learning ``rate``.
    """

    channels: int = 80
    steps: int = 600
    points: int = 1024
    seconds: float = 300.0
    rate: float = 2e-3
    voxel: float = 0.01
    settings: FieldSettings = field(default_factory=FieldSettings)
    seed: int = 0

    def decompose(self, frames: Sequence[PosedDepth]) -> Decomposed:
        """Learn the field, then ask it at the surface."""
        low, high = object_region(frames)
        rng = np.random.default_rng(self.seed)
        samples = samples_of(frames, low, high)
        model = HashField(low, self.channels, self.settings, self.seed)
        optimizer = optimizer_of(model, self.rate)
        started, step = time.perf_counter(), 0
        while step < self.steps and time.perf_counter() - started < self.seconds:
            frame = samples[int(rng.integers(len(samples)))]
            points, labels = frame.draw(self.points, rng)
            loss = assigned_loss(model(points), labels, frame.groups)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            for group in optimizer.param_groups:  # to a tenth over the run
                group["lr"] *= 0.1 ** (1 / self.steps)
            step += 1

        def ask(places):
            return field_values(model, places).argmax(1).astype(np.int32)

        mesh = fuse(frames, low, high, voxel_for(low, high, self.voxel)).mesh()
        labels_found = label_images(frames, low, high, ask)
        return Decomposed(labels_found, split_mesh(mesh, ask(mesh.vertices)), notes={"steps": float(step)})


def assigned_loss(logits: Tensor, labels: Tensor, groups: int) -> Tensor:
    """Return the cross entropy of logits (n, c) to the channels that labels (n,) of 0 ... groups - 1 are assigned to.

    Label 0 goes to channel 0. With more labels than channels the least likely ones teach nothing.
    """
    targets = assignment(logits.detach(), labels, groups)[labels]
    told = targets >= 0
    return torch.nn.functional.cross_entropy(logits[told], targets[told])


def assignment(logits: Tensor, labels: Tensor, groups: int) -> Tensor:
    """Return (groups,) the channel of each label, -1 for one that found none."""
    probability = logits.softmax(1)
    sums = torch.zeros(groups, logits.shape[1], device=logits.device).index_add_(0, labels, probability)
    count = torch.zeros(groups, device=logits.device).index_add_(0, labels, torch.ones_like(labels, dtype=torch.float))
    mean = (sums / count.clamp_min(1)[:, None])[1:, 1:]
    rows, columns = linear_sum_assignment(-mean.cpu().numpy())
    out = torch.full((groups,), -1, dtype=torch.long, device=logits.device)
    out[0] = 0
    out[torch.from_numpy(rows + 1)] = torch.from_numpy(columns + 1)
    return out
