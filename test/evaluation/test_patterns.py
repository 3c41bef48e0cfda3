import numpy as np
import pytest

from depth_perception.evaluation import patterns
from depth_perception.frames import CameraModel

CAMERA = CameraModel.pinhole(400, 400, 200, 150, 401, 301)


@pytest.fixture
def truth():
    depth = np.random.default_rng(0).uniform(1, 4, (301, 401)).astype(np.float32)
    depth[:50] = 0
    return depth


@pytest.mark.parametrize("pattern", patterns.DEFAULT_PATTERNS)
def test_the_same_seed_gives_the_same_bytes(pattern, truth):
    one, two, other = (patterns.sample(pattern, truth, CAMERA, seed=s) for s in (3, 3, 4))
    assert one.sparse.tobytes() == two.sparse.tobytes()
    assert one.held_out.tobytes() == two.held_out.tobytes()
    if pattern not in ("64", "16", "8", "64+shift"):  # lines are where they are
        assert one.sparse.tobytes() != other.sparse.tobytes()


def test_counts_are_right(truth):
    valid = np.count_nonzero(truth)
    for pattern, count in (("500", 500), ("150", 150), ("5%", round(0.05 * valid)), ("10%", round(0.1 * valid))):
        drawn = patterns.sample(pattern, truth)
        assert np.count_nonzero(drawn.sparse) == count
        assert drawn.held_out.sum() == valid - count


@pytest.mark.parametrize("pattern", ["64", "5%", "500"])
def test_values_are_the_truth_and_never_scored(pattern, truth):
    drawn = patterns.sample(pattern, truth, CAMERA)
    given = drawn.sparse > 0
    np.testing.assert_array_equal(drawn.sparse[given], truth[given])
    assert not (given & drawn.held_out).any()
    assert not drawn.held_out[:50].any()


@pytest.mark.parametrize("count", [64, 16, 8])
def test_simulated_lines_have_one_elevation_each(count):
    given = patterns.sample(str(count), np.ones((301, 401), np.float32), CAMERA).sparse > 0
    rows, columns = np.nonzero(given)
    y, x = (rows - 150) / 400, (columns - 200) / 400
    elevation = np.arctan2(y, np.hypot(1, x))
    middle = np.unique(rows[np.abs(columns - 200) <= 1])
    assert abs(len(middle) - count) <= 1
    assert np.diff(np.sort(elevation)).max() < 1.3 * (elevation.max() - elevation.min()) / (count - 1)
    spacing = np.diff(np.unique(columns))
    assert 1 <= spacing.mean() < 2  # 0.2 degrees are 1.4 pixels here


def test_real_rings_are_used_where_given(truth):
    rings = np.where(truth > 0, np.arange(301)[:, None] % 64, -1).astype(np.int32)
    drawn = patterns.sample("16", truth, CAMERA, rings)
    assert set(rings[drawn.sparse > 0] % 4) == {2}
    every = patterns.sample("64", truth, CAMERA, rings)
    share = np.count_nonzero(every.sparse) / np.count_nonzero(truth)
    assert 0.78 < share < 0.82


def test_outliers_replace_five_per_cent(truth):
    clean, bad = (patterns.sample(p, truth, CAMERA).sparse for p in ("500", "500+outliers"))
    assert np.count_nonzero(clean != bad) == 25
    np.testing.assert_array_equal(clean > 0, bad > 0)
    assert bad.max() <= 8.1


def test_shift_moves_everything_four_pixels(truth):
    clean, moved = (patterns.sample(p, truth, CAMERA) for p in ("64", "64+shift"))
    np.testing.assert_array_equal(moved.sparse[:, 4:], clean.sparse[:, :-4])
    np.testing.assert_array_equal(moved.held_out, clean.held_out)
    assert not patterns.shift(np.ones((2, 3), np.float32)).any()


def test_noise_is_two_per_cent(truth):
    clean, noisy = (patterns.sample(p, truth, CAMERA).sparse for p in ("5%", "5%+noise"))
    ratio = noisy[clean > 0] / clean[clean > 0] - 1
    assert 0.018 < ratio.std() < 0.022
    assert abs(ratio.mean()) < 0.002


def test_a_share_of_almost_nothing_does_not_fit():
    sparse_truth = np.zeros((100, 100), np.float32)
    sparse_truth[::5, ::5] = 2
    assert patterns.sample("5%", sparse_truth) is None
    assert np.count_nonzero(patterns.sample("500", sparse_truth).sparse) == 400  # all there is


@pytest.mark.parametrize("text", ["", "64 lines", "500+fog", "0", "-5", "5%%"])
def test_what_is_not_understood_is_named(text):
    with pytest.raises(ValueError, match=r"not understood.*outliers"):
        patterns.parse(text)
