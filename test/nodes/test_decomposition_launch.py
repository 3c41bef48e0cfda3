import pytest
import yaml

from depth_perception.nodes.decomposition_launch import DECOMPOSITION
from depth_perception.pipelines.decomposition_parameters import DECOMPOSITION_PARAMETERS
from depth_perception.pipelines.parameters import read_parameter_file
from depth_perception.pipelines.topics import COMPLETION_OUTPUTS, DECOMPOSITION_INPUTS, DECOMPOSITION_OUTPUTS
from depth_perception.ros.launching import LaunchError


def plan(**given):
    return {node.name: node for node in DECOMPOSITION.plan(DECOMPOSITION.resolve(given))}


def test_by_default_nothing_is_renamed_and_the_shipped_parameters_apply(repository):
    nodes = plan()
    assert list(nodes) == ["decomposition_node"]
    node = nodes["decomposition_node"]
    assert (node.remappings, node.parameters) == ((), {})
    assert node.parameter_file == str(repository / "config" / "decomposition.yaml")


def test_the_shipped_parameters_are_the_defaults(repository):
    values = read_parameter_file(
        repository / "config" / "decomposition.yaml", DECOMPOSITION_PARAMETERS, "decomposition_node"
    )
    assert values == DECOMPOSITION_PARAMETERS.defaults()


def test_topics_and_settings_of_a_robot():
    node = plan(
        image="/rgb/image", depth="/depth/image", labels="/masks", odometry="/odom", fixed_frame="map",
        pose_source="odometry", class_file="/tmp/classes.yaml", segmenter="torchvision", namespace="front",
        use_sim_time="true",
    )["decomposition_node"]  # fmt: skip
    assert dict(node.remappings) == {
        "image": "/rgb/image",
        "image/compressed": "/rgb/image/compressed",
        "camera_info": "/rgb/camera_info",
        "depth": "/depth/image",
        "depth/compressedDepth": "/depth/image/compressedDepth",
        "labels": "/masks",
        "odometry": "/odom",
    }
    inputs = {topic.name for topic in DECOMPOSITION_INPUTS}
    assert {source for source, _ in node.remappings} <= inputs
    assert node.parameters == {
        "labels.class_file": "/tmp/classes.yaml",
        "labels.segmenter": "torchvision",
        "pose.source": "odometry",
        "transform.fixed_frame": "map",
        "use_sim_time": True,
    }
    assert node.namespace == "front"


def test_behind_completion_from_camera_and_lidar_alone():
    nodes = plan(image="/rgb/image", points="/lidar", depth_from="completion", fixed_frame="odom", device="cpu")
    assert list(nodes) == ["completion_node", "decomposition_node"]
    depth = dict(nodes["decomposition_node"].remappings)["depth"]
    assert depth in {topic.name for topic in COMPLETION_OUTPUTS}
    maker = nodes["completion_node"]
    assert dict(maker.remappings)["points"] == "/lidar"
    assert maker.parameters == {"transform.fixed_frame": "odom"}  # the device is that of the decomposition
    assert maker.parameter_file.endswith("config/completion.yaml")


def test_two_ways_to_get_depth_are_one_too_many():
    with pytest.raises(LaunchError, match="depth: '/d' and depth_from: 'estimation' are two ways"):
        plan(depth="/d", depth_from="estimation")
    with pytest.raises(LaunchError, match=r"params_file: /nowhere\.yaml: no such file"):
        plan(params_file="/nowhere.yaml")


def test_rviz_shows_what_there_is(repository):
    displays = yaml.safe_load((repository / "config" / "rviz" / "decomposition.rviz").read_text())
    shown = {
        display["Topic"]["Value"]
        for display in displays["Visualization Manager"]["Displays"]
        if isinstance(display.get("Topic"), dict)
    }
    known = {topic.name for topic in (*DECOMPOSITION_INPUTS, *DECOMPOSITION_OUTPUTS)}
    assert shown <= known
    assert {"objects/markers", "objects/label_color"} <= shown
    assert "rviz2" in plan(rviz="true")
