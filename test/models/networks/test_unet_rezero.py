import pytest
import torch

from depth_perception.models.networks.unet_rezero import Bottleneck, UNet

TINY = (4, 8, 12)


def parameters(network) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("widths", "millions"),
    [
        ((64, 128, 256, 512, 512, 512, 512), 18.16),  # as released; the others as the authors list them
        ((32, 64, 128, 512, 512), 5.95),
        ((16, 32, 64, 128, 128), 0.48),
    ],
)
def test_it_has_as_many_parameters_as_the_published_network(widths, millions):
    with torch.device("meta"):
        assert parameters(UNet(5, 1, widths)) / 1e6 == pytest.approx(millions, abs=0.005)


def test_size_and_type_of_the_output():
    out = UNet(5, 3, TINY, 1)(torch.rand(2, 5, 8, 12))
    assert out.shape == (2, 3, 8, 12)
    assert out.dtype == torch.float32


def test_a_bottleneck_starts_as_its_shortcut():
    x = torch.randn(1, 8, 4, 4)
    assert torch.equal(Bottleneck(8, 8)(x), x)


def test_a_bottleneck_does_not_change_its_input():
    block, x = Bottleneck(8, 8), torch.randn(1, 8, 4, 4)
    block.alpha.data.fill_(1.0)
    before = x.clone()
    assert not torch.equal(block(x), before)
    assert torch.equal(x, before)


def test_all_parameters_learn_once_the_residuals_are_open():
    torch.manual_seed(0)
    network = UNet(2, 1, TINY, 2)
    x = torch.rand(1, 2, 8, 8)
    network(x).square().mean().backward()
    alphas = [p for n, p in network.named_parameters() if n.endswith("alpha")]
    assert all(a.grad is not None and a.grad.abs() > 0 for a in alphas)
    with torch.no_grad():
        for alpha in alphas:
            alpha -= 0.1 * alpha.grad.sign()
    network.zero_grad()
    network(x).square().mean().backward()
    still = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


def test_without_biases_it_follows_the_scale_of_its_input():
    network = UNet(1, 1, TINY, 2)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("alpha"):
                parameter.fill_(0.5)
    x = torch.rand(1, 1, 8, 8)
    assert torch.allclose(network(3 * x), 3 * network(x), rtol=1e-4, atol=1e-5)


def test_the_head_keeps_full_precision_under_autocast():
    network = UNet(1, 1, TINY, 1)
    features = torch.rand(1, TINY[0], 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        out = network.head(features)
    assert out.dtype == torch.float32
    assert torch.equal(out, network.head(features))


@pytest.mark.parametrize(("widths", "bottlenecks"), [((4,), 1), ((4, 8), (1, 1, 1))])
def test_it_refuses_what_it_cannot_build(widths, bottlenecks):
    with pytest.raises(ValueError, match="as many counts"):
        UNet(1, 1, widths, bottlenecks)


def test_bottlenecks_can_differ_by_resolution():
    assert parameters(UNet(1, 1, (4, 8), (1, 2))) > parameters(UNet(1, 1, (4, 8), 1))
