from __future__ import annotations

import numpy as np
import pytest

from depth_perception.evaluation.decomposition.panoptic import ScenePanoptic


def row(*runs):
    """A (1, n) image of labels from (label, pixels) pairs."""
    return np.concatenate([np.full(n, label, np.int32) for label, n in runs])[None]


def test_a_worked_example():
    # things of 10 and 10 pixels; the first is found with 8 of its 10 and none else, the second falls in two of 5
    score = ScenePanoptic()
    score.update(row((7, 8), (0, 2), (8, 5), (9, 5), (0, 4)), row((1, 10), (2, 10), (0, 4)))
    found = score.compute()
    assert (found.matched, found.false, found.missed) == (1, 2, 1)  # one half is not more than one half
    assert found.sq == pytest.approx(0.8)
    assert found.rq == pytest.approx(1 / (1 + 0.5 * 3))
    assert found.pq == pytest.approx(0.8 * 0.4)
    assert found.miou == pytest.approx((0.8 + 0.5) / 2)
    assert found.switches == 0
    assert score.matches() in ({1: 7, 2: 8}, {1: 7, 2: 9})
    assert score.matches(0.5) == {1: 7}


def test_views_are_pooled_so_changing_numbers_cost():
    stays, changes = ScenePanoptic(), ScenePanoptic()
    truth = row((1, 6), (2, 6), (0, 3))
    for view in range(4):
        stays.update(row((5, 6), (6, 6), (0, 3)), truth)
        changes.update(row((5 + 10 * view, 6), (6 + 10 * view, 6), (0, 3)), truth)
    assert stays.compute().pq == 1.0
    assert stays.compute().switches == 0
    assert changes.compute().pq == 0.0
    assert changes.compute().switches == 6
    assert changes.compute().miou == pytest.approx(0.25)


def test_background_that_is_claimed_widens_the_union():
    score = ScenePanoptic()
    score.update(row((3, 12)), row((1, 9), (0, 3)))
    assert score.compute().sq == pytest.approx(0.75)


def test_unknown_truth_is_left_out_and_unknown_answers_are_not():
    score = ScenePanoptic()
    score.update(row((3, 6), (4, 6), (-1, 2)), row((1, 6), (-1, 6), (1, 2)))
    found = score.compute()
    assert found.sq == pytest.approx(6 / 8)
    assert found.false == 0


def test_a_switch_is_counted_across_views_in_which_the_thing_was_lost():
    score = ScenePanoptic()
    truth = row((1, 4), (0, 2))
    for own in (3, 0, 3, 5, 5):
        score.update(row((own, 4), (0, 2)), truth)
    assert score.compute().switches == 1


def test_specks_may_be_no_claim():
    truth, found = row((1, 20), (0, 20)), row((2, 20), (3, 2), (0, 18))
    plain, tolerant = ScenePanoptic(), ScenePanoptic(least=3)
    plain.update(found, truth)
    tolerant.update(found, truth)
    assert plain.compute().false == 1
    assert tolerant.compute().false == 0


def test_nothing_at_all_scores_nothing():
    score = ScenePanoptic()
    score.update(row((0, 5)), row((0, 5)))
    assert score.compute() == (0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0)


def test_sizes_must_agree():
    with pytest.raises(ValueError, match=r"\(1, 3\).*\(1, 4\)"):
        ScenePanoptic().update(row((0, 3)), row((0, 4)))
