from __future__ import annotations

import math

import pytest
import torch

from depth_perception.models.networks.output import NetworkOutput
from training.losses.gradient_mask import GradientMask
from training.losses.monocular import GamDepthCriterion, Views, known_directions, semantic_error
from training.losses.smoothness import smoothness

SIZE = (24, 32)


@pytest.fixture
def window():
    """Random views and the batch they are of; both sources show the target, a little darker."""
    generator = torch.Generator().manual_seed(0)
    target = 0.2 + 0.6 * torch.rand(2, 3, *SIZE, generator=generator)
    frames = torch.stack([target, 0.5 * target, 0.5 * target], 1)
    disparity = torch.rand(2, 1, *SIZE, generator=generator)
    depth = 1 / (0.1 + 9.9 * disparity)
    log_deviation = torch.full((2, 1, *SIZE), -2.0)
    output = NetworkOutput(
        depth, depth * log_deviation.exp(), depth, {"disparity": disparity, "log_deviation": log_deviation}
    )
    warped = [(0.9 * target).requires_grad_(), (0.8 * target).requires_grad_()]
    batch = {
        "frames": frames,
        "K": torch.tensor([[40.0, 0, 15.5], [0, 40, 11.5], [0, 0, 1]]).expand(2, 3, 3),
        "label": torch.randint(0, 4, (2, *SIZE), generator=generator),
        "segment": torch.ones(2, *SIZE, dtype=torch.long),
        "directions": torch.cat([torch.eye(3), -torch.eye(3)]).expand(2, 6, 3),
        "depth": depth * 3,
    }
    logits = torch.randn(2, 4, *SIZE, generator=generator).requires_grad_()
    return Views(output, [torch.eye(4).expand(2, 4, 4)] * 2, warped, logits), batch


def test_the_loss_is_the_weighted_sum_of_its_parts(window):
    views, batch = window
    weights = {"semantic": 0.3, "smooth": 0.2, "coplanar": 0.1, "right_angles": 0.05, "deviation": 0.01}
    torch.manual_seed(0)
    parts = GamDepthCriterion(GradientMask("averaging"), **weights, deviation_from="depth")(views, batch)
    total = parts["masked"] + sum(weights[k] * parts[k] for k in weights if k != "deviation") + 0.01 * parts["nll"]
    assert parts["loss"].item() == pytest.approx(total.item(), rel=1e-5)
    assert parts["masked"] == parts["photometric"]  # averaging weighs all alike
    assert parts["smooth"] == smoothness(views.output.extra["disparity"], batch["frames"][:, 0])
    assert all(v.isfinite() for v in parts.values())


def test_the_mask_weighs_the_least_error_and_not_each_source(window):
    views, batch = window
    views.warped[1].data.zero_()  # a bad source changes nothing where the other one is better
    plain = GamDepthCriterion(GradientMask("averaging"))(views, batch)
    gradient = GamDepthCriterion(GradientMask(floor=1.0, gain=10.0))(views, batch)
    assert gradient["masked"].item() == pytest.approx(10 * plain["photometric"].item(), rel=1e-4)
    gradient["loss"].backward()
    assert views.warped[0].grad.abs().sum() > 0
    assert views.warped[1].grad.abs().sum() == 0


def test_auto_mask_may_be_left_out(window):
    views, batch = window
    batch["frames"][:, 1:] = batch["frames"][:, :1]  # a standing camera
    assert GamDepthCriterion()(views, batch)["moving"] == 0
    parts = GamDepthCriterion(auto_mask=False)(views, batch)
    assert parts["moving"] == 1
    assert parts["photometric"] > 0


def test_semantics_end_with_their_epoch(window):
    views, batch = window
    criterion = GamDepthCriterion(semantic_epochs=15)
    assert criterion.wants_semantics(14)
    assert not criterion.wants_semantics(15)
    assert "semantic" in criterion(views, batch, 14)
    late = criterion(views, batch, 15)
    assert "semantic" not in late
    late["loss"].backward()
    assert views.logits.grad is None
    assert not GamDepthCriterion(semantic=0).wants_semantics(0)


def test_known_depth_teaches_up_to_its_scale_if_wanted(window):
    views, batch = window
    batch["depth"] = views.output.depth * 3
    right = GamDepthCriterion(known=0.5)(views, batch)
    assert right["known"].item() == pytest.approx(0, abs=1e-4)
    batch["depth"] = batch["depth"].clone()
    batch["depth"][..., :16] *= 2
    wrong = GamDepthCriterion(known=0.5)(views, batch)
    assert wrong["known"] > 0.3
    assert (wrong["loss"] - right["loss"]).item() == pytest.approx(0.5 * wrong["known"].item(), rel=0.02)
    batch["depth"].zero_()
    assert "known" not in GamDepthCriterion(known=0.5)(views, batch)


def test_axes_that_nobody_knows_come_from_the_depth_itself():
    from depth_perception.geometry.warping import rays

    K = torch.tensor([[[40.0, 0, 31.5], [0, 40, 23.5], [0, 0, 1]]]).expand(2, 3, 3)
    n = torch.tensor([0.3, 0.1, 1.0])
    ray = rays(K[:1], 48, 64)
    depth = (2 / (n.view(1, 3, 1, 1) * ray).sum(1, keepdim=True)).expand(2, 1, 48, 64)
    given = torch.cat([torch.eye(3), -torch.eye(3)])
    found = known_directions(depth, K, torch.stack([given, 0 * given]))
    assert torch.equal(found[0], given)
    assert (found[1] @ (n / n.norm())).max() > 0.999


def test_unknown_labels_teach_nothing():
    logits = torch.zeros(1, 5, 2, 2, requires_grad=True)
    label = torch.tensor([[[0, 3], [0, 0]]])
    found = semantic_error(logits, label)
    assert found.item() == pytest.approx(math.log(5))
    found.backward()
    assert logits.grad[0, :, 0, 0].abs().sum() == 0
    assert logits.grad[0, 3, 0, 1] < 0
    assert semantic_error(logits, 0 * label) == 0


@pytest.mark.parametrize("source", ["photometric", "depth"])
def test_the_deviation_teaches_nothing_else(window, source):
    views, batch = window
    depth = views.output.depth.clone().requires_grad_()
    log_deviation = views.output.extra["log_deviation"].clone().requires_grad_()
    extra = {"disparity": 1 / depth, "log_deviation": log_deviation}
    views = views._replace(output=NetworkOutput(depth, depth, depth, extra))
    GamDepthCriterion(deviation_from=source)(views, batch)["nll"].backward()
    assert log_deviation.grad.abs().sum() > 0
    assert depth.grad is None or depth.grad.abs().sum() == 0
    with pytest.raises(ValueError, match="photometric, depth"):
        GamDepthCriterion(deviation_from="guess")


def test_without_known_depth_colours_teach_the_deviation(window):
    views, batch = window
    torch.manual_seed(0)
    colours = GamDepthCriterion(deviation_from="photometric")(views, batch)["nll"]
    batch["depth"] = 0 * batch["depth"]
    torch.manual_seed(0)
    assert GamDepthCriterion(deviation_from="depth")(views, batch)["nll"] == colours
