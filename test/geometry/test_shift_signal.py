"""How large a signal of wrong shift and focal length is: tables of a simulation made before anything was built.

A room with a box, seen 60 degrees wide; the network is modelled as truth plus a share of the median depth of what it
sees. Mean difference after bringing both depths together by scale alone, in per cent of depth. The measures of that
room are not recorded, so each row is held to the recorded one with a tolerance.
"""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from depth_perception.geometry.virtual_views import pose_about, relative_scale  # noqa: E402
from depth_perception.geometry.warping import project, rays, transform, unproject  # noqa: E402

HEIGHT, WIDTH = 48, 64
FOCAL = WIDTH / 2 / math.tan(math.radians(30))
SHIFTS = (-0.3, -0.2, -0.1, 0.1, 0.2, 0.3)
FACTORS = (0.6, 0.8, 0.9, 1.1, 1.25, 1.6)


def camera(factor: float = 1.0) -> torch.Tensor:
    f = FOCAL * factor
    return torch.tensor([[[f, 0, (WIDTH - 1) / 2], [0, f, (HEIGHT - 1) / 2], [0, 0, 1]]], dtype=torch.float64)


def room() -> torch.Tensor:
    """Depth of walls at 2.5 m to either side, floor and ceiling 1.5 m off, the end at 4 m, a box at 2.5 m."""
    x, y = rays(camera(), HEIGHT, WIDTH)[:, :2].split(1, 1)
    depth = torch.minimum(torch.full_like(x, 4.0), torch.minimum(2.5 / x.abs(), 1.5 / y.abs()))
    on = ((2.5 * x).abs() < 0.6) & (2.5 * y > 0.3)
    return torch.where(on, torch.full_like(x, 2.5), depth)


def disagreement(yaw=0.0, pitch=0.0, step=(0.0, 0.0, 0.0), share=0.0, factor=1.0) -> float:
    """Per cent of depth by which two views of shifted depth, lifted with a wrong focal length, disagree."""
    truth, K = room(), camera(factor)
    first = truth + share * truth.median()
    pivot = first.median()
    T = pose_about(
        pivot[None], torch.tensor([[yaw, pitch, 0.0]]).double(), pivot * torch.tensor([step], dtype=torch.float64)
    )
    pixels, moved = project(transform(unproject(first, K), T), K)
    seen = transform(unproject(truth, camera()), T)[:, 2:]
    again = seen + share * seen.median()
    inside = (pixels >= 0).all(1, keepdim=True) & (pixels[:, :1] <= WIDTH - 1) & (pixels[:, 1:] <= HEIGHT - 1)
    scale = relative_scale(again, moved, inside)
    return 100 * float(((scale * again - moved).abs() / moved)[inside].mean())


@pytest.mark.parametrize(
    ("yaw", "pitch", "recorded"),
    [
        (5, 3, (1.15, 0.67, 0.30, 0.24, 0.45, 0.62)),
        (10, 5, (2.21, 1.29, 0.57, 0.47, 0.86, 1.20)),
        (25, 10, (5.40, 3.14, 1.39, 1.13, 2.07, 2.87)),
    ],
)
def test_a_turn_tells_the_shift(yaw, pitch, recorded):
    got = [disagreement(yaw, pitch, share=s) for s in SHIFTS]
    assert got == pytest.approx(recorded, rel=0.12)
    assert disagreement(yaw, pitch) < 1e-6


def test_a_sideways_step_tells_nothing():
    assert max(disagreement(step=(0.1, 0, 0), share=s) for s in SHIFTS) < 1e-6


def test_a_forward_step_tells_a_little():
    got = [disagreement(step=(0, 0, -0.15), share=s) for s in SHIFTS]
    assert got == pytest.approx((1.17, 0.61, 0.25, 0.17, 0.29, 0.38), rel=0.2)


def test_a_turn_tells_the_focal_length():
    got = [disagreement(10, 5, factor=f) for f in FACTORS]
    assert got == pytest.approx((3.27, 1.23, 0.55, 0.45, 0.99, 1.85), rel=0.06)


def test_without_a_turn_the_focal_length_is_not_seen():
    assert max(disagreement(step=(0.1, 0, -0.1), factor=f) for f in FACTORS) < 1e-6
