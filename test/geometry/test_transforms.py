"""Rigid transforms against SciPy's rotations, which share no code with ours."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depth_perception.geometry import transforms

scipy_rotation = pytest.importorskip("scipy.spatial.transform").Rotation
scipy_slerp = pytest.importorskip("scipy.spatial.transform").Slerp

component = st.floats(-1.0, 1.0, allow_nan=False)
quaternions = st.tuples(component, component, component, component).filter(lambda q: math.hypot(*q) > 0.1)
translations = st.tuples(*[st.floats(-100.0, 100.0)] * 3)


def unit(q):
    return np.array(q) / np.linalg.norm(q)


@given(quaternions)
def test_quaternion_to_matrix_agrees_with_scipy(q):
    np.testing.assert_allclose(transforms.quaternion_to_matrix(q), scipy_rotation.from_quat(q).as_matrix(), atol=1e-12)


@given(quaternions)
def test_matrix_to_quaternion_inverts_it_and_keeps_w_positive(q):
    back = transforms.matrix_to_quaternion(scipy_rotation.from_quat(q).as_matrix())
    assert back[3] >= 0.0
    assert abs(abs(back @ unit(q)) - 1.0) < 1e-12


@pytest.mark.parametrize("axis", [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [-1, 2, 3]])
def test_matrix_to_quaternion_at_half_a_turn(axis):
    rotation = scipy_rotation.from_rotvec(math.pi * np.array(axis) / np.linalg.norm(axis))
    back = transforms.matrix_to_quaternion(rotation.as_matrix())
    assert abs(abs(back @ rotation.as_quat()) - 1.0) < 1e-12


@given(translations, quaternions)
def test_invert_undoes_and_apply_follows_the_matrix(t, q):
    T = transforms.make_transform(t, unit(q))
    np.testing.assert_allclose(transforms.invert(T) @ T, np.eye(4), atol=1e-9)
    points = np.array([[1.0, 2.0, 3.0], [-4.0, 0.5, 0.0]])
    expected = (T @ np.c_[points, np.ones(2)].T).T[:, :3]
    np.testing.assert_allclose(transforms.apply(T, points), expected, atol=1e-12)


@given(quaternions, quaternions, translations, translations, st.floats(0.0, 1.0))
def test_interpolate_is_slerp_with_a_straight_translation(q0, q1, t0, t1, alpha):
    if abs(unit(q0) @ unit(q1)) < 1e-4:
        return  # half a turn apart: two shortest ways, either is right
    T = transforms.interpolate(transforms.make_transform(t0, unit(q0)), transforms.make_transform(t1, unit(q1)), alpha)
    expected = scipy_slerp([0, 1], scipy_rotation.from_quat([q0, q1]))(alpha).as_matrix()
    np.testing.assert_allclose(T[:3, :3], expected, atol=1e-8)
    np.testing.assert_allclose(T[:3, 3], (1 - alpha) * np.array(t0) + alpha * np.array(t1), atol=1e-9)


def test_interpolate_takes_the_short_way_for_opposite_signs():
    q = unit([0.0, 0.0, 0.1, 1.0])
    same = transforms.interpolate_poses((0, 0, 0, *q), (0, 0, 0, *-q), 0.5)
    assert abs(abs(np.array(same[3:]) @ q) - 1.0) < 1e-12


def test_interpolate_refuses_to_extrapolate():
    with pytest.raises(ValueError, match=r"alpha.*1\.2"):
        transforms.interpolate(np.eye(4), np.eye(4), 1.2)


@given(translations, quaternions, translations, quaternions)
def test_compose_poses_is_the_matrix_product(t0, q0, t1, q1):
    first, second = (*t0, *unit(q0).tolist()), (*t1, *unit(q1).tolist())
    product = transforms.pose_to_matrix(first) @ transforms.pose_to_matrix(second)
    np.testing.assert_allclose(transforms.pose_to_matrix(transforms.compose_poses(first, second)), product, atol=1e-9)


def test_apply_keeps_float32_and_its_accuracy_far_from_the_origin():
    T = transforms.make_transform([1e6, 0, 0], [0, 0, 0, 1])
    points = np.array([[-1e6, 1.0, 2.0]], np.float32) + np.float32(0.5)
    out = transforms.apply(T, points)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, [[0.5, 1.5, 2.5]])


@pytest.mark.parametrize(
    ("translation", "quaternion", "message"),
    [
        ([0, 0, math.nan], [0, 0, 0, 1], "translation .* not finite"),
        ([0, 0, 0], [0, 0, math.inf, 1], "quaternion .* not finite"),
        ([0, 0, 0], [0, 0, 0, 0], "not of unit length"),
        ([0, 0, 0], [0, 0, 0.2, 1], "not of unit length"),
        ([0, 0], [0, 0, 0, 1], "translation has 3 numbers, got 2"),
    ],
)
def test_make_transform_refuses(translation, quaternion, message):
    with pytest.raises(ValueError, match=message):
        transforms.make_transform(translation, quaternion)


def test_make_transform_accepts_rounding():
    R = transforms.make_transform([0, 0, 0], [0, 0, 0.0, 1.002])[:3, :3]
    np.testing.assert_allclose(R, np.eye(3), atol=1e-12)


@pytest.mark.parametrize(
    ("T", "message"),
    [
        (np.eye(3), r"shape \(4, 4\), got \(3, 3\)"),
        (np.diag([1.0, 1.0, 1.1, 1.0]), "not orthonormal"),
        (np.diag([1.0, 1.0, -1.0, 1.0]), "not orthonormal"),
        (np.diag([1.0, 1.0, 1.0, 2.0]), "last row"),
        (np.full((4, 4), np.nan), "not finite"),
    ],
)
def test_check_transform_says_what_is_wrong(T, message):
    with pytest.raises(ValueError, match=message):
        transforms.check_transform(T)
