from __future__ import annotations

import math

import numpy as np
import pytest

from depth_perception.evaluation.boundaries import (
    DENSE,
    SCAN_LINES,
    BoundaryBand,
    BoundarySettings,
    BoundarySums,
    boundary_sums,
    depth_edges,
)


def step_image(near=2.0, far=6.0, column=20):
    depth = np.full((24, 40), far, np.float32)
    depth[:, :column] = near
    return depth


def ground(height=1.5, focal=300.0, horizon=2, rows=60, columns=40):
    """Depth of a flat road: very steep in depth near the horizon, but without any edge."""
    v = np.arange(horizon + 1, horizon + 1 + rows, dtype=np.float64)
    return np.repeat((height * focal / v)[:, None], columns, axis=1).astype(np.float32)


def test_edge_marks_the_pixels_on_both_sides():
    edges = depth_edges(step_image(), BoundarySettings(half_rows=1, half_columns=1))
    expected = np.zeros((24, 40), bool)
    expected[:, 19:21] = True
    np.testing.assert_array_equal(edges, expected)


def test_grazing_ground_has_no_edges():
    depth = ground()
    assert np.max(np.abs(np.diff(depth, axis=0)) / depth[1:]) > 0.3  # far above the jump that counts
    assert not depth_edges(depth).any()


def test_edge_on_a_slanted_surface_is_found():
    depth = ground()
    depth[20:40, 10:20] = 3.0  # a box on the road
    edges = depth_edges(depth)
    assert edges[25:35, 10].all()
    assert edges[25:35, 19].all()
    assert not edges[:, 30:].any()


def test_edge_is_found_across_a_hole():
    depth = step_image()
    depth[:, 20] = np.nan
    assert depth_edges(depth, BoundarySettings(half_columns=2))[:, [19, 21]].all()
    assert not depth_edges(depth, BoundarySettings(half_rows=1, half_columns=1)).any()


def test_small_steps_do_not_count():
    assert not depth_edges(step_image(2.0, 2.1)).any()


def test_sharp_answer_has_no_smear_and_no_error():
    depth = step_image()
    figures = boundary_sums(depth, depth).compute()
    assert figures == {"boundary_mae": 0.0, "smear_rate": 0.0}


def test_edge_a_pixel_off_is_an_error_but_not_smear():
    figures = boundary_sums(step_image(column=21), step_image()).compute()
    assert figures["boundary_mae"] > 0.1
    assert figures["smear_rate"] == 0.0


def test_ramp_between_surfaces_is_smear():
    truth = step_image()
    answer = truth.copy()
    answer[:, 19], answer[:, 20] = 3.5, 4.5
    sums = boundary_sums(answer, truth)
    # within two columns of the edge pixels 18 to 21 lie six columns, two of them smeared
    assert sums.scored == sums.count == 24 * 8
    assert sums.smeared == 24 * 2
    assert sums.compute()["boundary_mae"] == pytest.approx(24 * 3.0 / sums.count)


def test_answer_outside_both_surfaces_is_not_smear():
    truth = step_image()
    answer = np.where(truth > 3, 9.0, 1.0).astype(np.float32)
    assert boundary_sums(answer, truth).smeared == 0


def test_third_surface_between_is_not_smear():
    truth = step_image()
    truth[:, 20] = 4.0
    assert boundary_sums(truth, truth).smeared == 0


def test_unanswered_pixels_are_scored_but_not_counted():
    truth = step_image()
    answer = truth.copy()
    answer[:12] = np.nan
    sums = boundary_sums(answer, truth)
    assert sums.count == sums.scored // 2


def test_scored_mask_limits_what_counts_but_not_the_surfaces():
    truth = step_image()
    scored = np.zeros(truth.shape, bool)
    scored[5, 19] = scored[5, 0] = True
    answer = np.full(truth.shape, 4.0, np.float32)
    sums = boundary_sums(answer, truth, scored)
    assert (sums.scored, sums.count, sums.smeared, sums.absolute) == (1, 1, 1, 2.0)


def test_scan_lines_see_a_neighbour_columns_away():
    sparse = np.zeros((10, 40), np.float32)
    sparse[4, 5:20:5], sparse[4, 20:40:5] = 2.0, 6.0
    scored = sparse > 0
    answer = np.full(sparse.shape, 4.0, np.float32)
    assert boundary_sums(answer, sparse, scored, DENSE).scored == 0
    found = boundary_sums(answer, sparse, scored, SCAN_LINES)
    assert found.scored == found.smeared == 4  # both points of the edge and one on each side


def test_sums_merge():
    truth = step_image()
    answer = truth.copy()
    answer[:, 19] = 3.5
    half = boundary_sums(answer, truth)
    both = half + half
    assert both.compute() == half.compute()
    assert both.count == 2 * half.count


def test_nothing_at_edges_gives_nan():
    flat = np.full((8, 8), 3.0, np.float32)
    assert boundary_sums(flat, flat) == BoundarySums()
    assert all(math.isnan(v) for v in BoundarySums().compute().values())


def test_different_sizes_are_refused():
    with pytest.raises(ValueError, match="differ in size"):
        boundary_sums(np.ones((3, 4)), np.ones((4, 3)))


def test_one_band_serves_several_answers():
    truth = step_image()
    scored = np.random.default_rng(0).random(truth.shape) < 0.5
    band = BoundaryBand(truth, scored)
    hole = truth + 0.5
    hole[:9] = np.nan
    for answer in (truth, np.full_like(truth, 4.0), hole):
        assert band.sums(answer) == boundary_sums(answer, truth, scored)
    assert BoundaryBand(np.full((9, 9), 2.0)).sums(np.zeros((9, 9))) == BoundarySums()
    with pytest.raises(ValueError, match="differ in size"):
        band.sums(truth[1:])
