from __future__ import annotations

import pytest

from depth_perception.evaluation.recording_topics import (
    CLOUD,
    COMPRESSED,
    IMAGE,
    INFO,
    TopicChoice,
    TopicError,
    choose_topics,
    is_depth,
    range_source,
)

BASE = {"/camera/image": IMAGE, "/camera/camera_info": INFO, "/lidar/points": CLOUD, "/tf": "tf2_msgs/msg/TFMessage"}


def choose(types, given=TopicChoice(), source="points", encodings=None):  # noqa: B008
    encodings = {"/camera/image": "rgb8", **(encodings or {})}
    return choose_topics(types, lambda name: encodings.get(name, "rgb8"), given, source)


def test_one_of_each_is_found():
    assert choose(BASE) == TopicChoice("/camera/image", "/camera/camera_info", "/lidar/points")


def test_depth_images_are_no_camera_and_ground_truth_is_found():
    types = {**BASE, "/camera/depth/ground_truth": IMAGE, "/camera/depth/raw": IMAGE}
    encodings = {"/camera/depth/ground_truth": "32FC1", "/camera/depth/raw": "16UC1"}
    found = choose(types, encodings=encodings)
    assert found.image == "/camera/image"
    assert found.truth == "/camera/depth/ground_truth"
    assert found.depth is None


def test_depth_as_input():
    types = {**BASE, "/camera/depth/ground_truth": IMAGE, "/camera/depth/raw": IMAGE}
    encodings = {"/camera/depth/ground_truth": "32FC1", "/camera/depth/raw": "16UC1"}
    found = choose(types, source="depth", encodings=encodings)
    assert found.depth == "/camera/depth/raw"
    assert found.points is None


def test_raw_is_preferred_to_its_compressed_copy():
    types = {**BASE, "/camera/image/compressed": COMPRESSED}
    assert choose(types, encodings={"/camera/image/compressed": "rgb8; jpeg compressed bgr8"}).image == "/camera/image"


def test_compressed_alone_finds_the_info_beside_its_base():
    types = {
        "/left/image/compressed": COMPRESSED,
        "/left/camera_info": INFO,
        "/right/camera_info": INFO,
        "/points": CLOUD,
    }
    assert choose(types, encodings={"/left/image/compressed": "jpeg"}).camera_info == "/left/camera_info"


def test_several_cameras_are_listed_with_the_option():
    types = {**BASE, "/left/image": IMAGE, "/left/camera_info": INFO}
    with pytest.raises(TopicError, match=r"--image: /camera/image, /left/image"):
        choose(types)
    found = choose(types, TopicChoice(image="/left/image"))
    assert found.camera_info == "/left/camera_info"


def test_image_without_info_beside_it_loses_to_the_one_with():
    assert choose({**BASE, "/debug/overlay": IMAGE}).image == "/camera/image"


def test_several_clouds_are_listed():
    with pytest.raises(TopicError, match=r"--points: /lidar/points, /radar/points"):
        choose({**BASE, "/radar/points": CLOUD})


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("/camera/image", "no colour image"),
        ("/camera/camera_info", "no camera_info"),
        ("/lidar/points", "no point cloud"),
    ],
)
def test_what_is_missing_is_named_with_what_there_is(missing, words):
    types = {name: kind for name, kind in BASE.items() if name != missing}
    with pytest.raises(TopicError, match=words) as caught:
        choose(types)
    assert "/tf [tf2_msgs/msg/TFMessage]" in str(caught.value)


def test_given_topic_must_exist_and_have_its_type():
    with pytest.raises(TopicError, match="--image /nothing: the recording has no such topic"):
        choose(BASE, TopicChoice(image="/nothing"))
    with pytest.raises(TopicError, match="--camera-info /camera/image: its type is sensor_msgs/msg/Image"):
        choose(BASE, TopicChoice(camera_info="/camera/image"))


def test_given_image_must_not_be_depth_and_depth_must_be():
    types = {**BASE, "/camera/depth/raw": IMAGE}
    encodings = {"/camera/depth/raw": "16UC1"}
    with pytest.raises(TopicError, match=r"--image /camera/depth/raw: its encoding '16UC1' is not a camera image"):
        choose(types, TopicChoice(image="/camera/depth/raw"), encodings=encodings)
    with pytest.raises(TopicError, match=r"--truth /camera/image: its encoding 'rgb8' is not depth"):
        choose(types, TopicChoice(truth="/camera/image"), encodings=encodings)


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("rgb8", False),
        ("16UC1", True),
        ("32FC1", True),
        ("16UC1; compressedDepth png", True),
        ("bgr8; jpeg compressed bgr8", False),
        ("", False),
    ],
)
def test_is_depth(encoding, expected):
    assert is_depth(encoding) is expected


def test_images_may_be_all_that_is_asked_for():
    types = {"/camera/image": IMAGE, "/camera/camera_info": INFO}
    assert choose(types, source="none") == TopicChoice("/camera/image", "/camera/camera_info")


@pytest.mark.parametrize(
    ("more", "given", "wanted"),
    [
        ({"/lidar/points": CLOUD}, {}, "points"),
        ({"/camera/depth": IMAGE}, {}, "depth"),
        ({}, {}, "none"),
        ({"/camera/ground_truth": IMAGE}, {}, "none"),  # it scores, and measures nothing
        ({"/camera/depth": IMAGE}, {"truth": "/camera/depth"}, "none"),
        ({"/lidar/points": CLOUD, "/camera/depth": IMAGE}, {"depth": "/camera/depth"}, "depth"),
    ],
)
def test_range_data_are_points_else_a_depth_image_else_none(more, given, wanted):
    encodings = {"/camera/depth": "16UC1", "/camera/ground_truth": "32FC1"}
    types = {"/camera/image": IMAGE, "/camera/camera_info": INFO, **more}
    assert range_source(types, lambda name: encodings.get(name, "rgb8"), TopicChoice(**given)) == wanted
