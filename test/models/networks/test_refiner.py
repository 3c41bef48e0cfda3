from __future__ import annotations

import numpy as np
import pytest
import torch

from depth_perception.models import networks
from depth_perception.models.refiner import CHANNELS, RefinerConfig, RefinerMethod

SMALL = RefinerConfig(widths=(8, 8, 12, 16), detail=8, mixed=12)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return networks.build("refiner", SMALL).eval()


def features(height=32, width=64, batch=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 0.5 * torch.randn(batch, CHANNELS, height, width, generator=generator)


@pytest.mark.parametrize("shape", [(32, 32), (64, 96), (128, 32)])
def test_answers_are_as_large_as_the_features(network, shape):
    with torch.no_grad():
        output = network(features(*shape, batch=2))
    for part in output[:3]:
        assert part.shape == (2, 1, *shape)
        assert torch.isfinite(part).all()
    assert (output.depth > 0).all()
    assert (output.deviation > 0).all()
    assert ((output.inlier >= 0) & (output.inlier <= 1)).all()
    assert torch.allclose(output.extra["log_depth"].exp(), output.depth, rtol=1e-4)
    assert torch.allclose(torch.sigmoid(output.extra["inlier_logit"]), output.inlier)


def test_an_untrained_network_trusts_the_filling():
    torch.manual_seed(1)
    fresh = networks.build("refiner", SMALL).eval()
    x = features()
    with torch.no_grad():
        output = fresh(x)
    change = output.extra["log_depth"] - x[:, 3:4]
    offered = x[:, 4:8].abs().mean()
    assert change.abs().mean() < 0.6 * offered
    assert (output.inlier > 0.5).all()


def test_the_filling_moves_the_answer_with_it(network):
    """Depth is told relative to the filling: channel 3 itself adds to the answer."""
    x = features()
    with torch.no_grad():
        x[:, 4:8] = 0  # nothing else on offer
        before = network(x).extra["log_depth"] - x[:, 3:4]
    assert before.abs().mean() < 0.5


def test_extreme_features_stay_finite(network):
    for value in (-50.0, 50.0):
        with torch.no_grad():
            output = network(torch.full((1, CHANNELS, 32, 32), value))
        assert all(torch.isfinite(part).all() for part in output[:3])
        assert (output.depth > 0).all()


def test_training_under_bfloat16_gives_float32_and_reaches_every_weight():
    torch.manual_seed(0)
    fresh = networks.build("refiner", SMALL).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = fresh(features(64, 64, batch=2))
    for part in (*output[:3], *output.extra.values()):
        assert part.dtype == torch.float32
    sum(part.square().mean() for part in (*output[:3], *output.extra.values())).backward()
    missing = [name for name, p in fresh.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert not missing


def test_widths_and_blocks_are_those_of_the_configuration():
    def count(**settings):
        made = networks.build("refiner", RefinerConfig(**{"detail": 8, "mixed": 12, **settings}))
        return sum(p.numel() for p in made.parameters())

    base = count(widths=(8, 8, 12, 16))
    assert count(widths=(8, 8, 12, 32)) > base
    assert count(widths=(8, 8, 12, 16), blocks=(1, 1, 1, 3)) > base
    assert count(widths=(8, 8, 12, 16), mixed=24) > base


def test_it_takes_what_the_method_prepares(network):
    sparse = np.zeros((40, 50), np.float32)
    sparse[::6, ::5] = 3
    prepared = RefinerMethod(SMALL).prepare(None, sparse, None)
    with torch.no_grad():
        output = network(*(torch.from_numpy(x) for x in prepared.inputs))
    prediction = RefinerMethod(SMALL).finish([part.numpy() for part in output[:3]], prepared)
    assert prediction.depth.shape == (40, 50)
    assert np.isfinite(prediction.depth).all()


def test_an_unknown_family_is_told():
    with pytest.raises(ValueError, match=r"unknown family .*refiner"):
        networks.build("guesser", None)
