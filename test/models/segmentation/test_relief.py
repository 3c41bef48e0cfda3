from __future__ import annotations

import numpy as np

from depth_perception.models.segmentation.relief import hollows, jumps, relief


def test_normals_of_the_table_point_up(table):
    surfaces = relief(table.depth_image(), table.camera)
    up = table.rotation.T @ (0, 0, 1)  # in the camera's frame
    inner = surfaces.normals[10:-10, 10:-10]
    np.testing.assert_allclose(inner, np.broadcast_to(up, inner.shape), atol=0.02)


def test_the_area_of_the_table_is_the_one_seen(table):
    surfaces = relief(table.depth_image(), table.camera)
    points = surfaces.points[[0, 0, -1, -1], [0, -1, 0, -1]].astype(float)
    top, bottom = np.linalg.norm(points[1] - points[0]), np.linalg.norm(points[3] - points[2])
    middle = np.linalg.norm(points[[0, 1]].mean(0) - points[[2, 3]].mean(0))
    assert abs(surfaces.area.sum() / ((top + bottom) / 2 * middle) - 1) < 0.05


def test_a_tilted_plane_has_no_jumps_but_the_rim_of_a_box_has(table):
    assert not jumps(relief(table.depth_image(), table.camera), 0.018).any()
    table.box((-0.1, -0.1, 0), (0.1, 0.1, 0.4))
    found = jumps(relief(table.depth_image(), table.camera), 0.018)
    top = np.argwhere(table.labels == 1)[:, 0].min()
    assert found[top - 1 : top + 2].any(0)[table.labels[top + 1] == 1].mean() > 0.9


def test_the_foot_of_a_box_is_a_hollow_and_its_edge_is_not(table):
    table.box((-0.2, -0.1, 0), (0.2, 0.15, 0.15))
    found = hollows(relief(table.depth_image(), table.camera), 3, 0.22)
    column = table.labels[:, 80]
    rows = np.flatnonzero(column == 1)
    foot = rows.max()
    assert found[foot - 1 : foot + 3, 80].any()
    assert not found[rows.min() + 6 : foot - 6, 80].any()  # the edge between the top and the front
