import math

import pytest

pytest.importorskip("torch")

import torch

from depth_perception.models.decomposition import geometry_losses as losses

NAN = float("nan")


def t(values):
    return torch.tensor(values, dtype=torch.float64)


def checked(loss, *values):
    values = tuple(v.clone().requires_grad_(True) for v in values)
    return torch.autograd.gradcheck(loss, values, eps=1e-7, atol=1e-5)


def test_color_by_hand():
    a, b = t([[0.1, 0.5, 0.9]]), t([[0.2, 0.3, 0.9]])
    assert float(losses.color(a, b)) == pytest.approx(0.1)
    assert checked(lambda x: losses.color(x, b), t([[0.1, 0.5, 0.7]]))


def test_eikonal_by_hand():
    gradients = t([[[3.0, 4.0, 0.0]], [[0.0, 1.0, 0.0]]])
    assert float(losses.eikonal(gradients)) == pytest.approx(8.0)
    assert checked(losses.eikonal, gradients)


def test_smoothness_compares_directions():
    a, b = t([[2.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), t([[0.0, 5.0, 0.0], [0.0, 0.0, 3.0]])
    assert float(losses.smoothness(a, b)) == pytest.approx(math.sqrt(2.0) / 2)
    assert checked(losses.smoothness, t([[1.0, 0.2, 0.3]]), t([[0.1, 0.8, -0.3]]))


def test_depth_counts_measured_pixels_only():
    rendered, measured = t([1.0, 2.0, 3.0, 4.0]), t([1.5, NAN, 2.0, 0.0])
    assert float(losses.depth(rendered, measured)) == pytest.approx((0.5 + 1.0) / 2)
    assert float(losses.depth(rendered, measured, t([0.5, 1.0, 0.1, 1.0]))) == pytest.approx((1.0 + 10.0) / 2)
    assert float(losses.depth(rendered, t([NAN] * 4))) == 0.0
    values = rendered.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(losses.depth(values, measured), values)
    assert gradient.tolist() == [-0.5, 0.0, 0.5, 0.0], "unknown depth must not give NaN"


def test_normals_count_where_given():
    rendered, given = t([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), t([[0.0, 1.0, 0.0], [NAN] * 3])
    assert float(losses.normal_distance(rendered, given)) == pytest.approx(2.0)
    assert float(losses.normal_angle(rendered, given)) == pytest.approx(1.0)
    assert checked(lambda x: losses.normal_angle(x, given) + losses.normal_distance(x, given), rendered + 0.2)
