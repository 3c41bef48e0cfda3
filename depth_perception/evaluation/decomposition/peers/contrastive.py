"""An embedding of places learned by contrast, then clustered.

As Contrastive Lift (Bhalgat et al., NeurIPS 2023): points of one frame that share a label are drawn together and others
pushed apart, against embeddings of a slowly following copy of the field; a concentration term draws each label's
points to their middle. HDBSCAN clusters the embeddings of things, and each place belongs to the nearest cluster.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from depth_perception.evaluation.decomposition.decomposed import Decomposed, object_region
from depth_perception.evaluation.decomposition.fields import (
    FieldSettings,
    HashField,
    Samples,
    field_values,
    label_images,
    optimizer_of,
    samples_of,
)
from depth_perception.evaluation.decomposition.tsdf import fuse, split_mesh, voxel_for
from depth_perception.frames import PosedDepth


@dataclass(frozen=True)
class Contrastive:
    """How the embedding is learned and clustered.

    ``size`` of the embedding; ``follow``: share of itself the slow copy keeps in a step; ``smallest`` cluster as a
    share of the points clustered, which are ``clustered``; the rest as for the label field.
    """

    size: int = 8
    follow: float = 0.9
    concentration: float = 1.0
    steps: int = 600
    points: int = 512
    seconds: float = 300.0
    rate: float = 2e-3
    clustered: int = 6000
    smallest: float = 0.004
    voxel: float = 0.01
    settings: FieldSettings = field(default_factory=FieldSettings)
    seed: int = 0

    def decompose(self, frames: Sequence[PosedDepth]) -> Decomposed:
        """Learn the embedding, cluster it, then ask at the surface."""
        low, high = object_region(frames)
        rng = np.random.default_rng(self.seed)
        samples = samples_of(frames, low, high)
        fast = HashField(low, 1 + self.size, self.settings, self.seed)  # first: how likely a thing
        steps = self._learn(fast, samples, rng)
        places = torch.cat([s.points[s.labels > 0] for s in samples]).numpy()
        chosen = places[rng.choice(len(places), min(self.clustered, len(places)), replace=False)]
        values = field_values(fast, chosen)
        middles = cluster_middles(values[values[:, 0] > 0, 1:], max(int(self.smallest * len(chosen)), 5))

        def ask(points):
            found = field_values(fast, points)
            if not len(middles):
                return np.where(found[:, 0] > 0, 1, 0).astype(np.int32)
            away = ((found[:, None, 1:] - middles[None]) ** 2).sum(-1)
            return np.where(found[:, 0] > 0, away.argmin(1) + 1, 0).astype(np.int32)

        mesh = fuse(frames, low, high, voxel_for(low, high, self.voxel)).mesh()
        labels = label_images(frames, low, high, ask)
        return Decomposed(labels, split_mesh(mesh, ask(mesh.vertices)), notes={"steps": float(steps)})

    def _learn(self, fast: HashField, samples: list[Samples], rng: np.random.Generator) -> int:
        slow = copy.deepcopy(fast).requires_grad_(False)
        optimizer = optimizer_of(fast, self.rate)
        started, step = time.perf_counter(), 0
        while step < self.steps and time.perf_counter() - started < self.seconds:
            points, labels = samples[int(rng.integers(len(samples)))].draw(2 * self.points, rng)
            found = fast(points)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(found[:, 0], (labels > 0).float())
            things = labels > 0
            if int(things.sum()) > 8:
                order = torch.from_numpy(rng.permutation(int(things.sum())))
                own, ids, where = found[things][order, 1:], labels[things][order], points[things][order]
                half = len(order) // 2
                with torch.no_grad():
                    other = slow(where[half:])[:, 1:]
                loss = loss + contrast(own[:half], ids[:half], other, ids[half:], self.concentration)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for a, b in zip(slow.parameters(), fast.parameters()):
                    a.mul_(self.follow).add_(b, alpha=1 - self.follow)
            for group in optimizer.param_groups:
                group["lr"] *= 0.1 ** (1 / self.steps)
            step += 1
        return step


def contrast(own: Tensor, ids: Tensor, other: Tensor, other_ids: Tensor, concentration: float) -> Tensor:
    """Return the slow-fast loss of embeddings (n, d) against slow ones (m, d), with likeness exp(-distance^2).

    For each point with a partner: minus the logarithm of its partners' share of all likeness; plus ``concentration``
    times the squared distance to its partners' middle.
    """
    same = ids[:, None] == other_ids[None]
    partnered = same.any(1)
    if not bool(partnered.any()):
        return own.sum() * 0.0
    logits = -((own[:, None] - other[None]) ** 2).sum(-1)
    all_ = torch.logsumexp(logits, 1)
    partners = torch.logsumexp(logits.masked_fill(~same, -1e9), 1)
    middle = (same.float() @ other) / same.sum(1, keepdim=True).clamp_min(1)
    near = ((own - middle) ** 2).sum(1)
    return (all_ - partners + concentration * near)[partnered].mean()


def cluster_middles(embeddings: NDArray, smallest: int) -> NDArray[np.float32]:
    """Return the middles (k, d) of HDBSCAN's clusters of embeddings (n, d); none if there is nothing to cluster."""
    from sklearn.cluster import HDBSCAN

    if len(embeddings) < 2 * smallest:
        return np.zeros((0, embeddings.shape[1]), np.float32)
    labels = HDBSCAN(min_cluster_size=smallest, copy=True).fit_predict(embeddings)
    middles = [embeddings[labels == k].mean(0) for k in range(labels.max() + 1)]
    return np.array(middles, np.float32).reshape(-1, embeddings.shape[1])
