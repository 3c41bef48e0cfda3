from __future__ import annotations

import numpy as np

from benchmarks.estimation_evidence.planes import planes


def room(noise=0.0, height=96, width=128):
    """A floor and two walls that meet in a corner, seen by a level camera."""
    v, u = np.mgrid[:height, :width]
    x, y = (u - width / 2) / 100, (v - height / 2) / 100
    with np.errstate(divide="ignore"):
        floor = np.where(y > 0, 1.2 / np.maximum(y, 1e-9), np.inf)
    left = 4 / (1 - 0.8 * x)  # walls that turn away from the middle
    right = 4 / (1 + 0.8 * x)
    wall = np.minimum(left, right)
    depth = np.minimum(floor, wall)
    return depth * (1 + noise * np.random.default_rng(0).standard_normal(depth.shape)), floor < wall, left < right


def test_floor_and_walls_are_told_apart():
    depth, is_floor, is_left = room(0.003)
    number = planes(depth.astype(np.float32))
    assert number.max() == 3
    for part in (is_floor, ~is_floor & is_left, ~is_floor & ~is_left):
        inside = number[part]
        most = np.bincount(inside[inside > 0]).argmax()
        assert np.mean(inside == most) > 0.85
        assert np.mean(number[~part] == most) < 0.03


def test_leaves_are_no_plane():
    depth = np.random.default_rng(0).uniform(2, 4, (96, 128))
    assert not planes(depth.astype(np.float32)).any()


def test_little_measured_depth_has_none():
    depth = room()[0].astype(np.float32)
    depth[:, np.arange(128) % 4 > 0] = 0
    assert not planes(depth).any()


def test_what_is_not_measured_belongs_to_none():
    depth = room()[0].astype(np.float32)
    depth[:20] = 0
    number = planes(depth)
    assert number.any()
    assert not number[:18].any()
