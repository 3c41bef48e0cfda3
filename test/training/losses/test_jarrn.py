import math

import pytest
import torch

from depth_perception.models.networks.output import NetworkOutput
from training.losses.jarrn import JarrnCriterion, laplace_nll


def output(depth, deviation=None) -> NetworkOutput:
    deviation = torch.full_like(depth, 0.1) if deviation is None else deviation
    return NetworkOutput(depth, deviation, torch.ones_like(depth), {"O": depth})


def batch(truth, points=None, scale=2.0) -> dict:
    features = torch.zeros(len(truth), 5, *truth.shape[2:])
    if points is not None:
        features[:, 4:5] = points
    return {"inputs": (features,), "depth": truth, "scale": torch.full((len(truth), 1, 1, 1), scale)}


def image(*rows) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float32)[None, None]


def test_all_parts_by_hand():
    truth = image([0, 4], [8, 4])  # in units of 2 m: unknown, 2, 4, 2: mean 8/3, deviation 8/9
    guess = image([9, 2], [2, 5])  # over the known: mean 3, deviation 4/3
    points = image([1, 0], [1, 1])  # the first has no truth
    parts = JarrnCriterion(deviation=0)(output(guess), batch(truth, points))
    assert parts["absolute"].item() == pytest.approx((2 + 3) / 2)
    truth_s = [-0.75, 1.5, -0.75]
    guess_s = [-0.75, -0.75, 1.5]
    assert parts["relative"].item() == pytest.approx(sum(abs(a - b) for a, b in zip(truth_s, guess_s)) / 3)
    assert parts["gradient"].item() == 0, "two pixels hold no Sobel kernel"
    assert parts["loss"].item() == pytest.approx(2.5 + 1.5)


def test_weights_of_the_parts():
    torch.manual_seed(0)
    guess, truth = 1 + torch.rand(2, 1, 12, 12), 1 + torch.rand(2, 1, 12, 12)
    parts = JarrnCriterion()(output(guess), batch(truth, (truth > 1.5).float()))
    assert parts["gradient"].item() > 0
    expected = parts["absolute"] + parts["relative"] + 0.5 * parts["gradient"] + 0.01 * parts["nll"]
    assert parts["loss"].item() == pytest.approx(expected.item())


def test_without_points_there_is_no_absolute_part():
    guess = 1 + torch.rand(1, 1, 8, 8)
    parts = JarrnCriterion()(output(guess), batch(5 * guess))
    assert parts["absolute"].item() == 0
    assert parts["relative"].item() == pytest.approx(0, abs=1e-4), "a wrong scale alone does not matter"
    assert parts["loss"].isfinite()


def test_a_scan_counts_by_images_not_by_points():
    truth = torch.full((2, 1, 8, 8), 2.0)
    guess = torch.cat([torch.full((1, 1, 8, 8), 2.0), torch.full((1, 1, 8, 8), 1.0)])  # the second is right
    points = torch.zeros(2, 1, 8, 8)
    points[0, 0, 0, 0], points[1] = 1, 1
    assert JarrnCriterion()(output(guess), batch(truth, points))["absolute"].item() == pytest.approx(0.5)


def test_the_target_is_the_truth_and_not_the_measurement():
    truth = torch.full((1, 1, 8, 8), 2.0)
    wrong = batch(truth, torch.ones(1, 1, 8, 8))
    wrong["inputs"][0][:, 3] = 7.0
    assert JarrnCriterion()(output(truth / 2), wrong)["absolute"].item() == 0


def test_padding_is_cut_off():
    torch.manual_seed(0)
    guess, truth = 1 + torch.rand(1, 1, 8, 8), 1 + torch.rand(1, 1, 7, 6)
    features = torch.ones(1, 5, 8, 8)
    padded = {"inputs": (features,), "depth": truth, "scale": torch.ones(1, 1, 1, 1)}
    cut = {**padded, "inputs": (features[..., :7, :6],)}
    a, b = (JarrnCriterion()(output(g), x) for g, x in ((guess, padded), (guess[..., :7, :6], cut)))
    assert a["loss"].item() == b["loss"].item()
    with pytest.raises(ValueError, match="smaller"):
        JarrnCriterion()(output(guess[..., :4, :4]), padded)


def test_nothing_known_costs_nothing_and_breaks_nothing():
    guess = (1 + torch.rand(1, 1, 8, 8)).requires_grad_()
    parts = JarrnCriterion()(output(guess), batch(torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)))
    parts["loss"].backward()
    assert parts["loss"].item() == 0
    assert guess.grad.isfinite().all()


def test_the_deviation_moves_no_depth():
    guess, deviation = (x.requires_grad_() for x in (1 + torch.rand(1, 1, 8, 8), torch.full((1, 1, 8, 8), 0.1)))
    parts = JarrnCriterion()(output(guess, deviation), batch(torch.full((1, 1, 8, 8), 3.0)))
    parts["nll"].backward()
    assert guess.grad is None or not guess.grad.any()
    assert deviation.grad.any()


def test_the_best_deviation_is_that_of_the_errors():
    depth = torch.full((1, 1, 4, 4), 10.0)
    truth = depth * math.exp(0.2)
    best = 10 * 0.2 * 2**0.5  # of a Laplace distribution with that mean absolute error
    losses = {d: laplace_nll(depth, torch.full_like(depth, d), truth, truth > 0).item() for d in (1.0, best, 8.0)}
    assert min(losses, key=losses.get) == best
    assert losses[best] == pytest.approx(1 + math.log(0.2), abs=1e-5)


def test_a_hopeless_depth_does_not_rule_the_gradient():
    deviation = torch.full((1, 1, 4, 4), 1e-3 * 0.3, requires_grad=True)
    truth = torch.ones(1, 1, 4, 4)
    laplace_nll(torch.full_like(truth, 1e-3), deviation, truth, truth > 0).backward()
    assert (deviation.grad * deviation).abs().sum() < 10, "per relative change"


def test_losses_are_float32_under_autocast():
    guess, truth = 1 + torch.rand(1, 1, 16, 16), 1 + torch.rand(1, 1, 16, 16)
    data = batch(truth, torch.ones(1, 1, 16, 16))
    with torch.autocast("cpu", torch.bfloat16):
        inside = JarrnCriterion()(output(guess), data)
    outside = JarrnCriterion()(output(guess), data)
    for name, value in inside.items():
        assert value.dtype == torch.float32, name
        assert value.item() == outside[name].item(), name


def test_the_term_beyond_the_paper_is_off_by_default():
    guess, truth = torch.full((1, 1, 8, 8), 1.5), torch.full((1, 1, 8, 8), 2.0)
    plain, more = (JarrnCriterion(everywhere=w)(output(guess), batch(truth)) for w in (0.0, 2.0))
    assert "everywhere" not in plain
    assert (more["loss"] - plain["loss"]).item() == pytest.approx(2 * 0.5)
