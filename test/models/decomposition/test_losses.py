import math

import pytest

pytest.importorskip("torch")

import torch

from depth_perception.models.decomposition import losses
from depth_perception.models.decomposition.config import LossWeights, SceneConfig, one_hot_distance, one_hot_variance


def t(values):
    return torch.tensor(values, dtype=torch.float64)


def simplex(rays=6, channels=4, seed=0):
    return losses.to_simplex(opacity(rays, channels, seed))


def opacity(rays=6, channels=4, seed=0):
    return torch.rand(rays, channels, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def falls(loss, values):
    """Return the values after a small step against the gradient, having checked that the gradient is right."""
    values = values.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(loss, (values,), eps=1e-7, atol=1e-5)
    (gradient,) = torch.autograd.grad(loss(values), values)
    assert gradient.abs().sum() > 0
    after = (values - 1e-3 * gradient / gradient.norm()).detach()
    assert loss(after) < loss(values)
    return after


def test_differentiation_by_hand():
    q = t([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0], [3.0, 4.0]])
    groups = torch.tensor([0, 0, 1, 2])
    # means (0.5, 0), (0, 1), (3, 4)
    pairs = math.hypot(0.5, 1.0) + math.hypot(2.5, 4.0) + math.hypot(3.0, 3.0)
    assert float(losses.differentiation(q, groups)) == pytest.approx(-pairs / 6)


def test_differentiation_pushes_labels_apart():
    groups = torch.tensor([0, 0, 1, 1, 2, 2])
    falls(lambda q: losses.differentiation(q, groups), simplex())


def test_differentiation_of_one_label_is_nothing():
    q = simplex().requires_grad_(True)
    loss = losses.differentiation(q, torch.zeros(6, dtype=torch.long))
    assert float(loss.detach()) == 0.0
    (gradient,) = torch.autograd.grad(loss, q)
    assert (gradient == 0).all()


