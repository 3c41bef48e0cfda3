from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from depth_perception.evaluation.decomposition.decomposed import (
    PeakMemory,
    PlaceLabels,
    object_region,
    resident,
    world_points,
)


def test_points_of_the_floor_lie_on_it(balls):
    points, pixels = world_points(balls[0])
    floor = balls[0].labels.reshape(-1)[pixels] == 0
    np.testing.assert_allclose(points[floor][:, 2], 0, atol=1e-5)
    assert points[~floor][:, 2].max() > 0.2
    holes = replace(balls[0], depth=np.where(balls[0].labels == 1, np.nan, balls[0].depth).astype(np.float32))
    assert len(world_points(holes)[0]) == len(points) - (balls[0].labels == 1).sum()


def test_the_region_holds_the_things_and_little_else(balls, ball_sizes):
    low, high = object_region(balls)
    for center, radius in ball_sizes.values():
        assert (np.asarray(center) - radius > low).all()
        assert (np.asarray(center) + radius < high).all()
    assert (high - low < 1.2).all()
    with pytest.raises(ValueError, match="no pixel"):
        object_region([replace(f, labels=np.zeros_like(f.labels)) for f in balls])
    with pytest.raises(ValueError, match="has none"):
        object_region([replace(balls[0], labels=None)])


def test_places_answer_for_what_is_near():
    ask = PlaceLabels(np.array([[0.0, 0, 0], [1.0, 0, 0]]), np.array([4, 7], np.int32), 0.1)
    assert ask(np.array([[0.05, 0, 0], [0.97, 0, 0], [0.5, 0, 0]])).tolist() == [4, 7, -1]


def test_memory_taken_is_seen_even_if_given_back():
    with PeakMemory(0.002) as memory:
        block = np.ones(8_000_000)
        block += 1
        assert resident() > 0
        del block
    assert memory.peak > 40e6
