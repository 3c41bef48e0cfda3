"""Weights of an estimator that was never trained, small enough to be made and run in a test."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFIG = {
    "widths": [8, 8, 8, 8, 8],
    "blocks": [1, 1, 1, 1],
    "decoder": [8, 8, 8, 8, 8],
    "height": 64,
    "width": 96,
}


def write_tiny_estimator(file: Path, seed: int = 0, **training) -> Path:
    """Write such weights for ``estimation-small``; ``training`` goes into the header. Skips without PyTorch."""
    torch = pytest.importorskip("torch")
    from depth_perception.models import families, networks, weights

    config = families.configuration("monocular", CONFIG)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = networks.build("monocular", config)
    tensors = {k: v.numpy() for k, v in network.state_dict().items() if v.is_floating_point()}
    weights.write(weights.Weights("monocular", "estimation-small", "0.0-test", config, tensors, None, training), file)
    return file
