from __future__ import annotations

import math

import pytest
import torch

from training.synthetic.intersect import HIT, local_normal, surface_coordinates
from training.synthetic.scene import BOX, CONE, CYLINDER, ELLIPSOID, KINDS


def hit(kind, origin, direction):
    o, d = (torch.tensor([v], dtype=torch.float32).T[None] for v in (origin, direction))  # (1, 3, 1)
    return float(HIT[kind](o, d, 1e-4))


@pytest.mark.parametrize(
    ("kind", "origin", "direction", "expected"),
    [
        (BOX, (-3, 0.2, -0.3), (1, 0, 0), 2.0),
        (BOX, (0, 0, 0), (0, 0, 2), 0.5),  # from inside: the far side, in lengths of the direction
        (BOX, (-3, 1.2, 0), (1, 0, 0), math.inf),
        (ELLIPSOID, (0, 0, 5), (0, 0, -1), 4.0),
        (ELLIPSOID, (0.6, 0, 5), (0, 0, -1), 5 - 0.8),
        (ELLIPSOID, (1.1, 0, 5), (0, 0, -1), math.inf),
        (CYLINDER, (0.3, 0, 4), (0, 0, -1), 3.0),  # the cap
        (CYLINDER, (-3, 0.6, 0.5), (1, 0, 0), 3 - 0.8),  # the side
        (CYLINDER, (-3, 0, 1.2), (1, 0, 0), math.inf),
        (CONE, (0, 0, 4), (0, 0, -1), 3.0),  # the tip
        (CONE, (-3, 0, 0), (1, 0, 0), 2.5),  # half height: radius 1/2
        (CONE, (0.7, 0, -4), (0, 0, 1), 3.0),  # the base from below
        (CONE, (0, 0, 0), (0, 0, -1), 1.0),  # the base from inside
        (CONE, (-3, 0, 1.1), (1, 0, 0), math.inf),
        (CONE, (0, 0, 5), (1, 0, 0), math.inf),
    ],
)
def test_closed_forms(kind, origin, direction, expected):
    assert hit(kind, origin, direction) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_normals_agree_with_finite_differences(kind):
    g = torch.Generator().manual_seed(kind)
    directions = torch.nn.functional.normalize(torch.randn((400, 3), generator=g), dim=1)
    origins = -4 * directions + 0.5 * torch.randn((400, 3), generator=g)

    def points(shift):
        o = (origins + shift).T[None]
        t = HIT[kind](o, directions.T[None], 1e-4)[0]
        return o[0].T + t[:, None] * directions

    step = 2e-3
    side = torch.linalg.cross(directions, directions.roll(1, 1))
    side = side / side.norm(dim=1, keepdim=True)
    up = torch.linalg.cross(directions, side)
    here, right, above = points(0.0), points(step * side), points(step * up)
    numeric = torch.nn.functional.normalize(torch.linalg.cross(right - here, above - here), dim=1)
    ours = local_normal(torch.full((400,), kind), here)
    ours = torch.nn.functional.normalize(ours, dim=1)
    good = torch.isfinite(here).all(1) & torch.isfinite(numeric).all(1)
    smooth = (right - here).norm(dim=1) + (above - here).norm(dim=1) < 10 * step
    agree = (ours * numeric).sum(1).abs()[good & smooth]
    assert len(agree) > 100
    assert float((agree > 0.98).float().mean()) > 0.97  # all but pairs across an edge
    outward = -(ours * directions).sum(1)[good]
    assert float((outward > -1e-3).float().mean()) > 0.99


def test_texture_coordinates_are_metric():
    kind = torch.tensor([BOX, BOX, CYLINDER])
    point = torch.tensor([[1.0, 0.5, -0.25], [0.5, -0.5, 1.0], [0.0, 1.0, 0.5]])
    normal = local_normal(kind, point)
    half = torch.tensor([[2.0, 3.0, 4.0]] * 2 + [[0.5, 0.5, 2.0]])
    place, size = surface_coordinates(kind, point, normal, half)
    torch.testing.assert_close(place[0], torch.tensor([1.5, -1.0]))  # y and z on an x face
    torch.testing.assert_close(place[1], torch.tensor([1.0, -1.5]))  # x and y on top
    torch.testing.assert_close(place[2], torch.tensor([0.5 * math.pi / 2, 1.0]))  # arc and height
    torch.testing.assert_close(size[0], torch.tensor([6.0, 8.0]))
    torch.testing.assert_close(size[2], torch.tensor([math.pi, 4.0]))
