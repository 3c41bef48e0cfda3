"""All numbers of a scene's fit in one place, and how the weights of the clustering terms follow the channel count.

Weights are those of ClusteringSDF's instance mode (Wu et al., ECCV 2024), which were chosen for 50 channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

PAPER_CHANNELS = 50


@dataclass(frozen=True)
class LossWeights:
    """What each loss is multiplied by; 0 switches it off and saves its time.

    ``differentiation`` and ``regularization`` are given for 50 channels, whatever the channel count in use: see
    ``for_channels``. ``depth`` is not in the paper: robots measure depth in metres.
    """

    color: float = 1.0
    eikonal: float = 0.1
    smoothness: float = 0.005
    depth: float = 0.1
    normal_distance: float = 0.05
    normal_angle: float = 0.05
    distinction: float = 0.5
    differentiation: float = 20.0
    regularization: float = 1e4
    clustering: float = 1.0  # multiplies the two lines above
    one_hot: float = 0.5
    background: float = 0.2
    foreground: float = 0.04  # 0.2 inside the loss times 0.2 outside
    semantic: float = 0.0
    cross_view: float = 0.0

    def for_channels(self, channels: int) -> LossWeights:
        """Return the weights that keep the paper's balance with another number of channels.

        The softmax of a one-hot vector of c opacities has ``e / (e + c - 1)`` once and ``1 / (e + c - 1)`` else, so
        that both the distance between two of them and the variance of one depend on c alone. Each term's weight times
        its value at one-hot stays what it is at 50 channels.
        """
        distance = one_hot_distance(PAPER_CHANNELS) / one_hot_distance(channels)
        variance = one_hot_variance(PAPER_CHANNELS) / one_hot_variance(channels)
        return replace(
            self,
            differentiation=self.differentiation * self.clustering * distance,
            regularization=self.regularization * self.clustering * variance,
            clustering=1.0,
        )


def one_hot_distance(channels: int) -> float:
    """Return the distance between the softmaxes of two different one-hot vectors; needs 2 channels or more."""
    _check_channels(channels)
    return math.sqrt(2.0) * (math.e - 1.0) / (math.e + channels - 1.0)


def one_hot_variance(channels: int) -> float:
    """Return the variance over channels (divided by c - 1) of the softmax of a one-hot vector."""
    _check_channels(channels)
    return ((math.e - 1.0) / (math.e + channels - 1.0)) ** 2 / channels


def _check_channels(channels: int) -> None:
    if channels < 2:
        raise ValueError(f"channels must be 2 or more (the background and an object), got {channels}")


@dataclass(frozen=True)
class SceneConfig:
    """How a scene is fitted. Start from ``paper``, ``live`` or ``tiny`` and change fields with ``replace``.

    ``path`` is ``reference`` (volume rendering of a hash grid's signed distances, as in the paper) or ``live``
    (signed distances fused from measured depth, opacities at measured surface points). ``start`` is what channels
    begin with on the live path: ``consensus`` (masks that other views show as one thing share a channel) or ``random``.
    Lengths are metres.
    """

    path: str = "live"
    channels: int = 64  # the background and at most so many objects, less one
    weights: LossWeights = field(default_factory=LossWeights)
    learning_rate: float = 0.02
    random_rays: int = 512  # of one image, in a step
    label_rays: int = 512  # spread over its labels, at least one each
    key_share: float = 0.2  # how often an image with many labels is taken instead of any
    key_images: int = 50
    # the live path
    start: str = "consensus"
    cell: float = 0.02
    largest_nodes: int = 6_000_000  # the cell grows when the box has more nodes
    front: float = 4.0  # cells in front of a surface up to which distances are measured
    behind: float = 2.5
    images_per_step: int = 4
    points_per_image: int = 20_000  # kept
    coarse: int = 4  # cells to a cell of the coarse level
    sharpness: float = 0.5  # the Laplace density's b, in cells
    pull: float = 0.1  # share of the way back to what all views say together, each step; 0: that is a start only
    largest_logit: float = 6.0
    split_distance: float = 0.1  # pieces of a channel farther apart become objects of their own
    smallest: int = 12  # nodes of the smallest object
    # the reference path, in units in which the background's first sphere holds the box
    levels: int = 16
    level_features: int = 2
    base_resolution: int = 16
    finest_resolution: int = 2048
    log2_table: int = 19
    frequencies: int = 6
    view_frequencies: int = 4
    layers: int = 2
    width: int = 256
    samples: int = 64
    extra_samples: int = 32
    initial_samples: int = 128
    rounds: int = 5
    bisections: int = 10
    opacity_error: float = 0.1
    density_start: float = 0.1
    density_floor: float = 1e-4
    grid_speed: float = 20.0  # the hash grid's learning rate is so many times the network's
    decay_steps: int = 80_000  # the learning rate falls to a tenth over so many steps
    distinction_after: int = 40_000  # the distinction loss earlier keeps objects inside the background
    eikonal_channels: int = 0  # at random, beside the scene; 0: all

    def __post_init__(self) -> None:
        """Raise ValueError naming the field that cannot be."""
        _check_channels(self.channels)
        if self.path not in ("live", "reference"):
            raise ValueError(f"path must be live or reference, got {self.path!r}")
        if self.start not in ("consensus", "random"):
            raise ValueError(f"start must be consensus or random, got {self.start!r}")
        positive = ("cell", "learning_rate", "images_per_step", "points_per_image", "coarse", "sharpness", "samples")
        for name in (*positive, "front", "behind", "largest_nodes"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0, got {getattr(self, name)}")
        if self.random_rays < 0 or self.label_rays < 0 or not self.random_rays + self.label_rays:
            raise ValueError(f"random_rays {self.random_rays} and label_rays {self.label_rays} choose no rays")

    @classmethod
    def paper(cls) -> SceneConfig:
        """Return the paper's configuration: 50 channels, 16 levels of a hash grid, no depth supervision."""
        return cls(path="reference", channels=PAPER_CHANNELS, weights=LossWeights(depth=0.0), learning_rate=5e-4)

    @classmethod
    def live(cls, cell: float = 0.02, channels: int = 64) -> SceneConfig:
        """Return what two CPU cores can do while a robot moves."""
        return cls(path="live", channels=channels, cell=cell)

    @classmethod
    def self_organised(cls, cell: float = 0.02, channels: int = 24) -> SceneConfig:
        """Return the live path whose channels start at random, so that the losses alone must find the objects."""
        return cls(path="live", channels=channels, cell=cell, start="random", learning_rate=0.05)

    @classmethod
    def tiny(cls, path: str = "live") -> SceneConfig:
        """Return a configuration small enough for tests: 8 channels, few rays, a small network."""
        small = cls(path=path, channels=8, random_rays=64, label_rays=64, cell=0.05, points_per_image=2000)
        if path == "live":
            return small
        return replace(
            small,
            learning_rate=2e-3,
            levels=4,
            base_resolution=8,
            finest_resolution=48,
            log2_table=12,
            frequencies=3,
            view_frequencies=2,
            width=32,
            samples=16,
            extra_samples=8,
            initial_samples=32,
            rounds=2,
            decay_steps=1000,
            distinction_after=500,
            eikonal_channels=2,
        )
