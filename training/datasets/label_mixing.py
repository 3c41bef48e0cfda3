"""Depth labels as a mixture of data sets has them: with a scale and a shift of their own in each image, unknown.

Stereo, structure from motion and relative labels come like that (LeReS, Yin et al., CVPR 2021; MiDaS, Ranftl et al.,
T-PAMI 2022). Made from exact depth, they show what a method recovers that is told neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset


class MixedLabel(NamedTuple):
    """``depth`` as given, 0 where unknown: ``scale`` * truth + ``shift``."""

    depth: NDArray[np.float32]
    scale: float
    shift: float


@dataclass(frozen=True)
class LabelMixing:
    """Draws scale and shift of a label.

    A share ``exact`` of labels stays as it is and a share ``scaled`` has no shift. Scales are between 1 / ``factor``
    and ``factor``, even in their logarithm. Shifts are even from ``-lowest`` of the least depth, so that labels stay
    positive, to ``highest`` of the median depth, both after scaling.
    """

    exact: float = 0.0
    scaled: float = 0.0
    factor: float = 4.0
    lowest: float = 0.8
    highest: float = 0.5

    def __post_init__(self):
        """Raise ValueError for what can draw no label."""
        if self.exact < 0 or self.scaled < 0 or self.exact + self.scaled > 1:
            raise ValueError(f"exact and scaled are shares of all labels, got {self.exact} and {self.scaled}")
        if self.factor < 1 or not 0 <= self.lowest < 1 or self.highest < 0:
            raise ValueError("factor must be at least 1, lowest in [0, 1) and highest not negative")

    def __call__(self, depth: NDArray[np.float32], rng: np.random.Generator) -> MixedLabel:
        """Return the label of ``depth`` of any shape; what is not positive and finite is unknown and stays 0."""
        known = np.isfinite(depth) & (depth > 0)
        kind = rng.random()
        scale, shift = float(np.exp(rng.uniform(-1, 1) * np.log(self.factor))), 0.0
        place = rng.random()
        if kind < self.exact or not known.any():
            scale = 1.0
        elif kind >= self.exact + self.scaled:
            low = -self.lowest * float(depth[known].min())
            high = self.highest * float(np.median(depth[known]))
            shift = scale * (low + place * (high - low))
        label = np.zeros(depth.shape, np.float32)
        label[known] = scale * depth[known] + shift
        return MixedLabel(label, scale, shift)


class MixedLabels(Dataset):
    """Samples of another data set, the tensor at ``key`` replaced by a label of unknown scale and shift.

    With ``seed`` the label of a sample is the same whenever it is drawn, as that of a recording is; without, it is new
    each time. What was drawn is told to nobody.
    """

    def __init__(
        self, samples: Dataset, mixing: LabelMixing | None = None, key: str = "depth", seed: int | None = None
    ):
        self.samples = samples
        self.mixing = mixing or LabelMixing()
        self.key = key
        self.seed = seed

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.samples)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return sample ``index``; the one of the other data set is not changed."""
        drawn = [self.seed, index] if self.seed is not None else int(torch.randint(0, 2**62, (1,)))
        sample = dict(self.samples[index])
        depth = sample[self.key]
        label = self.mixing(depth.numpy(), np.random.default_rng(drawn)).depth
        sample[self.key] = torch.from_numpy(label).to(depth.dtype)
        return sample
