import numpy as np

from depth_perception.models.blend import BlendSettings, blend
from depth_perception.models.neighborhood import build
from depth_perception.models.surfels import fit


def two_walls(columns):
    """Two walls, 2 m and 4 m, measured on a few columns on each side; the edge in between is unmeasured."""
    sparse = np.zeros((60, 80), np.float32)
    sparse[5::10, columns] = np.where(np.asarray(columns) < 40, 2.0, 4.0)
    return build(sparse, 1)


def test_color_decides_where_an_unmeasured_edge_runs():
    points = two_walls([5, 15, 25, 55, 65, 75])
    planes = fit(points)
    for edge in (34, 46):
        guide = np.zeros((1, 60, 80), np.float32)
        guide[..., edge:] = 3.0
        inverse = blend(points, planes, guide, BlendSettings()).inverse
        drawn = np.argmax(inverse < 0.375, axis=1)
        assert np.abs(drawn[10:50] - edge).max() <= 2


def test_values_stay_on_one_of_two_surfaces():
    points = two_walls([5, 15, 25, 55, 65, 75])
    inverse = blend(points, fit(points), None, BlendSettings()).inverse
    between = (inverse > 0.26) & (inverse < 0.48)
    assert between.mean() < 0.08  # linear interpolation would ramp over 30 of 80 columns


def test_the_number_of_bands_does_not_matter():
    points = two_walls([5, 25, 55, 75])
    planes = fit(points)
    one, many = (blend(points, planes, None, BlendSettings(bands=n)) for n in (1, 7))
    for a, b in zip(one, many):
        np.testing.assert_array_equal(a, b)


def test_distance_grows_away_from_the_points():
    sparse = np.zeros((60, 80), np.float32)
    sparse[5:30:5, 5:30:5] = 2
    points = build(sparse, 1)
    result = blend(points, fit(points), None, BlendSettings())
    assert result.distance[59, 79] > 2 * result.distance[15, 15]
