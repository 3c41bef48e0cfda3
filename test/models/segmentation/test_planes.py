from __future__ import annotations

import numpy as np

from depth_perception.models.segmentation.planes import PlaneSettings, supported, supporting_planes
from depth_perception.models.segmentation.relief import relief


def test_the_table_is_found_where_it_is(table):
    table.box((-0.2, -0.1, 0), (0.1, 0.15, 0.2))
    surfaces = relief(table.depth_image(0.002), table.camera)
    planes = supporting_planes(surfaces)
    assert len(planes) == 1
    np.testing.assert_allclose(planes[0].normal, table.rotation.T @ (0, 0, 1), atol=0.01)
    assert abs(planes[0].offset + 0.9) < 0.005  # the camera is 0.9 m above it, the normal points to the camera
    inside = supported(surfaces, planes)
    assert inside[table.labels == 0].mean() > 0.97
    assert inside[table.labels == 1].mean() < 0.1


def test_the_faces_of_a_large_box_bear_nothing(table):
    table.box((-0.25, -0.2, 0), (0.2, 0.2, 0.3))
    surfaces = relief(table.depth_image(0.001), table.camera)
    every = supporting_planes(surfaces, PlaneSettings(enough=0.05))
    assert len(every) == 3  # the table, the top and the front
    assert len(supporting_planes(surfaces)) == 1


def test_a_box_that_carries_something_is_a_support(table):
    table.box((-0.3, -0.2, 0), (0.25, 0.25, 0.3)).ball((0.05, 0, 0.36), 0.06).ball((-0.15, 0, 0.36), 0.06)
    planes = supporting_planes(relief(table.depth_image(0.001), table.camera))
    assert len(planes) == 2
    assert abs(planes[1].offset + 0.6) < 0.01


def test_nothing_measured_has_no_planes(table):
    surfaces = relief(np.full(table.camera.shape, np.nan, np.float32), table.camera)
    assert supporting_planes(surfaces) == []
    assert not supported(surfaces, []).any()
