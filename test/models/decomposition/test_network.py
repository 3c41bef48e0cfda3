import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from depth_perception.models.decomposition.config import SceneConfig
from depth_perception.models.decomposition.network import SceneNetwork, code_width, gradient, sine_code
from depth_perception.models.decomposition.rendering import render_rays


def network(**changes):
    torch.manual_seed(0)
    return SceneNetwork(dataclasses.replace(SceneConfig.tiny("reference"), **changes))


def test_it_starts_as_a_room_around_balls():
    torch.manual_seed(1)
    points = torch.nn.functional.normalize(torch.randn(200, 3), dim=1)
    # wide enough for the mean over units to be a distance, though not one that all directions agree on
    net = network(width=256)
    middle, room, outside = net.distances(torch.cat([0.1 * points, 0.6 * points, 1.1 * points])).split(200)
    assert (middle[:, 0] > 0.4).all(), "the middle is outside of the background"
    assert (middle[:, 1:] < 0).all()
    assert (room > 0).float().mean() > 0.9, "there is room between"
    assert outside[:, 0].mean() < -0.2
    assert outside[:, 1:].mean() > 0.4


def test_the_scene_is_the_minimum():
    net = network()
    points = torch.rand(50, 3) * 2 - 1
    assert torch.equal(net.scene(points), net.distances(points).min(1).values)


def test_every_part_learns():
    net = network()
    points = (torch.rand(20, 3) - 0.5).requires_grad_(True)
    origins = torch.zeros(4, 3) + torch.tensor([-0.7, 0.0, 0.0])
    directions = torch.nn.functional.normalize(torch.tensor([[1.0, 0.1 * k, 0.0] for k in range(4)]), dim=1)
    seen = render_rays(net, origins, directions, torch.linspace(0, 1.8, 20).expand(4, 20))
    slope = gradient(net.scene(points), points)
    (seen.color.sum() + seen.opacity.sum() + seen.normal.sum() + slope.square().sum()).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    assert net.density.raw.grad.abs() > 0
    assert seen.color.shape == (4, 3)
    assert seen.opacity.shape == (4, 8)
    assert ((seen.opacity >= 0) & (seen.opacity <= 1.01)).all()


def test_rays_without_colour_have_the_same_opacities():
    net = network()
    origins, directions = torch.zeros(3, 3), torch.eye(3)
    t = torch.linspace(0, 1.2, 16).expand(3, 16)
    full, plain = render_rays(net, origins, directions, t), render_rays(net, origins, directions, t, color=False)
    np.testing.assert_allclose(full.opacity.detach(), plain.opacity.detach(), atol=1e-6)
    assert (plain.color == 0).all()


def test_sine_code_by_hand():
    code = sine_code(torch.tensor([[0.5, 0.0, 1.0]]), 2)
    assert code.shape == (1, code_width(2))
    np.testing.assert_allclose(code[0, :6], [0.5, 0, 1, np.sin(0.5), 0, np.sin(1)], atol=1e-6)
    np.testing.assert_allclose(code[0, 12:15], np.cos([1.0, 0.0, 2.0]), atol=1e-6)
