import numpy as np

from depth_perception.models.decomposition.key_frame import LabelledPoints
from depth_perception.models.decomposition.pieces import find_pieces


def blob(x, count=60, seed=0):
    return np.random.default_rng(seed).uniform(-0.04, 0.04, (count, 3)) + np.array([x, 0.0, 0.0])


def mask(*parts):
    points = np.concatenate(parts).astype(np.float32)
    return LabelledPoints(points, np.zeros(len(points), np.int32), np.array([3], np.int32), np.ones(len(points), bool))


LEFT, RIGHT = blob(0.0), blob(0.5, 40, 1)
BOTH = np.concatenate([LEFT, RIGHT])


def test_far_pieces_that_no_mask_shows_as_one_are_two_things():
    found = find_pieces(BOTH, [mask(LEFT), mask(RIGHT)], 0.1, 12)
    assert [sorted(rows.tolist()) for rows in found] == [list(range(60)), list(range(60, 100))]


def test_a_mask_over_both_keeps_them_one():
    found = find_pieces(BOTH, [mask(LEFT), mask(LEFT[:20], RIGHT[:20])], 0.1, 12)
    assert [len(rows) for rows in found] == [100]


def test_label_zero_does_not_join():
    nothing = mask(BOTH)
    nothing.labels[0] = 0
    assert len(find_pieces(BOTH, [nothing], 0.1, 12)) == 2


def test_near_pieces_are_one_and_crumbs_are_left_out():
    assert len(find_pieces(np.concatenate([LEFT, blob(0.13)]), [], 0.1, 12)) == 1
    assert [len(rows) for rows in find_pieces(np.concatenate([LEFT, blob(0.5, 5)]), [], 0.1, 12)] == [60]
    assert find_pieces(np.zeros((0, 3)), [], 0.1, 12) == []
