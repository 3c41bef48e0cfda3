"""Each part of CluDe's objective against an example worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from depth_perception.models import networks
from depth_perception.models.clude import CludeConfig
from depth_perception.models.networks.output import NetworkOutput
from training.losses.clude import (
    CludeCriterion,
    chamfer,
    depth_loss,
    inlier_loss,
    laplace_likelihood,
    offset_loss,
    probability_loss,
)


def image(rows: list[list[float]]) -> torch.Tensor:
    return torch.tensor(rows)[None, None]


def test_depth_loss_is_l1_plus_l2_and_repeats_coarse_maps():
    target = image([[0.0, 1.0], [2.0, 9.0]])
    weight = image([[0.5, 0.25], [0.25, 0.0]])
    # misses 1, 0, -1 and one that counts for nothing
    assert depth_loss(image([[1.0]]), target, weight).item() == pytest.approx(0.5 * 2 + 0.25 * 0 + 0.25 * 2)


def test_a_half_miss_costs_less_in_its_square():
    assert depth_loss(image([[0.5]]), image([[0.0]]), image([[1.0]])).item() == pytest.approx(0.5 + 0.25)


def test_pixels_count_by_their_depth_as_far_as_metres_says():
    target = torch.log(image([[1.0, 3.0, 1.0]]))
    valid = image([[1.0, 1.0, 0.0]]) > 0
    assert CludeCriterion(metres=0.0)._weight(target, valid).flatten().tolist() == pytest.approx([0.5, 0.5, 0])
    assert CludeCriterion(metres=1.0)._weight(target, valid).flatten().tolist() == pytest.approx([0.25, 0.75, 0])


def output_with(scores: torch.Tensor, centres: torch.Tensor) -> NetworkOutput:
    depth = torch.ones(1, 1, 2, 2)
    return NetworkOutput(depth, depth, depth, {"scores/2": scores, "centres/2": centres})


def test_cross_entropy_by_hand():
    centres = torch.tensor([0.0, 1.0, 2.0])[None, :, None, None]
    truth = torch.full((1, 1, 2, 2), 1.0)
    label = torch.softmax(
        torch.tensor([1 - math.sqrt(5.0), 0.0, 1 - math.sqrt(5.0)]), 0
    )  # width 0.5, distances 1, 0, 1
    share = torch.tensor([0.2, 0.5, 0.3])
    output = output_with(torch.log(share)[None, :, None, None], centres)
    got = probability_loss(output, truth, torch.ones_like(truth) > 0, 0.5)
    assert got.item() == pytest.approx(float(-(label * torch.log(share)).sum()), rel=1e-5)


def test_cross_entropy_prefers_one_surface_to_the_mean_of_two():
    centres = torch.linspace(0, 4, 5)[None, :, None, None]
    truth = torch.full((1, 1, 2, 2), 4.0)
    one = torch.tensor([-9.0, -9, -9, -9, 0])[None, :, None, None]
    between = torch.tensor([-9.0, -9, 0, -9, -9])[None, :, None, None]
    both = torch.tensor([0.0, -9, -9, -9, 0])[None, :, None, None]
    got = [probability_loss(output_with(s, centres), truth, truth > 0, 0.3).item() for s in (one, both, between)]
    assert got == sorted(got)


def test_labels_do_not_pull_the_centres():
    centres = torch.linspace(0, 4, 5)[None, :, None, None].requires_grad_()
    scores = torch.zeros(1, 5, 1, 1, requires_grad=True)
    truth = torch.ones(1, 1, 2, 2)
    probability_loss(output_with(scores, centres), truth, truth > 0, 0.5).backward()
    assert centres.grad is None
    assert scores.grad.abs().max() > 0


def test_chamfer_by_hand():
    centres = torch.tensor([[0.0, 3.0]])
    truth = image([[0.5, 1.0, 99.0]])
    valid = image([[1.0, 1.0, 0.0]]) > 0
    to_truth = (0.5**2 + 2.0**2) / 2
    to_centre = (0.5**2 + 1.0**2) / 2
    assert chamfer(centres, truth, valid).item() == pytest.approx(to_truth + to_centre)
    assert chamfer(centres, truth, valid & False).item() == 0


def test_offsets_cost_what_they_use_of_their_reach():
    extra = {"local/4": image([[0.5, -0.5]]), "local/2": image([[0.1, 0.1]]), "centres": torch.zeros(1, 2)}
    assert offset_loss(extra, [16, 4, 2]).item() == pytest.approx(0.3)
    assert offset_loss({"centres": torch.zeros(1, 2)}, [16, 4, 2]).item() == 0


def test_likelihood_is_that_of_a_laplace_law_and_least_at_the_true_deviation():
    valid = image([[1.0, 0.0]]) > 0
    deviation = image([[0.2, 0.2]])
    reference = -torch.distributions.Laplace(0.0, 0.2 / math.sqrt(2)).log_prob(torch.tensor(0.3))
    got = laplace_likelihood(image([[0.3, 7.0]]), torch.log(deviation), torch.zeros(1, 1, 1, 2), valid)
    assert got.item() == pytest.approx(float(reference), rel=1e-5)
    miss = torch.distributions.Laplace(0.0, 1.0).sample((1, 1, 40, 50))
    values = [
        laplace_likelihood(miss, torch.full_like(miss, math.log(s)), torch.zeros_like(miss), miss.abs() >= 0)
        for s in (0.7, math.sqrt(2), 2.8)
    ]
    assert min(values) == values[1]


def test_inlier_loss_by_hand():
    logit, right = image([[2.0, -1.0, 5.0, 5.0]]), image([[1.0, 0.0, -1.0, 0.0]])
    shown = image([[1.0, 1.0, 1.0, 0.0]])  # the last was filtered out before the network saw it
    expected = (math.log1p(math.exp(-2.0)) + math.log1p(math.exp(-1.0))) / 2
    assert inlier_loss(logit, right, shown).item() == pytest.approx(expected)


@pytest.fixture
def batch_and_network():
    torch.manual_seed(0)
    config = CludeConfig((8, 8, 8, 8, 8), (0, 0, 0, 0, 0), 6, 8, 2, 1, (8, 8, 8))
    depth = 0.5 + torch.rand(2, 1, 16, 32)
    known = (torch.rand(2, 1, 16, 32) < 0.2).float()
    batch = {
        "inputs": (torch.randn(2, 3, 16, 32), torch.cat([depth * known, known], 1)),
        "scale": torch.full((2, 1, 1, 1), 2.0),
        "depth": 2 * depth,
        "sparse": 2 * depth * known,
        "inlier": torch.where(known > 0, 1.0, -1.0),
    }
    return batch, networks.build("clude", config)


def test_the_sum_is_weighted_and_its_gradient_reaches_all(batch_and_network):
    batch, network = batch_and_network
    criterion = CludeCriterion(depth=1.0, probability=0.5, chamfer=0.2, offsets=0.1, deviation=0.3, inlier=0.4)
    parts = criterion(network(*batch["inputs"]), batch)
    weights = {"depth": 1.0, "probability": 0.5, "chamfer": 0.2, "offsets": 0.1, "deviation": 0.3, "inlier": 0.4}
    assert set(parts) == {*weights, "loss"}
    assert parts["loss"].item() == pytest.approx(sum(w * parts[k].item() for k, w in weights.items()), rel=1e-5)
    parts["loss"].backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def test_chamfer_is_a_help_at_the_start_only(batch_and_network):
    batch, network = batch_and_network
    criterion = CludeCriterion(chamfer_steps=2)
    output = network(*batch["inputs"])
    criterion.eval()
    criterion(output, batch)
    assert criterion.start() == 1.0, "looking is not training"
    criterion.train()
    left = []
    for _ in range(3):
        criterion(output, batch)
        left.append(criterion.start())
    assert left == [0.5, 0.0, 0.0]
    again = CludeCriterion(chamfer_steps=2)
    again.load_state_dict(criterion.state_dict())
    assert again.start() == 0.0, "a resumed training goes on where it was"


def test_unknown_truth_costs_nothing_and_breaks_nothing(batch_and_network):
    batch, network = batch_and_network
    batch["depth"][0] = 0
    parts = CludeCriterion()(network(*batch["inputs"]), batch)
    parts["loss"].backward()
    assert all(torch.isfinite(v) for v in parts.values())
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


def test_a_few_steps_learn_one_scene(batch_and_network):
    batch, network = batch_and_network
    criterion = CludeCriterion()
    optimizer = torch.optim.AdamW(network.parameters(), 5e-3)
    losses = []
    for _ in range(25):
        parts = criterion(network(*batch["inputs"]), batch)
        optimizer.zero_grad()
        parts["loss"].backward()
        optimizer.step()
        losses.append(parts["depth"].item())
    assert losses[-1] < 0.8 * losses[0]
