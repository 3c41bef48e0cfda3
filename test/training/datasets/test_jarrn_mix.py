import itertools

import numpy as np
import pytest

from depth_perception.evaluation.sensors import Frame
from depth_perception.frames import CameraModel
from training.datasets.jarrn_mix import JarrnMix, holes, lines

SHAPE = (60, 80)
DEPTH = np.fromfunction(lambda y, x: 2 + 0.1 * x + 0.03 * y, SHAPE).astype(np.float32)


def shares(mix: JarrnMix, count: int) -> np.ndarray:
    return np.array([(mix.scan(DEPTH, np.random.default_rng(i)).sparse > 0).mean() for i in range(count)])


def test_the_shares_of_densities():
    found = shares(JarrnMix(holes=0, lines=0), 400)
    assert np.mean(found == 0) == pytest.approx(0.4, abs=0.07)
    assert np.mean((found > 0) & (found <= 0.1)) == pytest.approx(0.2, abs=0.06)
    assert np.mean((found > 0.1) & (found < 0.99)) == pytest.approx(0.2, abs=0.06)
    assert np.mean(found >= 0.99) == pytest.approx(0.2, abs=0.06)


@pytest.mark.parametrize(("shares_of", "low", "high"), [({"dense": 1}, 0.99, 1), ({"few": 1}, 1e-9, 0.11)])
def test_one_kind_alone(shares_of, low, high):
    mix = JarrnMix(**{"dense": 0, "many": 0, "few": 0, "lines": 0, "holes": 0, **shares_of})
    found = shares(mix, 20)
    assert (found >= low).all()
    assert (found <= high).all()


def test_half_of_the_sparse_ones_are_lines():
    mix = JarrnMix(dense=0, many=0.5, few=0.5, holes=0)
    striped = 0
    for i in range(100):
        columns = (mix.scan(DEPTH, np.random.default_rng(i)).sparse > 0).any(0)
        striped += not columns[1::4].any() and not columns[2::4].any()
    assert 35 <= striped <= 65


def test_the_same_seed_gives_the_same_scan():
    frame = Frame(np.zeros((*SHAPE, 3), np.uint8), DEPTH, CameraModel.pinhole(80, 80, 40, 30, 80, 60))
    for seed in range(6):
        one, two = (JarrnMix()(frame, np.random.default_rng(seed)) for _ in range(2))
        assert np.array_equal(one.sparse, two.sparse)
        assert np.array_equal(one.inlier, two.inlier, equal_nan=True)


def test_points_and_labels_belong_together():
    wrong = 0
    for seed in range(40):
        sparse, inlier = JarrnMix().scan(DEPTH, np.random.default_rng(seed))
        assert sparse.dtype == inlier.dtype == np.float32
        assert np.array_equal(np.isnan(inlier), sparse == 0)
        off = np.abs(sparse - DEPTH) > 0.03 * DEPTH + 0.05
        assert np.array_equal(inlier[sparse > 0] == 0, off[sparse > 0])
        wrong += off[sparse > 0].sum()
    assert wrong > 0, "noise and blur make some points wrong"


def test_nothing_is_measured_where_nothing_is_known():
    depth = DEPTH.copy()
    depth[:, :40] = np.nan
    depth[:20] = 0
    mix = JarrnMix(dense=1, many=0, few=0)
    for seed in range(8):  # a pixel repeated over a block may reach a little further
        sparse, inlier = mix.scan(depth, np.random.default_rng(seed))
        assert not sparse[:16, :24].any()
        beyond = (sparse > 0) & ~(depth > 0)
        assert not inlier[beyond].any()


def test_an_unknown_frame_has_no_points():
    assert not JarrnMix(dense=1).scan(np.full(SHAPE, np.nan, np.float32), np.random.default_rng(0)).sparse.any()


def test_lines_are_subsets_of_denser_ones():
    masks = [lines((240, 320), n) for n in (4, 8, 16, 32, 64)]
    for few, many in itertools.pairwise(masks):
        assert few.sum() < many.sum()
        assert not (few & ~many).any()
    assert [mask[:, 160].sum() for mask in masks] == [4, 8, 16, 32, 64]
    assert not masks[-1][:, 1::4].any()


def test_lines_are_mirrored_about_the_middle():
    mask = lines((240, 320), 16)
    assert np.array_equal(mask, mask[::-1])


def test_holes_come_in_all_sizes_but_leave_something():
    found = [holes((240, 320), np.random.default_rng(i)).mean() for i in range(40)]
    assert min(found) < 0.02
    assert 0.05 < max(found) < 0.8
