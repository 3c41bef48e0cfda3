"""Scores, expectations and moves of one step, where they can be worked out by hand."""

from __future__ import annotations

import pytest
import torch

from depth_perception.models.networks.clude_encoder import Pooled
from depth_perception.models.networks.clude_translation import (
    Carry,
    LaplaceScores,
    expectation,
    laplace_scores,
    mode_expectation,
    pixel_centres,
)

CENTRES = torch.linspace(-1, 1, 9)[None, :, None, None]
GAP = torch.full((1, 1, 1, 1), 0.25)


def one_cell(least: float, greatest: float, known: float = 1.0) -> Pooled:
    return Pooled(*(torch.full((1, 1, 1, 1), v) for v in (least, greatest, known, known)))


def scored(pooled: Pooled, trust: float | None = None) -> torch.Tensor:
    belief = None if trust is None else torch.full((1, 1, 1, 1), trust)
    return LaplaceScores()(torch.zeros(1, 9, 1, 1), pooled, CENTRES, GAP, belief).detach()


def test_laplace_law_has_straight_tails_and_a_round_top():
    far = laplace_scores(torch.tensor([100.0, 101.0]))
    assert far[1] - far[0] == pytest.approx(-1.0, rel=1e-3)
    top = laplace_scores(torch.tensor([0.0, 0.02]))
    assert abs(top[0] - top[1]) < 0.001, "a true Laplace law would fall by 0.02"


def test_a_measurement_raises_the_probability_of_its_centre():
    share = torch.softmax(scored(one_cell(0.5, 0.5)), 1)[0, :, 0, 0]
    assert share.argmax() == 6
    assert share[6] > 2 / 9
    assert (share[6:].diff() < 0).all()
    assert (share[:7].diff() > 0).all()


def test_two_measured_surfaces_are_two_peaks():
    share = torch.softmax(scored(one_cell(-0.75, 0.5)), 1)[0, :, 0, 0]
    assert share[1] == pytest.approx(share[6].item())
    assert share[1] > 2 * share[3]


def test_no_measurement_no_opinion():
    assert scored(one_cell(0.0, 0.0, known=0.0)).std() == 0


def test_an_unbelieved_point_counts_for_nothing():
    believed, not_believed = scored(one_cell(0.5, 0.5), 20.0), scored(one_cell(0.5, 0.5), -20.0)
    torch.testing.assert_close(believed, scored(one_cell(0.5, 0.5)))
    assert not_believed.abs().max() < 1e-6


def test_scores_do_not_move_centres():
    """Few centres far apart are easy to tell apart: scores would spread them at the cost of the depth."""
    centres = CENTRES.clone().requires_grad_()
    LaplaceScores()(torch.zeros(1, 9, 1, 1), one_cell(0.5, 0.5), centres, GAP).sum().backward()
    assert centres.grad is None


def test_scores_stay_finite_when_b_shrinks_to_nothing():
    layer = LaplaceScores()
    torch.nn.init.constant_(layer.log_scale, -100.0)
    scores = layer(torch.zeros(1, 9, 1, 1), one_cell(0.5, 0.5), CENTRES, GAP)
    assert torch.isfinite(scores).all()
    assert scores.min() >= -1.6 / 0.01


@pytest.mark.parametrize("depth", [-0.5, -0.4, 0.06, 0.3])
def test_expectation_is_between_centres_where_the_measurement_is(depth):
    share = torch.softmax(3 * scored(one_cell(depth, depth)), 1)
    assert expectation(share, CENTRES).item() == pytest.approx(depth, abs=0.02)


def test_expectation_around_the_mode_is_on_one_of_two_surfaces():
    scores = scored(one_cell(-1.0, 1.0)) * 4
    scores[:, 8] += 0.5
    share = torch.softmax(scores, 1)
    assert abs(expectation(share, CENTRES).item()) < 0.5  # smeared between them
    assert mode_expectation(share, CENTRES).item() == pytest.approx(1.0, abs=0.1)
    alone = torch.softmax(3 * scored(one_cell(0.06, 0.06)), 1)
    assert mode_expectation(alone, CENTRES).item() == pytest.approx(0.06, abs=0.02)


def test_local_moves_at_their_limit_keep_the_order():
    shared = torch.tensor([[0.0, 0.1, 1.0, 1.5]])
    for signs in ([1, -1, 1, -1], [-1, 1, -1, 1], [1, -1, -1, 1]):
        most = 0.5 + 0.25 + 0.125 + 0.0625  # all steps' tanh at 1
        local = most * torch.tensor(signs, dtype=torch.float32)[None, :, None, None]
        assert (pixel_centres(shared, local).diff(dim=1) > 0).all()


def two_surfaces() -> torch.Tensor:
    """Probabilities of three cells on the near surface and six on the far one."""
    depths = torch.tensor([[-0.75] * 3, [0.5] * 3, [0.5] * 3])[None, None]
    pooled = Pooled(depths, depths, torch.ones_like(depths), torch.ones_like(depths))
    return torch.softmax(3 * LaplaceScores()(torch.zeros(1, 9, 3, 3), pooled, CENTRES, GAP).detach(), 1)


def test_what_is_carried_is_on_a_surface_not_between_two():
    fine = Carry(2)(two_surfaces(), torch.zeros(1, 2, 6, 6)).detach()
    assert fine.shape == (1, 9, 6, 6)
    column = torch.softmax(fine, 1)[0, :, :, 3]  # (9, 6)
    best = CENTRES[0, column.argmax(0), 0, 0].tolist()
    assert set(best) == {-0.75, 0.5}
    assert best == sorted(best)
    edge = column[:, 2]  # just above it: both surfaces are likely, nothing between them is
    assert edge[6] > 3 * edge[3]


def test_a_cell_that_is_sure_is_heard_over_one_that_is_not():
    share = two_surfaces()
    share[:, :, 1:] = 1 / 9
    best = Carry(2)(share, torch.zeros(1, 2, 6, 6))[0, :, 2, 3].argmax()
    assert CENTRES[0, best, 0, 0] == -0.75


def test_carry_can_take_any_neighbour():
    carry = Carry(1)
    torch.nn.init.zeros_(carry.weigh.weight)
    share = torch.tensor([0.1, 0.2, 0.3, 0.4])[None, None, None].expand(1, 1, 2, 4)
    own = torch.tensor([0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4])
    beside = torch.tensor([0.1, 0.2, 0.1, 0.3, 0.2, 0.4, 0.3, 0.4])
    for which, expected in ((0, own), (1, beside), (2, own), (3, beside)):
        with torch.no_grad():
            carry.weigh.bias.fill_(-50.0)
            carry.weigh.bias[which] = 50.0
        got = carry(share, torch.zeros(1, 1, 4, 8))[0, 0, 1].detach()
        torch.testing.assert_close(got, torch.log(expected + 0.01))
