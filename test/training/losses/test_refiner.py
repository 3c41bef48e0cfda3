"""Against numbers worked by hand; 0.02 is what keeps ratios of tiny errors finite."""

from __future__ import annotations

import math

import pytest
import torch

from depth_perception.models import networks
from depth_perception.models.candidates import ABOUT, HEARD
from depth_perception.models.networks.output import NetworkOutput
from depth_perception.models.refiner import CHANNELS, RefinerConfig
from training.losses.refiner import RefinerCriterion

SIZE = (32, 32)


def flat(value, batch=1):
    return torch.full((batch, 1, *SIZE), float(value))


def output(log_depth, log_deviation=None, logit=None) -> NetworkOutput:
    log_deviation = torch.full_like(log_depth, -3) if log_deviation is None else log_deviation
    logit = torch.zeros_like(log_depth) if logit is None else logit
    depth = torch.exp(log_depth)
    extra = {"log_depth": log_depth, "log_deviation": log_deviation, "inlier_logit": logit}
    return NetworkOutput(depth, depth * torch.exp(log_deviation), torch.sigmoid(logit), extra)


def batch(truth, start, scale=1.0, inlier=None) -> dict:
    start = start if isinstance(start, torch.Tensor) else flat(start, len(truth))
    features = torch.zeros(len(truth), CHANNELS, *start.shape[2:])
    features[:, 3:4] = start
    inlier = -torch.ones_like(truth) if inlier is None else inlier
    return {"inputs": (features,), "depth": truth, "inlier": inlier, "scale": torch.full((len(truth), 1, 1, 1), scale)}


def test_half_the_blends_error_in_logarithms_and_in_metres():
    # truth 2 m, blended 4 m, said sqrt(8) m: half way in logarithms, 0.828 of 2 m too far
    parts = RefinerCriterion()(output(flat(math.log(8) / 2)), batch(flat(2), math.log(4)))
    assert float(parts["log"]) == pytest.approx(0.5 * math.log(2) / (math.log(2) + 0.02), rel=1e-4)
    assert float(parts["metric"]) == pytest.approx((math.sqrt(8) - 2) / 2.02, rel=1e-4)
    assert float(parts["edges"]) == pytest.approx(0, abs=1e-6)  # wrong by the same everywhere


def test_metres_are_those_of_the_scale():
    one = RefinerCriterion()(output(flat(0.3)), batch(flat(2), flat(0.9)))
    two = RefinerCriterion()(output(flat(0.3)), batch(flat(6), flat(0.9), scale=3.0))
    for name in one:
        assert float(one[name]) == pytest.approx(float(two[name]), rel=1e-5), name


def test_every_sample_counts_alike():
    # the second frame's blend is ten times worse, and so is its prediction
    truth = torch.cat([flat(1), flat(1)])
    start = torch.cat([flat(0.1), flat(1.0)])
    guess = torch.cat([flat(0.05), flat(0.5)])
    both = RefinerCriterion()(output(guess), batch(truth, start))
    first = RefinerCriterion()(output(guess[:1]), batch(truth[:1], start[:1]))
    second = RefinerCriterion()(output(guess[1:]), batch(truth[1:], start[1:]))
    assert float(both["log"]) == pytest.approx((float(first["log"]) + float(second["log"])) / 2)
    assert float(first["log"]) == pytest.approx(0.05 / 0.12, rel=1e-4)
    assert float(second["log"]) == pytest.approx(0.5 / 1.02, rel=1e-4)


def test_unknown_pixels_teach_nothing():
    guess = flat(0.2).requires_grad_()
    truth = flat(2)
    truth[..., :16] = 0
    parts = RefinerCriterion()(output(guess), batch(truth, flat(0.1)))
    parts["loss"].backward()
    assert not guess.grad[..., :16].any()
    assert guess.grad[..., 16:].any()


