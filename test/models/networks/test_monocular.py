from __future__ import annotations

import pytest
import torch

from depth_perception.models.monocular import MonocularConfig
from depth_perception.models.networks import build
from depth_perception.models.networks.monocular import MonocularNetwork, disparity_to_depth
from depth_perception.models.networks.monocular_decoder import SemanticDecoder
from depth_perception.models.networks.monocular_encoder import Encoder

TINY = MonocularConfig((4, 6, 8, 8, 8), (1, 1, 1, 1), (4, 4, 6, 8, 8), 64, 96, 0.2, 20.0)


def image(batch=1, height=64, width=96) -> torch.Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(0))


def test_the_default_is_as_large_as_the_release():
    with torch.device("meta"):
        network = MonocularNetwork(MonocularConfig())
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()}
    assert count["encoder"] == 11_176_512  # ResNet-18 of torchvision without its classifier
    assert sum(count.values()) == pytest.approx(14.3e6, abs=0.3e6)


def test_features_halve_five_times():
    features = Encoder(TINY.widths, TINY.blocks)(image())
    assert [tuple(f.shape) for f in features] == [
        (1, 4, 32, 48),
        (1, 6, 16, 24),
        (1, 8, 8, 12),
        (1, 8, 4, 6),
        (1, 8, 2, 3),
    ]
    with pytest.raises(ValueError, match="5 widths"):
        Encoder((4, 4), TINY.blocks)


def test_disparity_spans_the_range():
    ends = disparity_to_depth(torch.tensor([0.0, 0.5, 1.0]), 0.1, 10.0)
    # 1 / (0.1 + 9.9 / 2) = 0.198
    assert ends.tolist() == pytest.approx([10.0, 0.19802, 0.1], abs=1e-5)


def test_outputs_obey_their_ranges():
    torch.manual_seed(0)
    out = MonocularNetwork(TINY)(image(2))
    assert all(x.shape == (2, 1, 64, 96) for x in (out.depth, out.deviation, out.inlier, *out.extra.values()))
    assert ((out.depth >= 0.2) & (out.depth <= 20)).all()
    assert out.depth.std() > 0
    relative = out.deviation / out.depth
    assert ((relative >= 0.0049) & (relative <= 1.001)).all()
    assert torch.allclose(out.extra["log_deviation"], relative.log(), atol=1e-4)
    assert (out.inlier == 1).all()


def test_brighter_disparity_is_nearer():
    torch.manual_seed(0)
    network = MonocularNetwork(TINY).eval()
    with torch.no_grad():
        before = network(image()).depth
        network.disparity.bias += 1
        assert (network(image()).depth < before).all()


def test_the_deviation_teaches_nothing_but_its_own_head():
    network = MonocularNetwork(TINY)
    network(image()).deviation.sum().backward()
    learned = {n for n, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    assert learned == {"deviation.weight", "deviation.bias"}


def test_every_other_parameter_learns_from_depth():
    network = build("monocular", TINY)
    network(image(2)).depth.log().sum().backward()
    still = {n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()}
    assert still == {"deviation.weight", "deviation.bias"}


def test_semantics_are_told_from_the_same_features_in_logits_or_twice_softened():
    torch.manual_seed(0)
    features = Encoder(TINY.widths, TINY.blocks)(image())
    plain, twice = (SemanticDecoder(TINY.widths, TINY.decoder, 5, release_softmax=flag) for flag in (False, True))
    twice.load_state_dict(plain.state_dict())
    logits = plain(features)
    assert logits.shape == (1, 5, 64, 96)
    assert torch.allclose(twice(features), logits.softmax(1))
    assert (logits < 0).any()
    # with 40 classes the loss of the release can only move between these two, whatever the network says
    sure = torch.zeros(1, 40).index_fill(1, torch.tensor([3]), 1.0)
    worst, best = (torch.nn.functional.cross_entropy(sure, torch.tensor([k])).item() for k in (0, 3))
    assert (best, worst) == pytest.approx((2.73, 3.73), abs=0.01)


def test_depth_is_float32_under_autocast():
    network = MonocularNetwork(TINY)
    with torch.autocast("cpu", torch.bfloat16):
        out = network(image())
    assert out.depth.dtype == out.deviation.dtype == torch.float32


@pytest.mark.parametrize(
    "values", [{"widths": (4, 4)}, {"height": 100}, {"width": 32}, {"nearest": 3.0, "farthest": 2.0}]
)
def test_the_configuration_refuses_nonsense(values):
    with pytest.raises(ValueError, match=r"widths|multiples|nearest"):
        MonocularConfig(**values)
