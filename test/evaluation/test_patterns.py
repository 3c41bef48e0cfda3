import zlib

import numpy as np
import pytest

from depth_perception.evaluation import patterns
from depth_perception.frames import CameraModel

CAMERA = CameraModel.pinhole(400, 400, 200, 150, 401, 301)
CAMERA_200 = CameraModel.pinhole(200, 200, 99.5, 99.5, 200, 200)


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


@pytest.mark.parametrize(
    ("pattern", "bytes_then"), [("64", 3474719045), ("500", 2507617019), ("5%", 399677212), ("64+shift", 356536803)]
)
def test_points_stay_those_of_published_tables(pattern, bytes_then, truth):
    assert zlib.crc32(patterns.sample(pattern, truth, CAMERA, seed=3).sparse.tobytes()) == bytes_then


@pytest.mark.parametrize("pattern", ["64", "5%", "500"])
def test_values_are_the_truth_and_never_scored(pattern, truth):
    drawn = patterns.sample(pattern, truth, CAMERA)
    given = drawn.sparse > 0
    np.testing.assert_array_equal(drawn.sparse[given], truth[given])
    assert not (given & drawn.held_out).any()
    assert not drawn.held_out[:50].any()


@pytest.mark.parametrize("count", [64, 32, 16, 8, 4])
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


@pytest.mark.parametrize(("name", "pixels"), [("shift2", 2), ("shift8", 8)])
def test_other_shifts(name, pixels, truth):
    clean, moved = (patterns.sample(p, truth, CAMERA) for p in ("64", f"64+{name}"))
    np.testing.assert_array_equal(moved.sparse[:, pixels:], clean.sparse[:, :-pixels])


def test_ten_per_cent_and_noisy(truth):
    clean, bad, noisy = (patterns.sample(p, truth, CAMERA).sparse for p in ("500", "500+outliers10", "500+noisy"))
    assert np.count_nonzero(clean != bad) == 50
    given = clean > 0
    ratio = noisy[given] / clean[given] - 1
    assert np.count_nonzero(np.abs(ratio) > 0.05) <= 15
    assert 0.008 < np.std(np.sort(ratio)[20:-20]) < 0.012


def test_thinning_takes_points_and_lines_and_scores_the_same_pixels(truth):
    full, thinned = (patterns.sample(p, truth, CAMERA) for p in ("16", "16-40"))
    given = thinned.sparse > 0
    np.testing.assert_array_equal(thinned.sparse[given], full.sparse[given])
    np.testing.assert_array_equal(thinned.held_out, full.held_out)
    column = slice(190, 211)
    rows = [np.count_nonzero((s.sparse[:, column] > 0).any(axis=1)) for s in (full, thinned)]
    assert rows[1] == pytest.approx(0.75 * rows[0], abs=1)
    assert np.count_nonzero(given) / np.count_nonzero(full.sparse) == pytest.approx(0.45, abs=0.05)
    points, fewer = (np.count_nonzero(patterns.sample(p, truth, CAMERA).sparse) for p in ("5%", "5%-40"))
    assert fewer / points == pytest.approx(0.6, abs=0.03)


def test_thinning_takes_whole_real_rings(truth):
    rings = np.where(truth > 0, np.arange(301)[:, None] % 64, -1).astype(np.int32)
    left = set(rings[patterns.sample("64-40", truth, CAMERA, rings).sparse > 0])
    assert len(left) == 48
    assert len({ring % 4 for ring in set(range(64)) - left}) == 1


def test_corners_are_corners_with_known_depth(truth):
    image = np.kron(np.indices((15, 20)).sum(0) % 2 * 200, np.ones((21, 21)))[:301, :401].astype(np.uint8)
    drawn = patterns.sample("corners150", truth, CAMERA, image=np.repeat(image[..., None], 3, 2))
    rows, columns = np.nonzero(drawn.sparse)
    assert 100 < len(rows) <= 150
    off = [np.abs((x + 10) % 21 - 10) for x in (rows, columns)]  # from the nearest border of a square
    assert np.mean((off[0] <= 3) & (off[1] <= 3)) > 0.9
    np.testing.assert_array_equal(drawn.sparse[rows, columns], truth[rows, columns])
    assert patterns.sample("corners150", truth, CAMERA) is None
    assert patterns.sample("corners150", truth, CAMERA, image=np.zeros((301, 401, 3), np.uint8)) is None


def test_corners_move_to_measured_pixels_nearby():
    image = np.kron(np.indices((10, 10)).sum(0) % 2 * 200, np.ones((20, 20))).astype(np.uint8)
    truth = np.zeros((200, 200), np.float32)
    truth[::5, ::5] = 3.0
    drawn = patterns.sample("corners500", truth, CAMERA_200, image=np.repeat(image[..., None], 3, 2))
    assert np.count_nonzero(drawn.sparse) > 50
    assert (truth[drawn.sparse > 0] == 3).all()


def test_grids_and_holes_need_a_dense_truth_and_never_score_what_they_give():
    truth = np.full((240, 320), 3, np.float32)
    truth[60:180, 100:200] = 1.5
    image = np.full((240, 320, 3), 100, np.uint8)
    grid, holes = (patterns.sample(p, truth, image=image) for p in ("tof", "holes"))
    assert np.count_nonzero(grid.sparse) == 1200
    assert 0.7 < np.count_nonzero(holes.sparse) / truth.size < 0.99
    for drawn in (grid, holes):
        np.testing.assert_array_equal(drawn.held_out, drawn.sparse == 0)
    assert patterns.sample("holes", truth) is None
    sparse_truth = np.where(np.random.default_rng(0).random(truth.shape) < 0.2, truth, 0).astype(np.float32)
    assert patterns.sample("tof", sparse_truth, image=image) is None


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


@pytest.mark.parametrize(
    "text", ["", "64 lines", "500+fog", "0", "-5", "5%%", "corners5%", "tof8", "500-30", "500+noise-40"]
)
def test_what_is_not_understood_is_named(text):
    with pytest.raises(ValueError, match=r"not understood.*outliers"):
        patterns.parse(text)
