import numpy as np

from depth_perception.models.neighborhood import build
from depth_perception.models.surfels import fit


def scatter(inverse, count, seed=0):
    """Measure an inverse depth image (H, W) at random pixels."""
    rng = np.random.default_rng(seed)
    sparse = np.zeros(inverse.shape, np.float32)
    chosen = rng.choice(inverse.size, count, replace=False)
    sparse.flat[chosen] = 1 / inverse.flat[chosen]
    return sparse


def test_the_slopes_of_a_steep_plane_are_found():
    rows, columns = np.mgrid[:120, :160]
    inverse = (0.1 + 0.004 * rows + 0.0005 * columns).astype(np.float32)  # 10 m at the top, 1.7 m at the bottom: a road
    points = build(scatter(inverse, 300), 1)
    planes = fit(points)
    inner = (points.rows > 20) & (points.rows < 100) & (points.columns > 20) & (points.columns < 140)
    np.testing.assert_allclose(np.median(planes.gy[inner]), 0.004, rtol=0.03)
    np.testing.assert_allclose(np.median(planes.gx[inner]), 0.0005, rtol=0.1)
    there = planes.offset + planes.gy * points.y + planes.gx * points.x
    np.testing.assert_allclose(there, points.inverse, rtol=1e-4)


def test_a_depth_edge_does_not_tilt_the_planes_beside_it():
    inverse = np.full((100, 160), 0.5, np.float32)
    inverse[:, 80:] = 0.25
    planes = fit(build(scatter(inverse, 250), 1))
    assert np.quantile(np.abs(planes.gx), 0.95) < 0.0005  # a ramp over one gap would be 0.02
    assert np.median(planes.belief) > 0.5


def test_an_outlier_is_not_believed():
    sparse = scatter(np.full((100, 160), 0.5, np.float32), 250)
    bad = np.flatnonzero(sparse)[100]
    sparse.flat[bad] = 5.0
    points = build(sparse, 1)
    planes = fit(points)
    wrong = points.pixels == bad
    assert planes.belief[wrong].max() < 0.4  # its own plane may meet two or three neighbours by chance
    assert np.median(planes.belief[~wrong]) > 0.95
    assert planes.belief[~wrong].min() > 0.5


def test_without_a_start_points_are_only_rated():
    planes = fit(build(scatter(np.full((30, 40), 0.5, np.float32), 50), 1), ())
    assert not planes.gy.any()
    assert not planes.gx.any()
    np.testing.assert_allclose(planes.offset, 0.5)
    assert planes.belief.min() > 0.9
