"""Lens models against OpenCV, and their ends."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_perception.geometry import distortion

SETS = {
    "mild": ("plumb_bob", (-0.28, 0.09, 0.0008, -0.0006, -0.01)),
    "four": ("plumb_bob", (-0.3, 0.12, 0.001, 0.002)),
    "barrel": ("plumb_bob", (-0.4, 0.2, 0.0, 0.0, -0.05)),
    "pincushion": ("plumb_bob", (0.1, 0.02, -0.001, 0.0, 0.0)),
    "azure": ("rational_polynomial", (0.46, -2.58, 0.0007, -0.0003, 1.55, 0.34, -2.41, 1.48)),
    "prism": ("rational_polynomial", (-0.2, 0.05, 0.001, 0.0, 0.0, 0.1, 0.02, 0.0, 0.002, -0.001, 0.003, 0.0005)),
    "tilt": (
        "rational_polynomial",
        (-0.2, 0.05, 0.001, -0.002, 0.0, 0.1, 0.02, 0.0, 0.002, -0.001, 0.003, 0.0005, 0.03, -0.05),
    ),
    "fisheye": ("equidistant", (-0.01, 0.02, -0.006, 0.0008)),
    "wide": ("equidistant", (0.1, -0.05, 0.01, -0.001)),
}


def opencv(model, coefficients, x, y):
    points = np.stack([x, y, np.ones_like(x)], 1).reshape(-1, 1, 3)
    zero = np.zeros(3)
    if model == "equidistant":
        out, _ = cv2.fisheye.projectPoints(points, zero, zero, np.eye(3), np.array(coefficients))
    else:
        out, _ = cv2.projectPoints(points, zero, zero, np.eye(3), np.array(coefficients))
    return out.reshape(-1, 2).T


def grid(reach=0.7, n=41):
    x, y = np.meshgrid(np.linspace(-reach, reach, n), np.linspace(-reach, reach, n))
    return x.ravel(), y.ravel()


@pytest.mark.parametrize("name", SETS)
def test_distort_agrees_with_opencv(name):
    x, y = grid()
    u, v = distortion.lens(*SETS[name]).distort(x, y)
    seen = np.isfinite(u)
    assert seen.mean() > 0.6
    expected = opencv(*SETS[name], x, y)
    np.testing.assert_allclose(u[seen], expected[0][seen], atol=1e-12)
    np.testing.assert_allclose(v[seen], expected[1][seen], atol=1e-12)


@pytest.mark.parametrize("name", SETS)
def test_undistort_inverts_distort(name):
    x, y = grid()
    lens = distortion.lens(*SETS[name])
    u, v = lens.distort(x, y)
    seen = np.isfinite(u)
    back = lens.undistort(u[seen], v[seen])
    u2, v2 = lens.distort(*back)
    np.testing.assert_allclose(u2, u[seen], atol=1e-10)
    np.testing.assert_allclose(v2, v[seen], atol=1e-10)
    inner = np.hypot(x[seen], y[seen]) < 0.6
    np.testing.assert_allclose(back[0][inner], x[seen][inner], atol=1e-8)
    np.testing.assert_allclose(back[1][inner], y[seen][inner], atol=1e-8)


@settings(deadline=None)
@given(
    st.tuples(st.floats(-0.5, 0.3), st.floats(-0.2, 0.3), st.floats(-0.1, 0.1)),
    st.tuples(st.floats(-0.003, 0.003), st.floats(-0.003, 0.003)),
    st.floats(0, 2 * np.pi),
)
def test_a_ray_never_meets_another_on_its_way_out(k, p, angle):
    """Along any direction the image radius rises until the lens ends, and nothing comes back afterwards."""
    lens = distortion.lens("plumb_bob", distortion.check("plumb_bob", np.array([*k[:2], *p, k[2]])) or (0, 0, 0, 1e-9))
    r = np.linspace(0.0, 5.0, 400)
    u, v = lens.distort(r * np.cos(angle), r * np.sin(angle))
    seen = np.isfinite(u)
    assert seen[0]
    ends = int(np.argmin(seen)) if not seen.all() else len(r)
    reach = np.hypot(u, v)[:ends]
    assert (np.diff(reach) > -2e-3).all()  # the tangential part may bend the path sideways, never back by much
    assert r[ends - 1] ** 2 <= lens.limit
    if not np.any(p):
        assert not seen[ends:].any()


@pytest.mark.parametrize("k", [(-0.3,), (-0.4, 0.05), (0.2, -0.1)])
def test_the_end_is_where_the_radial_function_stops_rising(k):
    lens = distortion.lens("plumb_bob", (*k, *[0.0] * (2 - len(k)), 0.0, 0.0, 0.0))
    r = np.linspace(1e-4, 6.0, 60_001)
    image = r * (1 + k[0] * r**2 + (k[1] if len(k) > 1 else 0.0) * r**4)
    turn = r[np.argmax(np.diff(image) < 0)]
    assert np.sqrt(lens.limit) == pytest.approx(turn, abs=3e-4)
    u, _ = lens.distort(np.array([turn * 0.999, turn * 1.001, 5.0]), np.zeros(3))
    assert np.isfinite(u).tolist() == [True, False, False]
    # and no ray reaches what lies farther out in the image
    assert np.isnan(lens.undistort(np.array([image.max() * 1.01]), np.zeros(1))[0]).all() or k == (-0.4, 0.05)


def test_a_pole_of_the_rational_model_ends_it():
    lens = distortion.lens("rational_polynomial", (0.0, 0.0, 0.0, 0.0, 0.0, -0.5, 0.0, 0.0))
    assert lens.limit == pytest.approx(2.0)  # 1 - 0.5 r^2 = 0
    u, _ = lens.distort(np.array([1.0, 1.5]), np.zeros(2))
    assert np.isfinite(u).tolist() == [True, False]


def test_fisheye_without_coefficients_is_not_a_pinhole():
    lens = distortion.lens("equidistant", distortion.check("equidistant", np.zeros(4)))
    u, _ = lens.distort(np.array([1.0]), np.array([0.0]))
    assert u[0] == pytest.approx(np.pi / 4)
    x, _ = lens.undistort(np.array([0.0, np.pi / 3, 1.6]), np.zeros(3))
    np.testing.assert_allclose(x, [0.0, np.sqrt(3.0), np.nan], atol=1e-12)


@pytest.mark.parametrize("name", SETS)
def test_missing_values_stay_missing_and_harm_nobody(name):
    lens = distortion.lens(*SETS[name])
    x, y = np.array([0.1, np.nan, -0.2]), np.array([0.2, 0.1, 0.0])
    for function in (lens.distort, lens.undistort):
        u, v = function(x, y)
        assert np.isfinite(u).tolist() == np.isfinite(v).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("model", "D", "message"),
    [
        ("brown", [0.1] * 4, "'brown' is unknown; known: none, plumb_bob"),
        ("plumb_bob", [0.1] * 3, "takes 4, 5, 8, 12, 14 distortion coefficients, got 3"),
        ("equidistant", [0.1] * 5, "takes 4 distortion coefficients, got 5"),
        ("plumb_bob", [0.1, np.nan, 0, 0], "not finite"),
    ],
)
def test_check_refuses(model, D, message):
    with pytest.raises(ValueError, match=message):
        distortion.check(model, np.array(D))


def test_zeros_or_nothing_distort_nothing():
    assert distortion.check("plumb_bob", np.zeros(5)) == ()
    assert distortion.check("equidistant", np.zeros(0)) == ()
    assert distortion.lens("plumb_bob", ()) is None
