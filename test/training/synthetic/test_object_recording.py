from __future__ import annotations

import numpy as np
import pytest

from depth_perception.geometry.camera import rays
from depth_perception.messages.camera_info import camera_from_info
from depth_perception.messages.image import decode_depth, decode_image
from depth_perception.messages.transform import transform_from_message
from depth_perception.messages.types import stamp_of
from depth_perception.recordings.reader import Recording
from training.synthetic.object_recording import Settings, main, record_objects

SMALL = Settings(count=3, seed=2, views=4, laps=1.0, width=64, height=48, corruption="shuffled")


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    path = tmp_path_factory.mktemp("objects") / "table"
    told = []
    record_objects(path, SMALL, lambda done, total: told.append((done, total)))
    assert told == [(k, 4) for k in range(1, 5)]
    found = {}
    with Recording(path) as recording:
        for m in recording.messages():
            found.setdefault(m.topic, []).append(m.message)
    return found


def test_every_view_is_there_with_one_stamp(messages):
    assert {name: len(m) for name, m in messages.items()} == dict.fromkeys(
        ("/tf", "/camera/camera_info", "/camera/image", "/camera/depth/image", "/camera/labels",
         "/camera/labels/ground_truth"), 4)  # fmt: skip
    stamps = [[stamp_of(m.header) for m in messages[t]] for t in ("/camera/image", "/camera/labels")]
    assert stamps[0] == stamps[1]
    assert messages["/camera/labels"][0].encoding == "mono8"
    assert decode_image(messages["/camera/image"][0]).std() > 10


def test_true_labels_are_the_same_thing_in_every_view_and_given_ones_are_not(messages):
    camera = camera_from_info(messages["/camera/camera_info"][0])
    places, numbers = [], []
    for k in range(4):
        depth = decode_depth(messages["/camera/depth/image"][k])
        _, _, _, T = transform_from_message(messages["/tf"][k].transforms[0])
        points = (rays(camera) * depth[..., None]) @ T[:3, :3].T + T[:3, 3]
        true, given = (
            np.asarray(messages[topic][k].data).reshape(48, 64).astype(int)
            for topic in ("/camera/labels/ground_truth", "/camera/labels")
        )
        known = np.isfinite(depth)
        places.append({t: np.median(points[known & (true == t)], axis=0) for t in np.unique(true[true > 0])})
        numbers.append({t: given[true == t][0] for t in np.unique(true[true > 0])})
    shared = set(places[0]) & set(places[2])
    assert shared
    for thing in shared:
        assert np.linalg.norm(places[0][thing] - places[2][thing]) < 0.2
    assert any(numbers[0][t] != numbers[2][t] for t in shared)


def test_settings_name_what_is_wrong(tmp_path, capsys):
    with pytest.raises(ValueError, match="corruption: 'none'"):
        Settings(corruption="none")
    with pytest.raises(ValueError, match="count: 300"):
        Settings(count=300)
    assert main([str(tmp_path / "x"), "--views", "0"]) == 1
    assert "views: 0" in capsys.readouterr().err
