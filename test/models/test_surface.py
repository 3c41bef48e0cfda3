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
