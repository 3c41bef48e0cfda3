"""A learned family small enough to test everything around networks with: three convolutions, a trivial method."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass

import numpy as np
import pytest

from depth_perception import available
from depth_perception.frames import DepthPrediction
from depth_perception.models import backends, families, networks, onnx_graphs, weights
from depth_perception.models.calibration import Calibration
from depth_perception.models.learned import LearnedCompleter, Prepared


@dataclass(frozen=True)
class TinyConfig:
    widths: tuple[int, ...] = (6, 5)
    steep: float = 0.5


class TinyMethod:
    family = "tiny"
    input_names = ("colour", "points")

    def __init__(self, config):
        self.config = config

    def prepare(self, image, sparse, camera):
        height, width = sparse.shape
        scale = float(np.median(sparse[sparse > 0]))
        colour = (
            np.zeros((3, *sparse.shape), np.float32) if image is None else np.moveaxis(image, 2, 0) / np.float32(255)
        )
        points = np.stack([sparse / np.float32(scale), (sparse > 0).astype(np.float32)])
        pad = ((0, 0), (0, -height % 4), (0, -width % 4))
        return Prepared((np.pad(colour, pad)[None], np.pad(points, pad)[None]), scale, sparse)

    def finish(self, outputs, prepared):
        height, width = prepared.context.shape
        depth, deviation, inlier = (part[0, 0, :height, :width] for part in outputs)
        believed = np.where(prepared.context > 0, inlier, np.float32(np.nan))
        return DepthPrediction(depth * np.float32(prepared.scale), deviation * np.float32(prepared.scale), believed)


def tiny_network(config):
    import torch
    from torch import nn

    from depth_perception.models.networks.output import NetworkOutput

    class TinyNetwork(nn.Module):
        def __init__(self):
            super().__init__()
            first, second = config.widths
            self.down = nn.Sequential(nn.Conv2d(5, first, 3, 2, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU())
            self.middle = nn.Sequential(nn.Conv2d(first, second, 3, 1, 1), nn.BatchNorm2d(second), nn.ReLU())
            self.up = nn.ConvTranspose2d(second, 3, 2, 2)
            self.gain = nn.Parameter(torch.tensor(0.9))
            self.unused = nn.Linear(2, 2)  # as a network may have what only its losses need

        def forward(self, colour, points):
            out = self.up(self.middle(self.down(torch.cat([colour, points], 1))))
            depth = torch.exp(config.steep * self.gain * torch.tanh(out[:, :1]))
            return NetworkOutput(depth, 0.1 * depth, torch.sigmoid(out[:, 2:]), {"raw": out})

    return TinyNetwork()


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """Register the family ``tiny`` and keep graphs made in the test in a folder of its own."""
    here = types.ModuleType("tiny_family")
    here.TinyConfig, here.TinyMethod = TinyConfig, TinyMethod
    torch_side = types.ModuleType("depth_perception.models.networks.tiny")
    torch_side.TinyNetwork = tiny_network
    monkeypatch.setitem(sys.modules, here.__name__, here)
    monkeypatch.setitem(sys.modules, torch_side.__name__, torch_side)
    monkeypatch.setitem(families._CLASSES, "tiny", ("tiny_family", "TinyConfig", "TinyMethod"))
    monkeypatch.setitem(networks._CLASSES, "tiny", "TinyNetwork")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    monkeypatch.setattr(onnx_graphs, "FOLDER", shipped)
    return types.SimpleNamespace(shipped=shipped, cache=tmp_path / "cache" / "depth_perception")


def random_weights(family, config=None, seed=0, name="test", calibration=None):
    """Weights of an untrained network with lively statistics, so that wrong folding shows."""
    torch = pytest.importorskip("torch")
    config = families.configuration(family, config)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = networks.build(family, config)
    tensors = {}
    for key, value in network.state_dict().items():
        if key.endswith("running_var"):
            value = 0.5 + torch.rand(value.shape, generator=generator)
        elif key.endswith("running_mean"):
            value = 0.2 * torch.randn(value.shape, generator=generator)
        if value.is_floating_point():
            tensors[key] = value.numpy()
    return weights.Weights(family, name, "0.1", config, tensors, calibration, {"steps": 0})


@pytest.fixture
def tiny_weights(tiny):
    """Weights of the tiny family, calibrated."""
    calibration = Calibration((-4.0, -2.0), (-5.0, 0.0), ((0.1, 0.2), (0.3, 0.4)), 2.2)
    return random_weights("tiny", calibration=calibration)


def scene(shape=(40, 52), share=0.05, seed=0):
    """An image and points (H, W) that mean nothing."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    sparse = np.where(rng.random(shape) < share, rng.uniform(1, 9, shape), 0).astype(np.float32)
    sparse[shape[0] // 2, shape[1] // 2] = 3
    return image, sparse


def completer(weights, backend, **options):
    """Weights with what runs them on the CPU."""
    run = backends.make_runner(weights, backend, "cpu", **options)
    method = families.method(weights.family, weights.config)
    return LearnedCompleter(weights.name, weights.version, method, run, weights.calibration)


@pytest.fixture
def without(monkeypatch):
    """Call it with names of packages that are then as if they were not installed."""

    def hide(*names):
        monkeypatch.setenv("DEPTH_PERCEPTION_WITHOUT", ",".join(names))
        available.optional.cache_clear()

    yield hide
    available.optional.cache_clear()
