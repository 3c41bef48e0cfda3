"""CluDe's network: shapes, what every switch takes away, gradients, and evidence passed on untouched."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from depth_perception.models import networks
from depth_perception.models.clude import LARGE, CludeConfig
from depth_perception.models.networks.clude import InlierHead

SMALL = CludeConfig(
    widths=(8, 8, 8, 8, 16),
    blocks=(0, 0, 0, 1, 0),
    centres_count=8,
    channels=16,
    heads=2,
    layers=1,
    decoder=(16, 8, 8),
)


def network(seed: int = 0, **changes):
    torch.manual_seed(seed)
    return networks.build("clude", dataclasses.replace(SMALL, **changes))


def inputs(batch: int = 1, height: int = 32, width: int = 48, density: float = 0.1):
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(batch, 3, height, width, generator=generator) * 2 - 1
    depth = 0.2 + torch.rand(batch, 1, height, width, generator=generator)
    known = (torch.rand(batch, 1, height, width, generator=generator) < density).float()
    return image, torch.cat([depth * known, known], 1)


def parameter_names(**changes) -> set[str]:
    return {name for name, _ in network(**changes).named_parameters()}


@pytest.mark.parametrize("decoder", [(16,), (16, 8), (16, 8, 8), (16, 8, 8, 8)])
def test_full_size_whatever_the_number_of_steps(decoder):
    net = network(decoder=decoder).eval()
    for size in ((32, 48), (16, 80)):
        output = net(*inputs(2, *size))
        for part in output[:3]:
            assert part.shape == (2, 1, *size)
            assert torch.isfinite(part).all()
        assert (output.depth > 0).all()
        assert (output.deviation > 0).all()
        assert output.extra["log_depth/1"].shape == (2, 1, *size)


def test_probabilities_sum_to_one_and_centres_are_ordered_at_every_scale():
    extra = network()(*inputs()).extra
    for scale in (16, 8, 4, 2):
        centres = extra[f"centres/{scale}"]
        total = torch.softmax(extra[f"scores/{scale}"], 1).sum(1)
        torch.testing.assert_close(total, torch.ones_like(total))
        assert (centres.diff(dim=1) > 0).all()
        low, high = centres[:, :1], centres[:, -1:]
        assert (extra[f"log_depth/{scale}"] >= low - 1e-5).all()
        assert (extra[f"log_depth/{scale}"] <= high + 1e-5).all()
    assert extra["centres/2"].shape == (1, 8, 16, 24), "the last centres are each pixel's own"


def test_untrained_it_follows_its_points():
    """The scores of points alone make a completion: learning starts from there."""
    image, points = inputs(density=0.2)
    points[:, :1, :, :24], points[:, :1, :, 24:] = points[:, 1:, :, :24] * 0.3, points[:, 1:, :, 24:] * 1.2
    depth = network().eval()(image, points).depth[0, 0]
    assert (depth[:, :20] - 0.3).abs().max() < 0.08
    assert (depth[:, 28:] - 1.2).abs().max() < 0.3


@pytest.mark.parametrize("density", [0.0, 0.5])
def test_without_points_and_with_many(density):
    output = network().eval()(*inputs(density=density))
    assert all(torch.isfinite(part).all() for part in output[:3])


def test_gradients_reach_every_parameter():
    net = network().train()
    output = net(*inputs(2))
    extra = output.extra
    total = sum(extra[f"log_depth/{s}"].square().mean() for s in (16, 8, 4, 2, 1))
    total = total + extra["log_deviation"].mean() + extra["inlier_logit"].mean()
    total.backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_honesty_costs_the_depth_nothing():
    net = network()
    output = net(*inputs())
    output.extra["log_deviation"].sum().backward()
    assert {name for name, p in net.named_parameters() if p.grad is not None} == {
        "deviation.layer.weight",
        "deviation.layer.bias",
    }


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({"offsets": "none"}, (".local.", ".shared.")),
        ({"offsets": "global"}, (".local.",)),
        ({"guidance": False}, ("clustering.guide",)),
        ({"centres": "log"}, ("clustering.width",)),
        ({"centres": "uniform"}, ("clustering.width",)),
        ({"cue": False}, (".cue.",)),
        ({"laplace": False}, ("laplace.", ".trust.")),
        ({"carry": False}, (".carry.",)),
        ({"trust": False}, (".trust.",)),
    ],
)
def test_a_switch_removes_what_it_names(changes, gone):
    whole, left = parameter_names(), parameter_names(**changes)
    for part in gone:
        assert any(part in name for name in whole), part
        assert not any(part in name for name in left), part
    output = network(**changes).eval()(*inputs())
    assert all(torch.isfinite(part).all() for part in output[:3])


def test_normalization_is_a_switch_too():
    def layers(net) -> int:
        return sum(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules())

    assert layers(network()) == 0
    assert layers(network(normalized=True)) > 10
    assert torch.isfinite(network(normalized=True)(*inputs(2)).depth).all()


def test_without_offsets_the_first_centres_are_the_last():
    extra = network(offsets="none")(*inputs()).extra
    torch.testing.assert_close(extra["centres/2"][:, :, 0, 0], extra["centres"])
    moved = network(offsets="global")(*inputs()).extra
    assert moved["centres/2"].shape == (1, 8, 1, 1)
    assert not torch.allclose(moved["centres/2"][:, :, 0, 0], moved["centres"])


def test_without_laplace_scores_it_does_not_know_where_a_point_is():
    image, points = inputs(density=0.2)
    other = points.clone()
    other[:, 0] = points[:, 0].clamp(0.2, 0.21)
    bare = {"cue": False, "guidance": False}
    blind = [network(laplace=False, **bare)(image, p).extra["scores/16"] for p in (points, other)]
    told = [network(**bare)(image, p).extra["scores/16"] for p in (points, other)]
    assert (told[0] - told[1]).abs().max() > 20 * (blind[0] - blind[1]).abs().max()


@pytest.mark.parametrize("pooling", ["average", "nearest"])
def test_pooling_changes_what_coarse_cells_are_told(pooling):
    image, points = inputs(density=0.3)
    plain, pooled = (network(pooling=p).eval()(image, points).extra["scores/16"] for p in ("minmax", pooling))
    assert (plain - pooled).abs().max() > 0.1


def test_a_point_is_believed_less_the_farther_it_is_from_the_surface():
    head, surface = InlierHead(), torch.zeros(1, 1, 1, 4)
    logs = torch.tensor([0.0, 0.05, -0.2, 1.0])[None, None, None]
    logit = head(surface, torch.full_like(surface, 0.05), logs, torch.full((1, 1, 1, 1), 0.1), None)[0, 0, 0]
    assert (logit.diff() < 0).all()
    doubted = head(surface, torch.full_like(surface, 0.05), logs, torch.full((1, 1, 1, 1), 0.1), surface - 2)[0, 0, 0]
    torch.testing.assert_close(doubted, logit - 2)


def test_filtered_points_are_not_scored():
    image, points = inputs(density=0.3)
    points[:, :1] = points[:, 1:] * 0.5
    points[:, 0, 10, 10], points[:, 1, 10, 10] = 5.0, 0.0
    depth = network().eval()(image, points).depth[0, 0].detach()
    assert depth[10, 10] == pytest.approx(0.5, rel=0.2)


def test_bfloat16_does_not_break_the_softmax():
    net = network().eval()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if "log_scale" in name:
                parameter.fill_(-20.0)
        with torch.autocast("cpu", torch.bfloat16):
            output = net(*inputs())
    assert all(torch.isfinite(part).all() for part in output[:3])
    assert output.depth.dtype == torch.float32


def test_the_papers_size_is_the_same_class():
    with torch.device("meta"):
        net = networks.build("clude", LARGE)
    assert sum(p.numel() for p in net.parameters()) > 2e7
    assert len(net.steps) == 4
    assert net.convex is None, "its last step is at full resolution"


def test_the_default_fits_the_repository():
    with torch.device("meta"):
        net = networks.build("clude", CludeConfig())
    assert 4 * sum(p.numel() for p in net.parameters()) < 16e6
