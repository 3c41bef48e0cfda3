import sys

import numpy as np
import pytest
import yaml

from depth_perception.frames import CameraModel
from depth_perception.nodes import launches
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.estimation_parameters import ESTIMATION_PARAMETERS
from depth_perception.pipelines.parameters import read_parameter_file
from depth_perception.pipelines.topics import COMPLETION_INPUTS, COMPLETION_OUTPUTS, ESTIMATION_OUTPUTS
from depth_perception.ros.launching import LaunchError, command_line


def plan(launch, **given):
    return {node.name: node for node in launch.plan(launch.resolve(given))}


def completion(**given):
    return plan(launches.COMPLETION, **given)["completion_node"]


def test_by_default_nothing_is_renamed_and_the_shipped_parameters_apply(repository):
    node = completion()
    assert node.remappings == ()
    assert node.parameters == {}
    assert node.parameter_file == str(repository / "config" / "completion.yaml")
    assert node.namespace == ""


def test_topics_of_a_robot():
    node = completion(image="/camera/color/image_raw", points="/velodyne_points", namespace="camera")
    assert dict(node.remappings) == {
        "image": "/camera/color/image_raw",
        "image/compressed": "/camera/color/image_raw/compressed",
        "camera_info": "/camera/color/camera_info",
        "points": "/velodyne_points",
    }
    assert node.namespace == "camera"
    assert "input.source" not in node.parameters


def test_camera_info_may_be_elsewhere():
    assert dict(completion(image="/a/image", camera_info="/b/info").remappings)["camera_info"] == "/b/info"
    assert launches.camera_info_beside("image_raw") == "camera_info"


def test_sparse_depth_instead_of_points():
    node = completion(sparse_depth="/tof/depth", depth_transport="compressedDepth")
    assert node.parameters == {"input.source": "depth", "input.depth_transport": "compressedDepth"}
    assert dict(node.remappings)["sparse_depth/compressedDepth"] == "/tof/depth/compressedDepth"


def test_only_inputs_of_the_node_are_renamed():
    node = completion(image="a/image", camera_info="b", points="c", sparse_depth="d")
    inputs = {topic.name for topic in COMPLETION_INPUTS if not topic.name.startswith("/")}
    assert {source for source, _ in node.remappings} == inputs


def test_arguments_that_are_parameters():
    node = completion(model="fast", fixed_frame="1", reliability="reliable", use_sim_time="true", autostart="false")
    assert node.parameters == {
        "model": "fast",
        "qos.reliability": "reliable",
        "transform.fixed_frame": "1",
        "use_sim_time": True,
        "autostart": False,
    }
    COMPLETION_PARAMETERS.resolve({name: node.parameters[name] for name in node.parameters if name != "use_sim_time"})


def test_a_missing_parameter_file_is_named():
    with pytest.raises(LaunchError, match=r"params_file: /no/such\.yaml: no such file"):
        completion(params_file="/no/such.yaml")


def test_choices_are_those_of_the_parameters():
    arguments = {argument.name: argument for argument in launches.COMPLETION.arguments}
    for argument, parameter in launches.COMPLETION_SETTINGS.items():
        assert arguments[argument].choices[1:] == COMPLETION_PARAMETERS[parameter].choices
    with pytest.raises(LaunchError, match="model: 'slow' is not one of"):
        completion(model="slow")


@pytest.mark.parametrize("launch", launches.LAUNCHES.values(), ids=list(launches.LAUNCHES))
def test_every_argument_is_described(launch):
    for argument in launch.arguments:
        assert argument.description.endswith("."), argument.name
        if argument.choices:
            assert argument.default in argument.choices
    names = [argument.name for argument in launch.arguments]
    assert len(set(names)) == len(names)


def estimation(**given):
    return plan(launches.ESTIMATION, **given)["estimation_node"]


