import numpy as np
import pytest

from depth_perception.evaluation.ip_basic import ip_basic


def test_one_point_by_hand():
    # Turned over about 10 m, a point at 4 m is 6. The diamond spreads it two pixels each way, closing changes nothing,
    # 7 x 7 and then 31 x 31 windows spread it everywhere: a constant image, turned back to 4 m.
    sparse = np.zeros((15, 15), np.float32)
    sparse[7, 7] = 4.0
    np.testing.assert_allclose(ip_basic(sparse, max_depth=10.0), 4.0, rtol=1e-6)


def test_the_nearer_of_two_surfaces_grows():
    # Points at columns 4 and 8 of one row. By hand: the diamond reaches columns 2..6 with 2 m and 6..10 with 5 m; the
    # larger turned-over value, the nearer surface, keeps the shared column 6, and the closing and medians leave it.
    sparse = np.zeros((21, 13), np.float32)
    sparse[:, 4], sparse[:, 8] = 2.0, 5.0
    depth = ip_basic(sparse, blur="none", max_depth=10.0)
    np.testing.assert_allclose(depth[10], [2] * 7 + [5] * 6)


def test_the_top_of_each_column_is_continued_or_left_to_the_windows():
    sparse = np.zeros((60, 40), np.float32)
    sparse[50:, :20], sparse[50:, 20:] = 2.0, 8.0
    continued = ip_basic(sparse, blur="none", extend_to_top=True)
    assert continued[0, 30] == pytest.approx(8.0)  # of its own column
    left = ip_basic(sparse, blur="none", extend_to_top=False)
    assert left[0, 30] == pytest.approx(2.0)  # the windows carry the nearer surface sideways


@pytest.mark.parametrize("blur", ["gaussian", "bilateral", "none"])
def test_a_measured_plane_comes_back(blur):
    truth = np.tile(np.linspace(3, 4, 64, dtype=np.float32), (48, 1))
    sparse = np.where(np.random.default_rng(0).random(truth.shape) < 0.2, truth, 0).astype(np.float32)
    depth = ip_basic(sparse, blur=blur)
    assert np.isfinite(depth).all()
    assert np.abs(depth - truth).mean() < 0.05


def test_nothing_measured_stays_unknown():
    assert np.isnan(ip_basic(np.zeros((9, 9), np.float32))).all()


def test_an_unknown_blur_is_named():
    with pytest.raises(ValueError, match="'median'"):
        ip_basic(np.ones((3, 3), np.float32), blur="median")
