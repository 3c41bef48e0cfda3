"""A function of place to learn: a hash grid of several resolutions and a small network, as the learned peers use.

Mueller et al., Instant Neural Graphics Primitives (SIGGRAPH 2022). Points are measured ones, so nothing is rendered:
that spares these peers most of the time which they take with images alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from depth_perception.evaluation.decomposition.decomposed import Labels, labels_of, world_points
from depth_perception.frames import PosedDepth

_PRIMES = (1, 2654435761, 805459861)


@dataclass(frozen=True)
class FieldSettings:
    """``levels`` of cells from ``coarse`` to ``fine`` metres, each a table of 2^``log2_table`` x 2; the network."""

    levels: int = 6
    coarse: float = 0.3
    fine: float = 0.015
    log2_table: int = 15
    width: int = 64


class HashField(nn.Module):
    """Points (n, 3) in metres, relative to ``low`` (3,), to (n, ``outputs``)."""

    low: Tensor
    sizes: Tensor
    corners: Tensor

    def __init__(self, low: NDArray, outputs: int, settings: FieldSettings, seed: int = 0):
        super().__init__()
        torch.manual_seed(seed)
        self.settings = settings
        self.register_buffer("low", torch.as_tensor(low, dtype=torch.float32))
        sizes = np.geomspace(settings.coarse, settings.fine, settings.levels).astype(np.float32)
        self.register_buffer("sizes", torch.from_numpy(sizes))
        self.tables = nn.Parameter(torch.empty(settings.levels, 1 << settings.log2_table, 2).uniform_(-1e-2, 1e-2))
        self.network = nn.Sequential(
            nn.Linear(2 * settings.levels, settings.width), nn.ReLU(),
            nn.Linear(settings.width, settings.width), nn.ReLU(),
            nn.Linear(settings.width, outputs),
        )  # fmt: skip
        self.register_buffer("corners", torch.tensor([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)]))

    def forward(self, points: Tensor) -> Tensor:
        """Return the field's values."""
        at = (points - self.low)[:, None] / self.sizes[:, None]  # (n, levels, 3)
        base = at.floor()
        part = (at - base)[:, :, None]  # (n, levels, 1, 3)
        corner = base.long()[:, :, None] + self.corners  # (n, levels, 8, 3)
        weight = torch.where(self.corners.bool(), part, 1 - part).prod(-1)  # (n, levels, 8)
        mixed = corner[..., 0] * _PRIMES[0] ^ corner[..., 1] * _PRIMES[1] ^ corner[..., 2] * _PRIMES[2]
        index = mixed & (self.tables.shape[1] - 1)
        level = torch.arange(len(self.sizes), device=points.device)[:, None] * self.tables.shape[1]
        rows = nn.functional.embedding(index + level, self.tables.reshape(-1, 2))  # (n, levels, 8, 2)
        return self.network((rows * weight[..., None]).sum(2).flatten(1))


def optimizer_of(field: HashField, rate: float = 2e-3) -> torch.optim.Adam:
    """Return Adam with the table ten times as fast as the network, as tables want it."""
    groups = [{"params": [field.tables], "lr": 10 * rate}, {"params": field.network.parameters(), "lr": rate}]
    return torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-12)


@dataclass(frozen=True, eq=False)
class Samples:
    """One frame's labelled points: ``points`` (n, 3) float32, ``labels`` (n,) of 0 ... g - 1, where 0 is background."""

    points: Tensor
    labels: Tensor
    groups: int

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return ``count`` points, half of them at random and half spread over the labels, with these labels."""
        half = count // 2
        first = rng.integers(0, len(self.points), half)
        order = self.labels.numpy()
        starts = np.searchsorted(order, np.arange(self.groups))
        ends = np.searchsorted(order, np.arange(self.groups), side="right")
        present = np.flatnonzero(ends > starts)
        group = rng.choice(present, count - half)
        second = (starts[group] + rng.random(count - half) * (ends - starts)[group]).astype(np.int64)
        chosen = torch.from_numpy(np.concatenate([first, second]))
        return self.points[chosen], self.labels[chosen]


def samples_of(frames: Sequence[PosedDepth], low: NDArray, high: NDArray) -> list[Samples]:
    """Return the labelled points of every frame inside the box, in order of their labels; empty frames are left out."""
    out = []
    for frame in frames:
        points, pixels = world_points(frame)
        labels = labels_of(frame).reshape(-1)[pixels]
        inside = ((points > low) & (points < high)).all(1) & (labels >= 0)
        points, labels = points[inside], labels[inside]
        if len(points):
            ids = np.unique(np.append(labels, 0))
            dense = np.searchsorted(ids, labels)
            order = np.argsort(dense, kind="stable")
            out.append(Samples(torch.from_numpy(points[order].copy()), torch.from_numpy(dense[order]), len(ids)))
    return out


def field_values(field: HashField, points: NDArray, at_once: int = 50_000) -> NDArray[np.float32]:
    """Return the field (n, outputs) at points (n, 3), without gradients."""
    with torch.no_grad():
        parts = [field(part).numpy() for part in torch.from_numpy(points.astype(np.float32)).split(at_once)]
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


def label_images(frames: Sequence[PosedDepth], low: NDArray, high: NDArray, ask) -> list[Labels]:
    """Return for each frame int32 (h, w) of what ``ask`` says at its points (n, 3) inside the box; 0 outside of it."""
    out = []
    for frame in frames:
        points, pixels = world_points(frame)
        inside = ((points > low) & (points < high)).all(1)
        image = np.full(frame.depth.size, -1, np.int32)
        image[pixels] = 0
        image[pixels[inside]] = ask(points[inside])
        out.append(image.reshape(frame.depth.shape))
    return out