def test_differentiation_of_equal_means_has_a_gradient_that_is_a_number():
    q = torch.full((4, 3), 1 / 3, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(losses.differentiation(q, torch.tensor([0, 0, 1, 1])), q)
    assert torch.isfinite(gradient).all()


def test_group_numbers_need_not_be_dense_and_empty_ones_do_not_count():
    q = simplex()
    dense = losses.differentiation(q, torch.tensor([0, 0, 1, 1, 2, 2]))
    assert float(dense) == pytest.approx(float(losses.differentiation(q, torch.tensor([1, 1, 5, 5, 9, 9]))))


def test_regularization_is_the_variance_over_channels_of_each_ray():
    q = t([[0.5, 0.5], [0.2, 0.8], [0.0, 1.0]])
    groups = torch.tensor([0, 0, 1])
    # variances over channels: 0, 0.18, 0.5; a mean over rays, then over labels
    assert float(losses.regularization(q, groups)) == pytest.approx((0.09 + 0.5) / 2)
    # over rays of a group the last would be 0
    assert float(losses.regularization(q[2:], groups[2:])) == pytest.approx(0.5)
    falls(lambda v: losses.regularization(v, torch.tensor([0, 0, 0, 1, 1, 1])), simplex())


def test_regularization_makes_further_channels_cost():
    def cost(on):
        o = torch.zeros(1, 50, dtype=torch.float64)
        o[0, :on] = 1.0
        return 1e4 * float(losses.regularization(losses.to_simplex(o), torch.zeros(1, dtype=torch.long)))

    assert [round(cost(n), 2) for n in (1, 2, 3, 10)] == [0.22, 0.41, 0.56, 1.07]
    assert cost(0) == pytest.approx(0.0, abs=1e-12)


def test_scatter_is_the_other_variance():
    q = t([[1.0, 0.0], [0.0, 1.0], [0.3, 0.7]])
    assert float(losses.scatter(q, torch.tensor([0, 0, 1]))) == pytest.approx((0.5 + 0.5 + 0.0) / 3)
    falls(lambda v: losses.scatter(v, torch.tensor([0, 0, 0, 1, 1, 1])), simplex())


def test_one_hot_by_hand():
    o = t([[0.9, 0.2, 0.1], [0.4, 0.5, 0.0], [0.1, 0.1, 0.8]])
    is_object = torch.tensor([True, True, False])
    expected = (0.01 + 0.04 + 0.01 + 0.16 + 0.25 + 0.0) / 6
    assert float(losses.one_hot(o, is_object)) == pytest.approx(expected)
    assert float(losses.one_hot(o, torch.zeros(3, dtype=torch.bool))) == 0.0
    after = falls(lambda v: losses.one_hot(v, is_object), o)
    assert torch.equal(after[2], o[2])


def test_background_pair_by_hand():
    o = t([[0.7, 0.0], [0.4, 0.0], [0.25, 0.9]])
    is_object = torch.tensor([False, False, True])
    assert float(losses.background(o, is_object)) == pytest.approx((0.3 + 0.6) / 2)
    assert float(losses.foreground(o, is_object)) == pytest.approx(0.25)
    falls(lambda v: losses.background(v, is_object) + losses.foreground(v, is_object), o)
    everything = torch.ones(3, dtype=torch.bool)
    assert float(losses.background(o, everything)) == 0.0


def test_semantic_by_hand():
    o = t([[0.0, 0.8, 0.0], [0.0, 0.4, 0.2], [0.5, 0.0, 0.5]])
    labels, sure = torch.tensor([1, 1, 0]), t([1.0, 0.5, 1.0])
    # class 1 has mean (0, 0.6, 0.1); label 0 is the last class, believed by a tenth
    first = math.sqrt(0.4**2 + 0.1**2) * 0.75
    last = math.sqrt(0.5**2 + 0.5**2) * 0.1
    assert float(losses.semantic(o, labels, sure)) == pytest.approx((first + last) / 2)
    assert float(losses.semantic(o, torch.tensor([1, 1, 99]), t([1.0, 0.5, 0.1]))) == pytest.approx((first + last) / 2)
    falls(lambda v: losses.semantic(v, labels, sure), opacity(3, 3))


def test_cross_view_by_hand():
    q = t([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    groups = torch.tensor([0, 0, 1])
    other = t([[0.0, 1.0], [0.0, 1.0]])
    far = losses.cross_view(q, groups, other, torch.tensor([0, 1]))
    assert float(far) == pytest.approx(math.exp(-math.sqrt(2.0)))
    falls(lambda v: losses.cross_view(v, groups, other, torch.tensor([0, 1])), simplex(3, 2))
    assert float(losses.cross_view(q, groups, other[:0], torch.tensor([], dtype=torch.long))) == 0.0


def test_distinction_by_hand():
    d = t([[-0.5, 0.2, 0.6], [0.3, 0.1, 0.4], [-0.2, -0.6, 0.7]])
    # first: others must be 0.5 outside, the second one is 0.3 short; last: the first must be 0.6 outside, 0.8 short
    assert float(losses.distinction(d)) == pytest.approx((0.3 + 0.0 + 0.8) / 3)
    values = d.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(losses.distinction(values), values)
    assert float(gradient[0, 0]) == 0.0, "the nearest surface must not move"
    assert float(gradient[2, 1]) == 0.0
    assert gradient[0, 1] < 0
    after = values.detach() - 0.01 * gradient
    assert losses.distinction(after) < losses.distinction(d)


def test_weights_keep_the_balance_of_fifty_channels():
    fifty, ten = LossWeights().for_channels(50), LossWeights().for_channels(10)
    assert (fifty.differentiation, fifty.regularization) == pytest.approx((20.0, 1e4))
    assert ten.differentiation == pytest.approx(4.53, abs=0.01)
    assert ten.regularization == pytest.approx(102.7, abs=0.5)
    assert ten.one_hot == fifty.one_hot
    doubled = LossWeights(clustering=1.5).for_channels(50)
    assert doubled.differentiation == pytest.approx(30.0)
    assert doubled.for_channels(50).differentiation == pytest.approx(30.0), "the factor must not count twice"


@pytest.mark.parametrize("channels", [2, 8, 50])
def test_values_at_one_hot_are_those_of_the_losses(channels):
    q = losses.to_simplex(torch.eye(channels, dtype=torch.float64)[:2])
    apart = -2 * float(losses.differentiation(q, torch.tensor([0, 1])))
    assert one_hot_distance(channels) == pytest.approx(apart)
    assert one_hot_variance(channels) == pytest.approx(float(losses.regularization(q, torch.tensor([0, 1]))))


def test_a_background_alone_is_refused():
    with pytest.raises(ValueError, match="channels must be 2 or more"):
        LossWeights().for_channels(1)
    with pytest.raises(ValueError, match="path"):
        SceneConfig(path="fast")
    with pytest.raises(ValueError, match="cell"):
        SceneConfig(cell=0.0)
