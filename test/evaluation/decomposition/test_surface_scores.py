from __future__ import annotations

import numpy as np
import pytest

from depth_perception.evaluation.decomposition.surface_scores import (
    FAR,
    NOTHING,
    TrueSurface,
    mean_score,
    object_scores,
    sample_mesh,
    surface_score,
)
from depth_perception.frames import TriangleMesh


def plate(z=0.0, side=0.2, count=4000, seed=0):
    points = np.random.default_rng(seed).uniform(0, side, (count, 3))
    points[:, 2] = z
    return points


def square(z=0.0, side=0.2):
    vertices = np.array([[0, 0, z], [side, 0, z], [side, side, z], [0, side, z]], np.float32)
    return TriangleMesh(vertices, np.array([[0, 1, 2], [0, 2, 3]], np.int32))


def whole(points):
    return TrueSurface(points, points)


def test_a_shifted_plate_is_as_far_as_it_was_shifted():
    score = surface_score(plate(0.015, seed=1), whole(plate()))
    assert score.chamfer == pytest.approx(0.0154, abs=0.0006)  # samples do not lie face to face
    assert score.f_score == (0.0, pytest.approx(1.0, abs=0.01), 1.0)
    assert score.completeness == 0.0


def test_half_a_plate_is_accurate_but_not_complete():
    points = plate(count=20_000)
    half = points[points[:, 0] < 0.1]
    score = surface_score(half, whole(plate(seed=1)))
    assert score.accuracy < 0.002
    assert score.completeness == pytest.approx(0.55, abs=0.02)  # 1 cm beyond the edge counts as found
    assert score.f_score[0] == pytest.approx(2 * 0.55 / 1.55, abs=0.02)
    # distances on the missing half grow evenly from 0 to 10 cm
    assert score.chamfer == pytest.approx(0.5 * 0.5 * 0.05, abs=0.002)


def test_what_nobody_saw_may_be_closed_for_free_but_need_not_be():
    truth = TrueSurface(np.concatenate([plate(0.0), plate(0.3)]), plate(0.0))
    open_, closed = plate(0.0, seed=2), np.concatenate([plate(0.0, seed=2), plate(0.3, seed=3)])
    assert surface_score(open_, truth).f_score[0] == pytest.approx(1.0, abs=0.01)
    assert surface_score(closed, truth).f_score[0] == pytest.approx(1.0, abs=0.01)
    wrong = np.concatenate([plate(0.0, seed=2), plate(0.15, seed=3)])
    assert surface_score(wrong, truth).f_score[0] == pytest.approx(2 * 0.5 / 1.5, abs=0.01)


def test_far_is_the_limit():
    assert surface_score(plate(7.0), whole(plate())).chamfer == pytest.approx(FAR)
    assert surface_score(np.zeros((0, 3)), whole(plate())) == NOTHING


def test_things_without_a_match_or_a_mesh_score_nothing_and_unseen_ones_do_not_count():
    truth = {1: whole(plate()), 2: whole(plate()), 3: whole(plate()), 4: TrueSurface(plate(), plate()[:0])}
    found = object_scores({10: square(0.0), 11: square(0.05)}, truth, {1: 10, 2: 99})
    assert sorted(found) == [1, 2, 3]
    assert found[1].f_score[0] == pytest.approx(1.0, abs=0.01)
    assert found[2] == found[3] == NOTHING
    assert mean_score(list(found.values())).chamfer == pytest.approx((found[1].chamfer + 2 * FAR) / 3)
    assert mean_score([]) == NOTHING


def test_samples_are_even_over_triangles_of_any_size():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 0, 0], [7, 0, 0], [5, 3, 0]], np.float32)
    mesh = TriangleMesh(vertices, np.array([[0, 1, 2], [3, 4, 5]], np.int32))
    points = sample_mesh(mesh, 20_000, np.random.default_rng(0))
    small = points[:, 0] < 2
    assert small.mean() == pytest.approx(0.5 / 3.5, abs=0.01)
    np.testing.assert_allclose(points[small].mean(0), [1 / 3, 1 / 3, 0], atol=0.02)
    assert sample_mesh(TriangleMesh(vertices, np.zeros((0, 3), np.int32)), 5, np.random.default_rng(0)).shape == (0, 3)
