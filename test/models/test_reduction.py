import numpy as np

from depth_perception.models.reduction import reduce


def test_the_nearest_point_of_a_cell_stays_and_colours_are_averaged():
    sparse = np.zeros((3, 4), np.float32)
    sparse[0, 0], sparse[1, 1], sparse[2, 3] = 5.0, 2.0, 7.0
    image = np.zeros((3, 4, 3), np.uint8)
    image[0, :2] = 100
    grid, small = reduce(image, sparse, 2)
    assert np.array_equal(grid, np.array([[2.0, 0.0], [0.0, 7.0]], np.float32))
    assert small.shape == (2, 2, 3)
    assert (small[0, 0] == 50).all()


def test_one_pixel_cells_change_nothing_and_no_image_stays_none():
    sparse = np.ones((3, 4), np.float32)
    assert reduce(None, sparse, 1)[0] is sparse
    assert reduce(None, sparse, 2)[1] is None
