from __future__ import annotations

import numpy as np
import pytest

from depth_perception.evaluation.holdout import Holdout, hashes, rings_from_elevation, split
from depth_perception.frames import SparseDepth


def measured(m=100, rings=None):
    index = np.arange(m, dtype=np.int32)
    depth = np.linspace(1, 50, m).astype(np.float32)
    return SparseDepth((50, 60), index // 60, index % 60, depth, index, rings)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", Holdout("none")),
        ("points", Holdout("points", share=0.2)),
        ("points:0.35", Holdout("points", share=0.35)),
        ("rings", Holdout("rings", every=4)),
        ("rings:2", Holdout("rings", every=2)),
    ],
)
def test_parse(text, expected):
    assert Holdout.parse(text) == expected
    assert Holdout.parse(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "point", "points:0", "points:1", "points:-1", "points:x", "points:nan", "rings:1", "rings:2.5", "none:1"],
)
def test_parse_refuses_what_makes_no_sense(text):
    with pytest.raises(ValueError, match=r"points:0\.2"):
        Holdout.parse(text)


def test_split_is_a_partition_of_the_asked_size():
    sparse = measured()
    kept, held = split(sparse, Holdout("points", share=0.3), 12345)
    assert (len(kept), len(held)) == (70, 30)
    assert sorted([*kept.source, *held.source]) == list(range(100))
    np.testing.assert_array_equal(held.depth, sparse.depth[held.source])


def test_split_depends_on_seed_and_stamp_only():
    sparse = measured()

    def held(seed, stamp, points=sparse):
        return set(split(points, Holdout("points", seed=seed), stamp)[1].source)

    assert held(1, 100) == held(1, 100)
    assert held(1, 100) != held(2, 100)
    assert held(1, 100) != held(1, 101)
    shuffled = sparse.select(np.random.default_rng(0).permutation(100))
    assert held(1, 100, shuffled) == held(1, 100)


def test_hashes_are_pinned_across_machines_and_versions():
    found = hashes(7, 1_700_000_000_123_456_789, np.arange(3))
    assert found.dtype == np.uint64
    again = hashes(7, 1_700_000_000_123_456_789, np.arange(3, dtype=np.int32))
    np.testing.assert_array_equal(found, again)
    assert [int(v) for v in found] == [3848213091671675577, 8339575281732381133, 5307994312990075389]


def test_points_are_held_out_evenly():
    sparse = measured(2000)
    times = np.zeros(2000)
    for stamp in range(200):
        times[split(sparse, Holdout("points", share=0.25), stamp)[1].source] += 1
    # binomial with mean 50 and standard deviation 6
    assert times.mean() == 50
    assert times.min() > 20
    assert times.max() < 80
    assert times.std() == pytest.approx(6.1, abs=0.6)


@pytest.mark.parametrize(("m", "kept", "held"), [(0, 0, 0), (1, 1, 0), (2, 1, 1), (3, 2, 1)])
def test_few_points(m, kept, held):
    parts = split(measured(m), Holdout("points", share=0.2), 5)
    assert [len(part) for part in parts] == [kept, held]


def test_whole_rings_are_held_out():
    rings = np.repeat(np.arange(10, 20), 10).astype(np.int32)
    starts = set()
    for stamp in range(20):
        kept, held = split(measured(rings=rings), Holdout("rings", every=4), stamp)
        assert not set(kept.ring) & set(held.ring)
        assert len(set(np.diff(sorted(set(held.ring)))) - {4}) == 0
        assert len(kept) >= 70
        starts.add(min(held.ring))
    assert starts == {10, 11, 12, 13}


def test_ring_numbers_can_be_given():
    _, held = split(measured(), Holdout("rings", every=2), 3, rings=np.arange(100) % 2)
    assert len(held) == 50


@pytest.mark.parametrize("every", [2, 3, 9])
def test_one_or_two_rings_never_lose_all(every):
    for stamp in range(30):
        kept, held = split(measured(rings=np.zeros(100, np.int32)), Holdout("rings", every=every), stamp)
        assert (len(kept), len(held)) == (100, 0)
        two = (np.arange(100) % 2).astype(np.int32)
        kept, held = split(measured(rings=two), Holdout("rings", every=every), stamp)
        assert (len(kept), len(held)) == (50, 50)


def test_unknown_rings_are_an_error():
    with pytest.raises(ValueError, match="rings_from_elevation"):
        split(measured(), Holdout("rings"), 1)


def test_none_keeps_everything():
    kept, held = split(measured(), Holdout("none"), 1)
    assert (len(kept), len(held)) == (100, 0)


def lidar(rings, span, noise, points=500, seed=0):
    rng = np.random.default_rng(seed)
    elevation = np.radians(np.repeat(np.linspace(-span / 2, span / 2, rings), points))
    azimuth = np.tile(np.linspace(0, 2 * np.pi, points, endpoint=False), rings)
    distance = rng.uniform(3, 30, rings * points)
    flat = np.cos(elevation)
    xyz = distance[:, None] * np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], axis=1)
    return xyz + rng.normal(0, noise, xyz.shape), np.repeat(np.arange(rings), points)


@pytest.mark.parametrize(("rings", "span"), [(16, 30.0), (32, 40.0), (64, 26.0)])
def test_rings_of_common_sensors_are_found(rings, span):
    xyz, truth = lidar(rings, span, 0.003)
    found = rings_from_elevation(xyz)
    assert found.max() + 1 == rings
    assert np.mean(found == truth) > 0.99


def test_points_without_rings_fall_into_bands():
    rng = np.random.default_rng(3)
    elevation = np.radians(rng.uniform(-10, 10, 5000))
    xyz = np.stack([10 * np.cos(elevation), np.zeros(5000), 10 * np.sin(elevation)], axis=1)
    found = rings_from_elevation(xyz, spacing=1.0)
    assert 19 <= found.max() + 1 <= 22
    order = np.argsort(elevation)
    assert np.all(np.diff(found[order]) >= 0)


def test_no_points_have_no_rings():
    assert rings_from_elevation(np.zeros((0, 3))).shape == (0,)
