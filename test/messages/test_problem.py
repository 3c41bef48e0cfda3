from __future__ import annotations

from depth_perception.messages.problem import FrontError


def test_a_problem_can_be_counted_by_cause_and_read_by_people():
    problem = FrontError("empty_cloud", "points", "0 valid points")
    assert (problem.cause, problem.topic, str(problem)) == ("empty_cloud", "points", "0 valid points")
