from __future__ import annotations

from types import SimpleNamespace

from depth_perception.evaluation.examples import Extremes


def fill(scores, count=2):
    extremes = Extremes(count)
    for index, score in enumerate(scores):
        extremes.add(score, SimpleNamespace(index=index))
    return [e.index for e in extremes.best()], [e.index for e in extremes.worst()]


def test_best_first_and_worst_first():
    assert fill([5.0, 1.0, 9.0, 3.0, 7.0]) == ([1, 3], [2, 4])


def test_ties_go_to_the_earlier_frame():
    assert fill([2.0, 2.0, 2.0, 2.0, 2.0]) == ([0, 1], [])
    assert fill([1.0, 1.0, 1.0, 2.0, 2.0, 2.0]) == ([0, 1], [3, 4])


def test_nan_is_the_worst():
    assert fill([float("nan"), 1.0, 2.0, 3.0]) == ([1, 2], [0, 3])


def test_few_frames_are_not_shown_twice():
    assert fill([4.0]) == ([0], [])
    assert fill([]) == ([], [])
    assert fill([4.0, 5.0, 6.0]) == ([0, 1], [2])
