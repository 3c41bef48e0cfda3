import pytest

pytest.importorskip("rclpy")
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from depth_perception.messages.types import header, rclpy_types
from depth_perception.nodes.completion_inputs import input_topics
from depth_perception.nodes.live_watch import LiveWatch, drops_in, stamp_of_raw
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS

STAMP = 1_700_000_000_123_456_789


def test_stamp_of_a_serialised_message():
    image = Image(header=header(rclpy_types(), STAMP, "camera"), height=3, encoding="rgb8")
    assert stamp_of_raw(serialize_message(image)) == STAMP


def test_stamp_of_big_endian_bytes():
    seconds, nanoseconds = divmod(STAMP, 10**9)
    data = bytes([0, 0, 0, 0]) + seconds.to_bytes(4, "big") + nanoseconds.to_bytes(4, "big")
    assert stamp_of_raw(data) == STAMP


def test_drops_are_told_from_other_values():
    values = [KeyValue(key="frames", value="9"), KeyValue(key="drops.late", value="2")]
    assert drops_in(DiagnosticStatus(values=values)) == {"late": 2}


def test_compressed_inputs_are_watched_where_the_node_listens(ros):
    pytest.importorskip("depth_perception.msg")
    node = ros.node("watcher")
    values = COMPLETION_PARAMETERS.resolve({"image.transport": "compressed", "input.source": "depth"})
    LiveWatch(node, "completion_node", input_topics(values))
    heard = {subscription.topic_name for subscription in node.subscriptions}
    assert {"/image/compressed", "/sparse_depth", "/depth/image_rect", "/depth/info"} <= heard
    assert "/camera_info" not in heard


def test_arrivals_drops_and_the_loop_of_a_recording(ros):
    pytest.importorskip("depth_perception.msg")
    node = ros.node("watcher", namespace="/left")
    watch = LiveWatch(node, "completion_node", input_topics(COMPLETION_PARAMETERS.defaults()))
    assert not watch.has_started
    source = ros.node("source")
    image = source.create_publisher(Image, "/left/image", 10)
    depth = source.create_publisher(Image, "/left/depth/image_rect", 10)
    clock = source.create_publisher(Clock, "/clock", 10)
    diagnostics = source.create_publisher(DiagnosticArray, "/diagnostics", 10)
    publishers = (image, depth, clock, diagnostics)
    ros.wait(lambda: all(publisher.get_subscription_count() for publisher in publishers), "subscriptions")
    message = Image(header=header(rclpy_types(), STAMP, "camera"))
    image.publish(message)
    ros.wait(lambda: watch.statistics.as_dict()["images"] == 1, "the image")
    depth.publish(message)
    other = DiagnosticStatus(name="right/completion_node: completion", values=[KeyValue(key="drops.late", value="7")])
    own = DiagnosticStatus(name="left/completion_node: completion", values=[KeyValue(key="drops.late", value="2")])
    diagnostics.publish(DiagnosticArray(status=[own, other]))
    ros.wait(lambda: watch.statistics.as_dict()["completed"] == 1, "the depth")
    ros.wait(lambda: watch.statistics.as_dict()["drops"] == {"late": 2}, "the drops of its own node")
    assert watch.statistics.as_dict()["end_to_end"]["count"] == 1
    assert watch.has_started
    assert watch.quiet_for() < 60

    def tick(seconds):
        message = Clock()
        message.clock.sec = seconds
        clock.publish(message)

    tick(100)
    tick(101)
    ros.executor.spin_once(timeout_sec=0.2)
    assert not watch.has_looped
    ros.wait(lambda: (tick(100), watch.has_looped)[1], "the loop")