def test_a_frame_of_sky_gives_a_finite_loss():
    guess = flat(0.2).requires_grad_()
    parts = RefinerCriterion()(output(guess), batch(flat(0), flat(0.1)))
    assert all(torch.isfinite(value) for value in parts.values())
    parts["loss"].backward()
    assert torch.isfinite(guess.grad).all()


def test_edges_cost_where_the_error_jumps():
    guess = flat(0)
    guess[..., 16:] = 0.4  # truth is 1 m everywhere, blended 0.2 too far in logarithms
    parts = RefinerCriterion(levels=1)(output(guess), batch(flat(1), flat(0.2)))
    # one of 31 steps to the right jumps by 0.4, none downwards
    assert float(parts["edges"]) == pytest.approx(0.4 / 31 / 0.22, rel=1e-4)
    three = RefinerCriterion(levels=2)(output(guess), batch(flat(1), flat(0.2)))
    assert float(three["edges"]) == pytest.approx((0.4 / 31 + 0.4 / 15) / 2 / 0.22, rel=1e-4)


def test_the_best_deviation_is_the_error_and_depth_does_not_pay_for_it():
    spread = flat(-1).requires_grad_()
    guess = flat(0.3).requires_grad_()
    criterion = RefinerCriterion()
    parts = criterion(output(guess, spread), batch(flat(1), flat(0.5)))
    # Laplace: error / deviation + log deviation
    assert parts["nll"].item() == pytest.approx(0.3001 * math.e - 1, rel=1e-4)
    parts["nll"].backward()
    assert guess.grad is None or not guess.grad.any()
    best = min(
        (-3, -2, -1.2, -0.5, 0), key=lambda s: float(criterion(output(guess, flat(s)), batch(flat(1), 0))["nll"])
    )
    assert best == -1.2  # log 0.3


def test_points_are_judged_where_there_are_some():
    inlier = -torch.ones(1, 1, *SIZE)
    inlier[..., 0, 0], inlier[..., 5, 5] = 1, 0
    logit = flat(7)
    logit[..., 0, 0], logit[..., 5, 5] = 1.0, 1.0
    parts = RefinerCriterion()(output(flat(0), logit=logit), batch(flat(1), flat(0.1), inlier=inlier))
    expected = (-math.log(1 / (1 + math.exp(-1))) - math.log(1 - 1 / (1 + math.exp(-1)))) / 2
    assert float(parts["inlier"]) == pytest.approx(expected, rel=1e-5)
    nobody = RefinerCriterion()(output(flat(0), logit=logit), batch(flat(1), flat(0.1)))
    assert float(nobody["inlier"]) == 0


def test_the_sum_is_that_of_its_weighed_parts():
    weights = {"gradient": 0.3, "deviation": 0.07, "inlier": 0.2}
    inlier = flat(1)
    guess = flat(0.1) + 0.01 * torch.arange(32.0)
    parts = RefinerCriterion(**weights)(output(guess), batch(flat(1), flat(0.4), inlier=inlier))
    expected = 0.7 * parts["log"] + 0.3 * parts["metric"]
    for name, part in (("gradient", "edges"), ("deviation", "nll"), ("inlier", "inlier")):
        expected = expected + weights[name] * parts[part]
    assert float(parts["loss"]) == pytest.approx(float(expected), rel=1e-5)


def coarse(values, step=2):
    """The upper left of each block."""
    return values[..., ::step, ::step]


