from __future__ import annotations

import numpy as np
import pytest

from depth_perception.evaluation.recording_topics import TopicChoice
from depth_perception.evaluation.replay import Replay
from depth_perception.messages.front import CompletionFront
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.recordings.reader import Recording


@pytest.fixture
def opened(recording):
    with Recording(recording) as made:
        yield made


def replay(opened, **parameters):
    values = COMPLETION_PARAMETERS.resolve({name.replace("__", "."): value for name, value in parameters.items()})
    return Replay(opened, TopicChoice(), values)


def test_sets_come_in_order_with_their_cloud(opened):
    sets = list(replay(opened).sets())
    assert len(sets) == 6
    assert np.all(np.diff([synced.image_stamp for synced in sets]) == 100_000_000)
    assert all(synced.interval == pytest.approx(0.005) for synced in sets)


def test_sets_are_those_the_parameters_ask_for(opened):
    strict = replay(opened, sync__max_interval=0.001)
    assert list(strict.sets()) == []
    assert sum(strict.front.statistics().drops.values()) > 0


def test_transforms_are_all_there_before_the_first_set(opened):
    made = replay(opened)
    T = made.transforms.lookup("camera", "lidar", None)
    np.testing.assert_allclose(T[:3, 3], [0.02, -0.05, -0.03], atol=1e-9)


def test_every_set_can_be_assembled(opened):
    made = replay(opened)
    for synced in made.sets():
        given = made.front.assemble(synced)
        assert len(given.sparse) > 300
        assert given.frame.frame_id == "camera"


def test_camera_info_is_passed_on_once_each(opened):
    seen = []
    list(replay(opened).sets(on_camera_info=lambda message, now: seen.append(now)))
    assert len(seen) == len(set(seen)) == 6


def test_world_frame_is_one_above_the_camera(opened):
    made = replay(opened)
    assert made.world_frame() == ""
    made.transforms.insert("base", "camera", 1, np.eye(4))
    made.transforms.insert("odom", "base", 1, np.eye(4))
    made.transforms.insert("map", "odom", 1, np.eye(4))
    assert made.world_frame() == "odom"


def test_topics_are_named_for_people(opened):
    made = replay(opened)
    assert made.topic_of("points") == "/lidar/points"
    assert made.topic_of("sparse_depth") == "sparse_depth"
    assert made.topic_of("/tf") == "/tf"
    assert made.image_count == 6


def test_whatever_range_data_there_are_can_be_taken(opened):
    values = COMPLETION_PARAMETERS.resolve({"input.source": "depth"})
    made = Replay(opened, TopicChoice(), values, any_source=True)
    assert made.topics.points == "/lidar/points"
    assert made.settings.source == "points"
    assert len(list(made.sets())) == 6


def test_another_front_gets_what_the_recording_holds(opened):
    made = []

    def front(settings, transforms, on_set, on_problem):
        made.append(CompletionFront(settings, transforms, on_set, on_problem))
        return made[0]

    found = Replay(opened, TopicChoice(), COMPLETION_PARAMETERS.defaults(), make_front=front)
    assert found.front is made[0]
    assert len(list(found.sets())) == 6


def test_range_data_are_taken_as_they_are_there(opened):
    values = COMPLETION_PARAMETERS.resolve({"input.source": "depth"})
    found = Replay(opened, TopicChoice(), values, any_source=True)
    assert (found.topics.points, found.topics.depth, found.settings.source) == ("/lidar/points", None, "points")
