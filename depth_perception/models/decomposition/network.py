"""The reference path's network: a vector of signed distances from a hash grid, and the colour of a point."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from depth_perception.models.decomposition.config import SceneConfig
from depth_perception.models.decomposition.density import LaplaceDensity
from depth_perception.models.decomposition.hash_grid import HashGrid

BACKGROUND_RADIUS, OBJECT_RADIUS = 0.9, 0.45


class SceneNetwork(nn.Module):
    """Points (n, 3) in [-1, 1] to signed distances (n, c), channel 0 the background, and features (n, width).

    It starts with the background as an inside-out sphere, positive inside, around objects that are all one solid
    sphere: the scene, which is the minimum over channels, is then the space between them (geometric initialisation,
    Atzmon and Lipman, CVPR 2020). ``color`` is IDR's (Yariv et al., NeurIPS 2020).
    """

    def __init__(self, config: SceneConfig):
        super().__init__()
        self.channels, self.frequencies = config.channels, config.frequencies
        self.view_frequencies = config.view_frequencies
        self.grid = HashGrid(
            config.levels, config.level_features, config.base_resolution, config.finest_resolution, config.log2_table
        )
        inputs = code_width(config.frequencies) + self.grid.width
        widths = [inputs, *[config.width] * config.layers]
        hidden = [nn.Linear(a, b) for a, b in pairwise(widths)]
        last = nn.Linear(config.width, config.channels + config.width)
        _start_as_spheres(hidden, last, config.channels)
        self.hidden = nn.ModuleList(weight_norm(layer) for layer in hidden)
        self.last = weight_norm(last)
        seen = 6 + code_width(config.view_frequencies) + config.width
        colors = [seen, *[config.width] * config.layers]
        parts: list[nn.Module] = []
        for a, b in pairwise(colors):
            parts += [weight_norm(nn.Linear(a, b)), nn.ReLU()]
        self.painter = nn.Sequential(*parts, weight_norm(nn.Linear(config.width, 3)), nn.Sigmoid())
        self.density = LaplaceDensity(config.density_start, config.density_floor)
        self.soft = nn.Softplus(beta=100)

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return signed distances (n, c) and features (n, width)."""
        x = torch.cat([sine_code(points, self.frequencies), self.grid(points)], 1)
        for layer in self.hidden:
            x = self.soft(layer(x))
        x = self.last(x)
        return x[:, : self.channels], x[:, self.channels :]

    def distances(self, points: Tensor) -> Tensor:
        """Return signed distances (n, c)."""
        return self(points)[0]

    def scene(self, points: Tensor) -> Tensor:
        """Return the scene's signed distances (n,): the minimum over channels."""
        return self.distances(points).amin(1)

    def color(self, points: Tensor, directions: Tensor, normals: Tensor, features: Tensor) -> Tensor:
        """Return colours (n, 3) in [0, 1] of points seen along unit ``directions`` (n, 3)."""
        return self.painter(torch.cat([points, sine_code(directions, self.view_frequencies), normals, features], 1))


def sine_code(x: Tensor, frequencies: int) -> Tensor:
    """Return x (n, 3) beside its sines and cosines at 1, 2, 4, ... times: (n, 3 + 6 * frequencies)."""
    parts = [x]
    for k in range(frequencies):
        parts += [torch.sin(x * 2.0**k), torch.cos(x * 2.0**k)]
    return torch.cat(parts, 1)


def code_width(frequencies: int) -> int:
    """Return how many numbers ``sine_code`` makes of a point."""
    return 3 + 6 * frequencies


def gradient(values: Tensor, points: Tensor) -> Tensor:
    """Return the gradient (n, 3) of ``values`` (n,) by ``points`` (n, 3), differentiable again."""
    return torch.autograd.grad(values.sum(), points, create_graph=True)[0]


def _start_as_spheres(hidden: list[nn.Linear], last: nn.Linear, channels: int) -> None:
    """Make the network the distance to the origin, less a radius: only the point itself counts at first."""
    with torch.no_grad():
        for depth, layer in enumerate(hidden):
            nn.init.normal_(layer.weight, 0.0, math.sqrt(2.0 / layer.out_features))
            nn.init.zeros_(layer.bias)
            if depth == 0:
                layer.weight[:, 3:] = 0.0
        mean = math.sqrt(math.pi / last.in_features)
        nn.init.normal_(last.weight, mean, 1e-4)
        nn.init.constant_(last.bias, -OBJECT_RADIUS)
        last.weight[0] *= -1.0
        last.bias[0] = BACKGROUND_RADIUS
        last.bias[channels:] = 0.0
