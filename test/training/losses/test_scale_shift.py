from __future__ import annotations

import pytest
import torch

from training.losses.affine import FITS, STANDARDS
from training.losses.scale_shift import ScaleShiftCriterion

torch.manual_seed(0)
LABEL = 1 + 3 * torch.rand(2, 1, 16, 20)


@pytest.mark.parametrize("standard", [*STANDARDS, "least_squares"])
def test_labels_of_any_scale_and_shift_teach_the_same(standard):
    torch.manual_seed(1)
    criterion = ScaleShiftCriterion(standard)
    depth = 2 + torch.rand(2, 1, 16, 20)
    first = criterion(depth, LABEL)["loss"]
    other = criterion(
        depth, LABEL * torch.tensor([5.0, 0.2]).view(2, 1, 1, 1) + torch.tensor([3.0, 0.1]).view(2, 1, 1, 1)
    )
    assert first > 0.1
    assert other["loss"].item() == pytest.approx(first.item(), rel=1e-3)


@pytest.mark.parametrize("standard", [*STANDARDS, "least_squares"])
def test_depth_of_the_right_shape_costs_nothing(standard):
    parts = ScaleShiftCriterion(standard)(0.3 * LABEL + 7, LABEL)
    assert all(value.item() == pytest.approx(0, abs=2e-4) for value in parts.values())


def test_with_scale_alone_a_shift_costs():
    criterion = ScaleShiftCriterion("scale")
    assert criterion(0.3 * LABEL, LABEL)["loss"].item() == pytest.approx(0, abs=1e-4)
    assert criterion(0.3 * LABEL, 9 * LABEL)["loss"].item() == pytest.approx(0, abs=1e-4)
    assert criterion(0.3 * LABEL + 1, LABEL)["loss"] > 0.05


def test_logarithms_forgive_a_scale_and_count_near_and_far_alike():
    criterion = ScaleShiftCriterion("log", squashed=0, gradient=0)
    assert criterion(0.3 * LABEL, 9 * LABEL)["loss"].item() == pytest.approx(0, abs=1e-5)
    assert criterion(0.3 * LABEL + 1, LABEL)["loss"] > 0.05
    label = torch.tensor([[[[1.0, 1.0, 40.0, 40.0]]]])
    near, far = label.clone(), label.clone()
    near[..., 0] *= 2
    far[..., 3] *= 2
    assert criterion(near, label)["loss"].item() == pytest.approx(criterion(far, label)["loss"].item(), rel=1e-5)


def test_parts_by_hand():
    label = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])
    depth = torch.tensor([[[[4.0, 3.0, 2.0, 1.0]]]])
    parts = ScaleShiftCriterion("mean", squashed=2.0, gradient=0.5)(depth, label)
    # standardised: -1.5 -0.5 0.5 1.5 against its mirror image
    assert parts["level"].item() == pytest.approx((3 + 1 + 1 + 3) / 4)
    assert parts["squashed"].item() == pytest.approx(0.02, rel=1e-3)
    assert parts["edges"].item() == 0  # too few rows for a slope
    assert parts["loss"].item() == pytest.approx(2 + 2 * 0.02, rel=1e-3)


def test_wrong_edges_cost_more_than_level_alone():
    steps = torch.ones(1, 1, 16, 16)
    steps[..., 8:] = 2
    smooth = torch.linspace(1, 2, 16).expand(1, 1, 16, 16)
    parts = ScaleShiftCriterion(gradient=0.5)(smooth, steps)
    assert parts["edges"] > 0.05
    assert parts["loss"].item() == pytest.approx(
        (parts["level"] + parts["squashed"] + 0.5 * parts["edges"]).item(), rel=1e-5
    )


@pytest.mark.parametrize("standard", STANDARDS + FITS)
def test_unknown_labels_do_not_matter(standard):
    criterion = ScaleShiftCriterion(standard)
    label = LABEL.clone()
    label[..., :3, :4] = 0
    worse = label.clone()
    worse[..., :3, :4] = torch.nan
    depth = (2 + torch.rand(2, 1, 16, 20)).requires_grad_()
    first, second = criterion(depth, label)["loss"], criterion(depth, worse)["loss"]
    assert first.item() == pytest.approx(second.item())
    second.backward()
    assert depth.grad.isfinite().all()
    assert criterion(depth, torch.zeros_like(label))["loss"].isfinite()


def test_the_order_across_edges_counts_if_asked_for():
    torch.manual_seed(0)
    image = torch.zeros(2, 3, 16, 20)
    image[..., 10:] = 1
    truth = (image[:, :1] + 1) * torch.linspace(1, 1.1, 16).view(1, 1, 16, 1)
    criterion = ScaleShiftCriterion(ranking=1.0, pairs=40)
    right, wrong = criterion(truth, truth, image=image), criterion(3 - truth, truth, image=image)
    assert right["ranking"] < wrong["ranking"]
    without = ScaleShiftCriterion()(truth, truth)
    assert "ranking" not in without
    assert right["loss"].item() == pytest.approx((without["loss"] + right["ranking"]).item(), abs=1e-5)
    with pytest.raises(ValueError, match="image"):
        criterion(truth, truth)


def test_what_it_does_not_know_is_refused():
    with pytest.raises(ValueError, match="trimmed"):
        ScaleShiftCriterion("mode")
