import math

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from depth_perception.models.decomposition.density import LaplaceDensity, laplace_density, margin_of_opacity
from depth_perception.models.decomposition.rendering import object_opacity, scene_weights, transmittance


def test_inside_is_negative_and_dense():
    density = laplace_density(torch.tensor([-100.0, 0.0, 100.0]), 0.1)
    np.testing.assert_allclose(density, [10.0, 5.0, 0.0], atol=1e-6)


def test_density_by_hand():
    d = torch.tensor([0.3, -0.2], dtype=torch.float64)
    expected = [0.5 * math.exp(-3) / 0.1, (1 - 0.5 * math.exp(-2)) / 0.1]
    np.testing.assert_allclose(laplace_density(d, 0.1), expected, rtol=1e-12)
    assert torch.autograd.gradcheck(lambda x: laplace_density(x, 0.1), (d.requires_grad_(True),))


def test_b_is_learned_above_a_floor():
    density = LaplaceDensity(0.1, 1e-3)
    assert float(density.b.detach()) == pytest.approx(0.101)
    density(torch.tensor([0.05])).sum().backward()
    assert density.raw.grad is not None
    density.raw.data.fill_(-5.0)
    assert float(density.b.detach()) == pytest.approx(5.001)
    with pytest.raises(ValueError, match="start"):
        LaplaceDensity(0.0)


def planes(margins, b=0.02, step=0.0005):
    """A ray along z: the scene's surface at 1 m, and channels that lie margins behind."""
    t = torch.arange(0.5, 2.0, step, dtype=torch.float64)[None]
    scene = 1.0 - t
    channels = scene[..., None] + torch.tensor([0.0, *margins], dtype=torch.float64)
    gaps = torch.full_like(t, step)
    return t, laplace_density(channels, b), laplace_density(scene, b), gaps


def test_a_plane_is_opaque_and_hides_what_is_behind():
    t, channels, scene, gaps = planes([0.3])
    weights = scene_weights(scene, gaps)
    assert float(weights.sum()) == pytest.approx(1.0, abs=1e-3)
    assert float((weights * t).sum()) == pytest.approx(1.0, abs=0.02)
    opacity = object_opacity(channels, scene, gaps)[0]
    assert float(opacity[0]) == pytest.approx(1.0, abs=1e-3)
    assert float(opacity[1]) < 0.01


def test_without_the_scene_in_front_it_would_be_seen():
    _, channels, scene, gaps = planes([0.3])
    alone = object_opacity(channels, channels[..., 1], gaps)[0]
    assert float(alone[1]) == pytest.approx(1.0, abs=1e-3)
    assert float(transmittance(scene, gaps)[0, -1]) < 1e-6


@pytest.mark.parametrize("opacity", [1.0, 0.7, 0.3, 0.05])
def test_margins_give_the_opacity_they_are_for(opacity):
    margin = float(margin_of_opacity(np.array([opacity]))[0])
    _, channels, scene, gaps = planes([margin * 0.02])
    assert float(object_opacity(channels, scene, gaps)[0, 1]) == pytest.approx(opacity, abs=0.01)


def test_margins_grow_as_opacities_fall():
    margins = margin_of_opacity(np.array([1.0, 0.9, 0.5, 0.1, 0.0]))
    assert margins[0] == 0.0
    assert (np.diff(margins) > 0).all()
    assert margins[-1] == pytest.approx(12.0)