def test_estimation_has_a_node_parameters_and_rviz_of_its_own(repository):
    nodes = plan(launches.ESTIMATION, rviz="true", image="/cam/image", namespace="left")
    node, rviz = nodes["estimation_node"], nodes["rviz2"]
    assert (node.executable, node.namespace) == ("estimation_node", "left")
    assert node.parameter_file == str(repository / "config" / "estimation.yaml")
    assert dict(node.remappings) == {
        "image": "/cam/image",
        "image/compressed": "/cam/image/compressed",
        "camera_info": "/cam/camera_info",
    }
    assert rviz.arguments == ("-d", str(repository / "config" / "rviz" / "estimation.rviz"))


def test_what_tells_the_scale_can_be_said_at_launch():
    node = estimation(source="none", camera_height="1.2", floor_frame="base_footprint", model_file="mine.safetensors")
    assert node.parameters == {
        "input.source": "none",
        "scale.camera_height": 1.2,
        "scale.floor_frame": "base_footprint",
        "model_file": "mine.safetensors",
    }
    ESTIMATION_PARAMETERS.resolve(node.parameters)
    assert estimation(sparse_depth="/tof").parameters == {"input.source": "depth"}
    with pytest.raises(LaunchError, match="camera_height: 'high' is not a number"):
        estimation(camera_height="high")
    with pytest.raises(LaunchError, match="model: 'fast' is not one of"):
        estimation(model="fast")


def test_rviz_sees_what_the_node_sees(repository):
    nodes = plan(launches.COMPLETION, rviz="true", rviz_frame="odom", namespace="left", image="/cam/image")
    node, rviz = nodes["completion_node"], nodes["rviz2"]
    assert rviz.arguments == ("-d", str(repository / "config" / "rviz" / "completion.rviz"), "-f", "odom")
    assert (rviz.namespace, rviz.remappings) == (node.namespace, node.remappings)
    assert not rviz.required


@pytest.mark.parametrize(
    ("name", "described"), [("completion", COMPLETION_OUTPUTS), ("estimation", ESTIMATION_OUTPUTS)]
)
def test_rviz_displays_say_their_reliability_and_show_topics_of_the_node(repository, name, described):
    displays = yaml.safe_load((repository / "config" / "rviz" / f"{name}.rviz").read_text())["Visualization Manager"][
        "Displays"
    ]
    topics = {display["Topic"]["Value"]: display for display in displays if "Topic" in display}
    outputs = {topic.name for topic in described}
    for name, display in topics.items():
        wanted = "Reliable" if name in outputs else "Best Effort"
        assert display["Topic"]["Reliability Policy"] == wanted, name
        assert name in outputs | {"image", "points"}
    assert {"image", "points", "depth/points", "depth/image_color"} <= set(topics)
    assert all(display["Normalize Range"] is False for display in displays if display["Class"].endswith("/Image"))
    assert any(display["Class"].endswith("/TF") for display in displays)


def write_bag(path, image_topic="/cam/image", compressed=False, second_cloud=False):
    """A recording of one image, one calibration and one cloud."""
    pytest.importorskip("rosbags")
    from depth_perception.messages.camera_info import info_from_camera
    from depth_perception.messages.compressed import encode_compressed_image
    from depth_perception.messages.image import encode_image
    from depth_perception.messages.point_cloud import encode_cloud
    from depth_perception.messages.types import rosbags_types
    from depth_perception.recordings.writer import RecordingWriter

    types, stamp = rosbags_types(), 10**9
    camera = CameraModel.pinhole(60.0, 60.0, 31.5, 23.5, 64, 48)
    image = np.zeros((48, 64, 3), np.uint8)
    with RecordingWriter(path) as writer:
        if compressed:
            message = encode_compressed_image(types, image, stamp, "camera", "png")
        else:
            message = encode_image(types, image, "rgb8", stamp, "camera")
        writer.write(image_topic, message, stamp)
        writer.write("/cam/camera_info", info_from_camera(types, camera, stamp, "camera"), stamp)
        points = np.ones((5, 3), np.float32)
        for topic in ("/lidar", "/radar") if second_cloud else ("/lidar",):
            writer.write(topic, encode_cloud(types, points, stamp, "lidar"), stamp)
    return path


