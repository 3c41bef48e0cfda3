import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from depth_perception.models.decomposition.density import laplace_density
from depth_perception.models.decomposition.rendering import transmittance
from depth_perception.models.decomposition.sampling import error_bounded_samples, inverse_cdf, opacity_error


def ball(points):
    return points.norm(dim=1) - 0.5


def rays(count=3):
    origins = torch.tensor([[-2.0, 0.1 * k, 0.0] for k in range(count)])
    return origins, torch.tensor([[1.0, 0.0, 0.0]]).expand(count, 3), torch.zeros(count), torch.full((count,), 4.0)


def sample(rng=None, b=0.01, **kw):
    sizes = {"first": 96, "samples": 16, "extra": 8} | kw
    return error_bounded_samples(ball, *rays(), b, rng, **sizes)


@pytest.mark.parametrize("rng", [None, 1])
def test_samples_are_sorted_and_hold_the_ends(rng):
    t = sample(None if rng is None else np.random.default_rng(rng))
    assert t.shape == (3, 16 + 8 + 2)
    assert (t.diff(dim=1) >= 0).all()
    np.testing.assert_allclose(t[:, 0], 0.0)
    np.testing.assert_allclose(t[:, -1], 4.0)
    assert not t.requires_grad


def test_samples_gather_at_the_surface():
    t = sample(np.random.default_rng(0))
    first = 2.0 - np.sqrt(0.25 - (0.1 * np.arange(3)) ** 2)
    near = (np.abs(t.numpy() - first[:, None]) < 0.06).sum(1)
    assert (near >= 12).all(), "evenly spread, there would be less than one"


def test_rays_that_miss_spread_over_all_of_their_way():
    origins = torch.tensor([[-2.0, 2.0, 0.0]])
    along, near, far = torch.tensor([[1.0, 0.0, 0.0]]), torch.zeros(1), torch.full((1,), 4.0)
    t = error_bounded_samples(ball, origins, along, near, far, 0.01, None, first=24, samples=16, extra=8)
    assert float(t.diff(dim=1).max()) < 0.7


def test_the_bound_is_above_the_error():
    origins, directions, near, _ = rays(1)
    b = 0.05
    fine = torch.linspace(0, 4, 20001)[None]
    for count in (12, 60, 300):
        t = torch.linspace(0, 4, count)[None]
        at = lambda x: ball((origins[:, None] + x[..., None] * directions[:, None])[0])[None]  # noqa: E731
        bound = opacity_error(at(t), t.diff(dim=1), torch.tensor([b]))
        exact = transmittance(laplace_density(at(fine), b)[:, :-1], fine.diff(dim=1))
        rough = transmittance(laplace_density(at(t), b)[:, :-1], t.diff(dim=1))
        truth = torch.from_numpy(np.interp(t[0, :-1], fine[0, :-1], exact[0]))[None]
        assert ((rough - truth).abs().max() <= bound.max() + 1e-3).all()
    assert float(bound.max()) < 0.1, "many samples must satisfy it"
    assert float(near[0]) == 0.0


def test_inverse_cdf_follows_the_weights():
    edges = torch.tensor([[0.0, 1.0, 2.0, 4.0]])
    t = inverse_cdf(edges, torch.tensor([[1.0, 0.0, 3.0]]), 8, None)[0]
    assert ((t < 1).sum(), ((t > 1) & (t < 2)).sum(), (t > 2).sum()) == (2, 0, 6)
    np.testing.assert_allclose(t[:2], [0.25, 0.75], atol=1e-5)
