import numpy as np

from depth_perception.models.surface import SurfaceSettings, complete, grid_step


def test_resolution_follows_density_up_to_the_budget():
    settings = SurfaceSettings()
    assert grid_step((480, 640), 22, settings) == 4  # the block of 500 scattered points
    assert grid_step((480, 640), 17, settings) == 3
    assert grid_step((480, 640), 200, settings) == settings.coarsest
    assert grid_step((480, 640), 4, settings) == 2  # finer is wished for, but 307 200 cells are too many
    assert grid_step((120, 160), 4, settings) == 1
    step = grid_step((2160, 3840), 10, settings)
    assert settings.cells * step**2 >= 2160 * 3840


def test_a_slanted_plane_is_continued_exactly():
    rows, _ = np.mgrid[:240, :320]
    truth = (1 / (0.1 + 0.002 * rows)).astype(np.float32)
    rng = np.random.default_rng(0)
    sparse = np.where(rng.random(truth.shape) < 0.004, truth, 0).astype(np.float32)
    depth = complete(None, sparse, SurfaceSettings()).depth
    error = np.abs(depth / truth - 1)
    assert np.median(error) < 0.003
    assert np.quantile(error[20:-20, 20:-20], 0.99) < 0.02


def test_deviation_is_larger_in_gaps_and_far_outside():
    rng = np.random.default_rng(0)
    sparse = np.zeros((200, 300), np.float32)
    sparse[:, :150] = np.where(rng.random((200, 150)) < 0.01, 2 + 0.02 * rng.standard_normal((200, 150)), 0)
    sparse[80:120, 60:100] = 0
    deviation = complete(None, sparse, SurfaceSettings()).standard_deviation
    usual = np.median(deviation[20:60, 20:120])
    assert np.median(deviation[95:105, 75:85]) > usual  # the gap
    assert deviation[100, 290] > 10 * usual  # nothing was measured near here
    assert deviation.min() > 0


def corner_with_noise(noise, share, seed=0):
    """Two walls meeting, the left one nearer by a third beyond an edge; returns truth and points with ``noise``."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:200, :300]
    truth = np.where(columns < 150, 1 / (0.5 - 0.0004 * columns), 3 + 0.004 * rows + 0.002 * columns)
    points = np.where(rng.random(truth.shape) < share, truth * (1 + noise * rng.standard_normal(truth.shape)), 0)
    return truth, points.astype(np.float32)


def missed(truth, sparse, settings):
    image = np.full((*truth.shape, 3), 60, np.uint8)
    image[:, 150:] = 190
    depth = complete(image, sparse, settings).depth
    return np.abs(depth / truth - 1)[sparse == 0].mean()


def test_three_voices_average_noise_that_one_repeats():
    one, three = SurfaceSettings(), SurfaceSettings(voices=3)
    truth, noisy = corner_with_noise(0.02, 0.08)
    assert missed(truth, noisy, three) < 0.7 * missed(truth, noisy, one)
    _, clean = corner_with_noise(0.0, 0.08)
    assert missed(truth, clean, three) < 1.05 * missed(truth, clean, one)
    assert missed(truth, noisy, three) > 3 * missed(truth, clean, three)


def test_a_wrong_point_is_no_voice_even_beside_itself():
    truth, sparse = corner_with_noise(0.0, 0.08)
    rng = np.random.default_rng(1)
    wrong = (sparse > 0) & (rng.random(sparse.shape) < 0.03)
    spoiled = np.where(wrong, 2.5 * sparse, sparse)
    assert missed(truth, spoiled, SurfaceSettings(voices=3)) < 0.005  # as the closest ones they would add 0.045


def test_three_voices_need_no_image_and_no_second_point():
    sparse = np.zeros((40, 60), np.float32)
    sparse[10, 20] = 2
    assert np.allclose(complete(None, sparse, SurfaceSettings(voices=3)).depth, 2, rtol=1e-3)
    image = np.zeros((40, 60, 3), np.uint8)
    assert np.allclose(complete(image, sparse, SurfaceSettings(voices=3)).depth, 2, rtol=1e-3)
