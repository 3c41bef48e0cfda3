import numpy as np

from depth_perception.models.upsample import enlarge, enlarge_guided


def test_a_ramp_stays_a_ramp_with_the_cells_middles_in_place():
    coarse = np.broadcast_to(np.arange(1, 11, dtype=np.float32), (6, 10))
    large = enlarge(coarse, 4, (23, 39))
    assert large.shape == (23, 39)
    expected = (np.arange(39) - 1.5) / 4 + 1
    np.testing.assert_allclose(large[10, 4:36], expected[4:36], rtol=1e-5)


def test_step_one_changes_nothing():
    coarse = np.random.default_rng(0).random((5, 7)).astype(np.float32)
    np.testing.assert_array_equal(enlarge(coarse, 1, (5, 7)), coarse)


def test_a_depth_edge_moves_onto_the_images_edge():
    step, edge = 4, 41  # not on a cell's border
    coarse = np.full((20, 20), 0.5, np.float32)
    coarse[:, 10:] = 0.25
    image = np.zeros((80, 80, 3), np.uint8)
    image[:, edge:] = 255
    small = image.reshape(20, 4, 20, 4, 3).mean((1, 3)).astype(np.uint8)
    drawn = np.argmax(enlarge_guided(coarse, step, image, small) < 0.375, axis=1)
    assert np.abs(drawn[8:72] - edge).max() <= 1


def test_without_depth_edges_it_is_bilinear():
    rng = np.random.default_rng(0)
    coarse = np.full((10, 10), 0.5, np.float32)
    image = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    np.testing.assert_allclose(enlarge_guided(coarse, 4, image, image[::4, ::4]), 0.5)
