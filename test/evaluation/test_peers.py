import cv2
import numpy as np
import pytest

from depth_perception.evaluation import peers


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(0)
    truth = (1 / np.tile(np.linspace(0.2, 0.5, 96, dtype=np.float32)[:, None], (1, 128))).astype(np.float32)
    sparse = np.where(rng.random(truth.shape) < 0.05, truth, 0).astype(np.float32)
    image = np.repeat((truth * 40).astype(np.uint8)[..., None], 3, 2)
    return image, truth, sparse


@pytest.mark.parametrize("name", peers.available())
def test_every_peer_completes_a_slanted_plane(name, scene):
    image, truth, sparse = scene
    depth = peers.load(name).infer(image, sparse)
    assert depth.shape == truth.shape
    assert depth.dtype == np.float32
    answered = np.isfinite(depth)
    assert answered.mean() > 0.8
    constant = np.abs(np.median(truth) - truth).mean()
    bound = constant if "smoother" in name else 0.5 * constant  # that one smooths a lot at its strongest
    assert np.abs(depth - truth)[answered].mean() < bound


@pytest.mark.parametrize("name", peers.available())
def test_no_point_no_answer(name):
    assert np.isnan(peers.load(name).infer(np.zeros((20, 30, 3), np.uint8), np.zeros((20, 30), np.float32))).all()


def test_nearest_takes_the_nearest():
    sparse = np.zeros((1, 7), np.float32)
    sparse[0, 1], sparse[0, 5] = 2, 3
    np.testing.assert_array_equal(peers.nearest(sparse)[0, [0, 1, 2, 4, 5, 6]], [2, 2, 2, 3, 3, 3])


def test_linear_is_exact_in_its_own_quantity():
    sparse = np.zeros((5, 5), np.float32)
    sparse[0, 0], sparse[0, 4], sparse[4, 0], sparse[4, 4] = 1, 1, 3, 3
    np.testing.assert_allclose(peers.linear(sparse, inverse=False)[2], 2.0)
    np.testing.assert_allclose(peers.linear(sparse, inverse=True)[2], 1.5, rtol=1e-6)  # 1 / ((1 + 1/3) / 2)


def test_linear_without_a_triangle_answers_nothing():
    for points in ([(0, 0)], [(0, 0), (1, 1), (2, 2)]):
        sparse = np.zeros((5, 5), np.float32)
        for p in points:
            sparse[p] = 2
        assert np.isnan(peers.linear(sparse, inverse=True)).all()


def test_families_split_into_variants():
    assert set(peers.families()) >= {"nearest", "linear", "ip_basic"}
    assert peers.variants("linear") == ("linear:z", "linear:1/z")
    assert sum(len(peers.variants(f)) for f in peers.families()) == len(peers.available())
    assert peers.load("linear:z").family == "linear"


def test_contrib_peers_follow_the_opencv_build():
    assert ("guided" in peers.families()) == hasattr(cv2, "ximgproc")


@pytest.mark.parametrize("function", [peers.load, peers.variants])
def test_unknown_names_list_the_known_ones(function):
    with pytest.raises(ValueError, match=r"'magic'.*nearest"):
        function("magic")