def test_evaluation_finds_the_topics_of_a_recording(tmp_path):
    bag, out = write_bag(tmp_path / "drive"), tmp_path / "out"
    nodes = plan(launches.EVALUATION, bag=str(bag), out=str(out), rate="0.5", model="fast", frames="3")
    player, node, evaluation = (nodes[name] for name in ("bag_player_node", "completion_node", "evaluation_node"))
    assert player.parameters == {
        "bag": str(bag),
        "rate": 0.5,
        "start_offset": 0.0,
        "wait_for_subscribers": "/cam/image:2,/cam/camera_info,/lidar:2",
    }
    assert dict(node.remappings)["points"] == "/lidar"
    assert node.parameters == {"use_sim_time": True}
    assert evaluation.remappings == node.remappings
    assert evaluation.parameters["topics.image"] == "/cam/image"
    assert evaluation.parameters["topics.truth"] == ""
    assert evaluation.parameters["frames"] == 3
    assert [nodes[name].required for name in nodes] == [True, True, False]


def test_completion_and_scoring_share_their_parameters(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("/**:\n  ros__parameters:\n    depth: {max: 42.0}\n    model: diffusion\n")
    bag = write_bag(tmp_path / "drive")
    nodes = plan(launches.EVALUATION, bag=str(bag), out=str(tmp_path / "o"), params_file=str(mine), model="fast")
    file = nodes["completion_node"].parameter_file
    assert nodes["evaluation_node"].parameters["params_file"] == file
    values = read_parameter_file(file, COMPLETION_PARAMETERS, "completion_node")
    assert values["depth.max"] == 42.0
    assert values["model"] == "fast"


def test_a_compressed_recording_sets_the_transport(tmp_path):
    bag = write_bag(tmp_path / "drive", "/cam/image/compressed", compressed=True)
    nodes = plan(launches.EVALUATION, bag=str(bag), out=str(tmp_path / "out"))
    node = nodes["completion_node"]
    assert dict(node.remappings)["image/compressed"] == "/cam/image/compressed"
    values = read_parameter_file(node.parameter_file, COMPLETION_PARAMETERS, "completion_node")
    assert values["image.transport"] == "compressed"
    assert nodes["bag_player_node"].parameters["wait_for_subscribers"].startswith("/cam/image/compressed:2,")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"bag": "/no/such/drive"}, r"bag: /no/such/drive: no such file"),
        ({"rate": "fast"}, r"rate: 'fast' is not a number"),
        ({"params_file": "/no/such.yaml"}, r"params_file: .*/no/such\.yaml"),
        ({"points": "/sonar"}, r"bag: .*/sonar"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, given, text):
    bag = write_bag(tmp_path / "drive")
    with pytest.raises(LaunchError, match=text):
        plan(launches.EVALUATION, **{"bag": str(bag), "out": str(tmp_path / "out"), **given})


def test_a_choice_among_clouds_is_left_to_the_user(tmp_path):
    bag = write_bag(tmp_path / "drive", second_cloud=True)
    with pytest.raises(LaunchError, match=r"/lidar, /radar"):
        plan(launches.EVALUATION, bag=str(bag), out=str(tmp_path / "out"))
    nodes = plan(launches.EVALUATION, bag=str(bag), out=str(tmp_path / "out"), points="/radar")
    assert dict(nodes["completion_node"].remappings)["points"] == "/radar"


def test_every_process_can_be_started(tmp_path):
    nodes = plan(launches.EVALUATION, bag=str(write_bag(tmp_path / "drive")), out=str(tmp_path / "out"))
    for node in nodes.values():
        assert command_line(node)[0] == sys.executable


def test_main_shows_arguments(capsys):
    assert launches.main(["evaluation", "--show-args"]) == 0
    assert "bag: Recording" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "'' is not one of completion, estimation, decomposition, evaluation"),
        (["nothing"], "'nothing' is not one of completion, estimation, decomposition, evaluation"),
        (["completion", "image=/a"], "'image=/a' is not of the form argument:=value"),
        (["evaluation"], "bag:= must be given"),
    ],
)
def test_main_refuses_with_one_line(words, text, capsys):
    assert launches.main(words) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1


def test_tables_for_the_readme():
    assert "| `points` | `points` |" in launches.argument_table("completion")
    assert "| `bag` | must be given |" in launches.argument_table("evaluation")
