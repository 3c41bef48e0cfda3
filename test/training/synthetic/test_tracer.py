from __future__ import annotations

import math

import pytest
import torch

from training.synthetic.intersect import HIT
from training.synthetic.tracer import T_MIN, closest_hits, occluded


def brute_force(scene, origins, directions, shadow_only=False):
    """Every ray against every primitive."""
    best = torch.full((len(origins),), math.inf)
    found = torch.full((len(origins),), -1)
    for k in range(len(scene)):
        if shadow_only and not scene.shadow[k]:
            continue
        to_local = (scene.rotation[k] / scene.half[k]).T
        o = ((origins - scene.center[k]) @ to_local.T).T[None]
        d = (directions @ to_local.T).T[None]
        t = HIT[int(scene.kind[k])](o, d, T_MIN)[0]
        nearer = t < best
        best = torch.where(nearer, t, best)
        found = torch.where(nearer, k, found)
    return best, found


def rays(kind, n=3000):
    g = torch.Generator().manual_seed(1)
    if kind == "camera":  # one origin, neighbouring directions, some lengths above one
        grid = torch.stack(torch.meshgrid(torch.linspace(-1, 1, 60), torch.linspace(-0.7, 0.3, 50), indexing="ij"), -1)
        grid = grid.reshape(-1, 2)
        return torch.tensor([-9.0, 0.5, 2.0]).expand(len(grid), 3), torch.cat([torch.ones(len(grid), 1), grid], 1)
    origins = torch.rand((n, 3), generator=g) * torch.tensor([16.0, 16, 4]) - torch.tensor([8.0, 8, 0])
    return origins, torch.randn((n, 3), generator=g)


@pytest.mark.parametrize("kind", ["camera", "random"])
@pytest.mark.parametrize("packet", [16, 64])
def test_culling_loses_nothing(cluttered, kind, packet):
    origins, directions = rays(kind)
    best, found = brute_force(cluttered, origins, directions)
    hits = closest_hits(cluttered, origins, directions, packet)
    torch.testing.assert_close(hits.t, best, rtol=1e-4, atol=1e-4)
    assert int((hits.primitive != found).sum()) <= 2  # ties
    assert len(found.unique()) > 30


def test_shadow_rays_stop_at_their_reach_and_pass_what_casts_none(cluttered):
    origins, directions = rays("random")
    reach = torch.rand(len(origins), generator=torch.Generator().manual_seed(2)) * 6
    best, _ = brute_force(cluttered, origins, directions, shadow_only=True)
    sure = ((best - reach).abs() > 1e-3) | ~torch.isfinite(best)
    ours = occluded(cluttered, origins, directions, reach)
    assert torch.equal(ours[sure], (best < reach)[sure])
    assert 0.1 < float(ours.float().mean()) < 0.9


def test_no_rays_and_rays_into_the_sky(cluttered):
    nothing = closest_hits(cluttered, torch.zeros(0, 3), torch.zeros(0, 3))
    assert nothing.t.shape == (0,)
    up = closest_hits(cluttered, torch.tensor([[0.0, 0, 50]]), torch.tensor([[0.0, 0, 1]]))
    assert math.isinf(float(up.t[0]))
    assert int(up.primitive[0]) == -1
