"""Starting with wrong settings, late partners, and ending at any moment."""

import time

import pytest

pytest.importorskip("rclpy")
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depth_perception.messages.types import rclpy_types


@pytest.mark.parametrize(
    ("executable", "setting", "words"),
    [
        ("completion_node", "depth.maximum:=3.0", ("depth.maximum", "no such parameter")),
        ("completion_node", "depth.min:=90.0", ("depth.min", "below", "depth.max")),
        ("completion_node", "model:=magic", ("model", "magic", "diffusion")),
        ("bag_player_node", "bag:=/nowhere.mcap", ("/nowhere.mcap", "no such file")),
        ("bag_player_node", "rate:=0.0", ("rate", "minimum")),
        ("evaluation_node", "seed:=1", ("bag", "recording")),
    ],
)
def test_bad_settings_are_refused_in_one_readable_line(graph, executable, setting, words):
    process = graph.start(executable, "-p", setting, may_fail=True)
    assert process.wait() == 2
    lines = [line for line in process.output.splitlines() if line.strip()]
    assert len(lines) == 1
    assert lines[0].startswith(f"{executable}: ")
    for word in words:
        assert word in lines[0]


def test_unreadable_parameter_file_is_one_line(graph, tmp_path):
    file = tmp_path / "broken.yaml"
    file.write_text("completion_node: [1")
    process = graph.start("completion_node", "--params-file", str(file), may_fail=True)
    assert process.wait() == 2
    assert str(file) in process.output
    assert "Traceback" not in process.output


@pytest.mark.parametrize("moment", ["importing", "0.1", "0.3", "0.6", "1.0"])
@pytest.mark.parametrize("executable", ["completion_node", "bag_player_node"])
def test_interrupt_at_any_moment_is_quiet(graph, recording, executable, moment):
    arguments = ("-p", f"bag:={recording.path}", "-p", "loop:=true") if executable == "bag_player_node" else ()
    process = graph.start(executable, *arguments)
    deadline = time.monotonic() + 30
    # before that, Python itself is starting and no program can do anything about it
    while not process.has_loaded("_rclpy_pybind11"):
        assert time.monotonic() < deadline
        assert process.returncode is None
        time.sleep(0.001)
    if moment != "importing":
        time.sleep(float(moment))
    assert process.interrupt() == 0
    assert "Traceback" not in process.output
    assert "Error" not in process.output


def test_late_transform_and_best_effort_publisher(graph, scene):
    """A node that insists on reliable sensors names the parameter; then transforms come late."""
    observer, types = graph.observer, rclpy_types()
    depth = observer.collect(Image, "/depth/image_rect", 50)
    graph.completion("-p", "qos.reliability:=reliable")
    best_effort = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    weak = observer.node.create_publisher(PointCloud2, "/points", best_effort)

    def told():
        status = observer.status("inputs")
        return status is not None and "incompatible reliability: /observer" in status.message and status

    status = observer.wait(told, "the incompatible publisher")
    assert "/points" in status.message
    assert "set parameter qos.reliability to best_effort" in status.message
    assert observer.set_parameters("/completion_node", qos__reliability="best_effort")[0].successful is False
    observer.node.destroy_publisher(weak)

    publishers = {
        "image": observer.node.create_publisher(Image, "/image", 10),
        "camera_info": observer.node.create_publisher(CameraInfo, "/camera_info", 10),
        "points_message": observer.node.create_publisher(PointCloud2, "/points", 10),
    }
    last = [0.0]

    def sending(condition):
        def step():
            if time.monotonic() - last[0] > 0.1:
                last[0], stamp = time.monotonic(), time.time_ns()
                for make, publisher in publishers.items():
                    publisher.publish(getattr(scene, make)(types, stamp))
            return condition()

        return step

    observer.wait(
        sending(lambda: "lidar" in (observer.status("transforms") or status).message), "the missing transform"
    )
    message = observer.status("transforms").message
    assert "camera_optical_frame" in message
    assert not depth
    static = observer.node.create_publisher(types.message_class("tf2_msgs/msg/TFMessage"), "/tf_static", latched())
    static.publish(scene.static_tf(types, 0))
    observer.wait(sending(lambda: len(depth) >= 2), "depth after the transform came")


def latched():
    from rclpy.qos import DurabilityPolicy

    return QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def test_topics_of_the_right_type_are_suggested_and_of_the_wrong_type_named(graph):
    observer = graph.observer
    observer.node.create_publisher(Image, "/points", 10)
    observer.node.create_publisher(Image, "/front/image_raw", 10)
    graph.completion("-p", "diagnostics.silence:=0.5")

    def suggested():
        status = observer.status("inputs")
        return status is not None and "/front/image_raw: remap image" in status.message

    observer.wait(suggested, "the topic to remap to")
    assert "publishers: 0" in observer.status("inputs").message
    wrong = "published there is sensor_msgs/msg/Image, expected is sensor_msgs/msg/PointCloud2"
    observer.wait(lambda: wrong in observer.status("inputs").message, "the wrong type")