def test_a_cell_answers_for_its_pixels_where_the_grid_is_coarser():
    # each cell of two by two pixels says 0.1; truth is 0 at three of them and log 0.3 at the last
    truth = flat(1)
    truth[..., 1::2, 1::2] = math.exp(0.3)
    inlier = -torch.ones_like(truth)
    inlier[..., 4, 7] = 1  # in cell (2, 3)
    logit = coarse(flat(0))
    logit[..., 2, 3] = 2.0
    said, spread = coarse(flat(0.1)), coarse(flat(-2))
    parts = RefinerCriterion()(output(said, spread, logit), batch(truth, coarse(flat(0.5)), inlier=inlier))
    miss, first = (3 * 0.1 + 0.2) / 4, (3 * 0.5 + 0.2) / 4
    assert float(parts["log"]) == pytest.approx(miss / (first + 0.02), rel=1e-4)
    metric, begin = ((3 * (math.exp(x) - 1) + abs(math.exp(x) - math.exp(0.3))) / 4 for x in (0.1, 0.5))
    assert float(parts["metric"]) == pytest.approx(metric / (begin + 0.02), rel=1e-4)
    assert float(parts["edges"]) == pytest.approx(0, abs=1e-6)  # within a cell nothing can be had
    assert float(parts["nll"]) == pytest.approx((miss + 1e-4) * math.exp(2) - 2, rel=1e-4)
    assert float(parts["inlier"]) == pytest.approx(math.log(1 + math.exp(-2)), rel=1e-4)
    assert float(parts["ratio"]) == pytest.approx(miss / first, rel=1e-3)


def test_edges_of_a_coarse_grid_are_those_between_its_cells():
    said = coarse(flat(0))
    said[..., 8:] = 0.4
    parts = RefinerCriterion(levels=1)(output(said), batch(flat(1), coarse(flat(0.2))))
    assert float(parts["edges"]) == pytest.approx(0.4 / 15 / 0.22, rel=1e-4)


def test_a_step_downhill_lowers_it():
    torch.manual_seed(0)
    network = networks.build("refiner", RefinerConfig(widths=(4, 8), blocks=(1, 1), hidden=8))
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2)
    generator = torch.Generator().manual_seed(0)
    features = 0.3 * torch.randn(2, CHANNELS, *SIZE, generator=generator)
    about = torch.zeros(2, HEARD, ABOUT, *SIZE)
    about[:, :, 0] = torch.linspace(-0.5, 0.5, HEARD).reshape(1, HEARD, 1, 1)
    about[:, :, 8] = about[:, :, 0]  # the last is right, and can be told from the others
    truth = torch.exp(features[:, 3:4] + 0.5)
    content = batch(truth, 0, inlier=(features[:, 1:2] > 0).float())
    content["inputs"] = (features, about.flatten(1, 2), torch.zeros(2, HEARD, *SIZE))
    losses = []
    for _ in range(10):
        parts = RefinerCriterion()(network(*content["inputs"]), content)
        optimizer.zero_grad()
        parts["loss"].backward()
        optimizer.step()
        losses.append(parts["loss"].item())
    assert losses[-1] < 0.9 * losses[0]


def surface_of(guess, truth):
    """The part for what hangs between two surfaces, where the blend it starts from is wrong by 1 in every logarithm."""
    start = torch.log(torch.where(truth > 0, truth, 1.0)) + 1
    criterion = RefinerCriterion(gradient=0, deviation=0, inlier=0, surface=1.0)
    parts = criterion(output(guess), batch(truth, start))
    without = RefinerCriterion(gradient=0, deviation=0, inlier=0)(output(guess), batch(truth, start))
    assert float(parts["loss"] - without["loss"]) == pytest.approx(float(parts["surface"]), abs=1e-6)
    return float(parts["surface"])


def test_between_two_surfaces_the_closer_one_counts_and_only_at_the_edge():
    truth = flat(1)
    truth[..., 16:] = math.e  # an edge between columns 15 and 16: the two columns on either side see both
    for said, away in ((0.0, 0.0), (1.0, 0.0), (0.3, 0.3), (0.8, 0.2), (-0.5, 0.0), (1.4, 0.0)):
        assert surface_of(flat(said), truth) == pytest.approx(away * 4 / 32 / 1.02, rel=1e-4), said


def test_a_slope_is_no_edge_and_the_unknown_no_surface():
    slope = torch.exp(0.015 * torch.arange(32.0)).expand(1, 1, *SIZE)  # 0.06 across the five pixels that are looked at
    assert surface_of(torch.log(slope) + 0.01, slope) == 0
    hole = flat(1)
    hole[..., 16:] = 0
    assert surface_of(flat(-0.3), hole) == 0
