import numpy as np
import pytest
import torch

from depth_perception.models.jarrn import JarrnConfig, belief
from depth_perception.models.networks import build
from depth_perception.models.networks.jarrn import JarrnNetwork
from training.losses.jarrn import JarrnCriterion

TINY = {"widths": (4, 8, 8), "bottlenecks": (1, 1, 1)}


def features(batch=1, height=8, width=12) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(batch, 5, height, width, generator=generator)
    x[:, 4] = (x[:, 4] < 0.3).float()
    x[:, 3] *= x[:, 4]
    return x


def awake(network: JarrnNetwork) -> JarrnNetwork:
    """Open the residuals and heads as training does."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("alpha"):
                parameter.fill_(0.3)
    return network


def test_the_released_network_has_36_million_parameters():
    with torch.device("meta"):
        network = JarrnNetwork(JarrnConfig(widths=(64, 128, 256, 512, 512, 512, 512), bottlenecks=(3,) * 7))
    counts = [sum(p.numel() for p in part.parameters()) for part in (network.visual, network.refine)]
    assert counts[0] == pytest.approx(18.16e6, abs=5e3)
    assert counts[1] == pytest.approx(18.16e6, abs=5e3)
    assert sum(counts) == pytest.approx(36.3e6, abs=5e4)


def test_the_default_weights_fit_into_the_repository():
    with torch.device("meta"):
        network = JarrnNetwork(JarrnConfig())
    assert sum(p.numel() for p in network.parameters()) * 4 < 16e6


def test_outputs_obey_their_ranges_and_the_relation():
    network = awake(JarrnNetwork(JarrnConfig(**TINY)))
    out = network(features(2))
    assert all(x.shape == (2, 1, 8, 12) for x in (out.depth, out.deviation, out.inlier, *out.extra.values()))
    assert (out.depth > 0).all()
    relative = out.deviation / out.depth
    assert ((relative > 0.0019) & (relative < 1.001)).all()
    assert ((out.inlier >= 0) & (out.inlier <= 1)).all()
    dense, s, f, p = (out.extra[k] for k in "Dsfp")
    assert ((s > 0) & (s < 2) & (f.abs() <= 0.5) & (p > 0) & (p < 1)).all()
    assert torch.allclose(out.extra["O"], p * (s * dense + f) + (1 - p) * dense)


def test_it_starts_within_the_range_and_close_to_the_visual_branch():
    torch.manual_seed(0)
    out = JarrnNetwork(JarrnConfig(widths=(16, 32, 48), bottlenecks=(1, 1, 1)))(features())
    assert out.extra["p"].mean().item() == pytest.approx(0.12, abs=0.03)
    assert out.extra["s"].mean().item() == pytest.approx(1, abs=0.1)
    assert out.extra["D"].abs().max() < 2
    assert torch.allclose(out.extra["O"], out.extra["D"], atol=0.1)


def test_the_refine_branch_does_not_see_the_image():
    network = awake(JarrnNetwork(JarrnConfig(**TINY)))
    seen = []
    network.refine.first.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    x = features()
    out = network(x)
    assert torch.equal(seen[0], torch.cat([x[:, 3:5], out.extra["D"]], 1))


@pytest.mark.parametrize(
    ("switch", "factor", "value", "outputs"),
    [("use_scale", "s", 1.0, 2), ("use_offset", "f", 0.0, 2), ("use_probability", "p", 1.0, 2)],
)
def test_a_switch_removes_its_factor(switch, factor, value, outputs):
    network = awake(JarrnNetwork(JarrnConfig(**TINY, **{switch: False})))
    out = network(features())
    assert (out.extra[factor] == value).all()
    assert network.refine.last.out_channels == outputs
    assert all(out.extra[k].std() > 0 for k in "sfp" if k != factor)


def test_without_the_refine_branch_the_visual_depth_is_the_answer():
    network = awake(JarrnNetwork(JarrnConfig(**TINY, use_refine=False)))
    out = network(features())
    assert network.refine is None
    assert torch.equal(out.extra["O"], out.extra["D"])


def test_the_released_softmax_sums_to_one_down_each_column():
    out = awake(JarrnNetwork(JarrnConfig(**TINY, release_softmax=True)))(features())
    assert torch.allclose(out.extra["p"].sum(2), torch.tensor(1.0))


def test_only_tanh_lets_a_clamped_offset_learn():
    slopes = {}
    for clamp in ("tanh", "hardtanh"):
        raw = torch.tensor([0.6], requires_grad=True)
        value = JarrnNetwork(JarrnConfig(**TINY, offset_clamp=clamp))._offset(raw)
        value.backward()
        assert abs(value.item()) <= 0.5
        slopes[clamp] = raw.grad.item()
    assert slopes["hardtanh"] == 0
    assert slopes["tanh"] > 0.1


def test_the_deviation_teaches_nothing_but_its_own_head():
    network = awake(JarrnNetwork(JarrnConfig(**TINY)))
    network(features()).deviation.sum().backward()
    learned = {n for n, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    assert learned == {"deviation.weight", "deviation.bias"}


def test_every_parameter_learns_after_one_step():
    torch.manual_seed(0)
    network = build("jarrn", JarrnConfig(**TINY))
    x = features(2, 16, 16)
    batch = {"inputs": (x,), "depth": 1 + torch.rand(2, 1, 16, 16), "scale": torch.full((2, 1, 1, 1), 2.0)}
    optimizer = torch.optim.SGD(network.parameters(), 1e-2)
    for _ in range(2):
        optimizer.zero_grad()
        JarrnCriterion()(network(x), batch)["loss"].backward()
        optimizer.step()
    still = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


def test_images_of_a_batch_do_not_mix():
    network = awake(JarrnNetwork(JarrnConfig(**TINY)).eval())
    x = features(3)
    together, alone = network(x).depth, torch.cat([network(x[i : i + 1]).depth for i in range(3)])
    assert torch.allclose(together, alone, atol=1e-6)


def test_depth_is_float32_under_autocast():
    network = awake(JarrnNetwork(JarrnConfig(**TINY)))
    with torch.autocast("cpu", torch.bfloat16):
        out = network(features())
    assert out.depth.dtype == out.deviation.dtype == out.inlier.dtype == torch.float32


def test_the_inlier_probability_is_that_of_the_numpy_side():
    network = awake(JarrnNetwork(JarrnConfig(**TINY)))
    with torch.no_grad():
        x = features()
        out = network(x)
    given = x[:, 4:5] > 0
    points, depth, deviation = (t[given].numpy() for t in (x[:, 3:4], out.depth, out.deviation))
    np.testing.assert_allclose(out.inlier[given].numpy(), belief(points, depth, deviation / depth), atol=1e-5)
