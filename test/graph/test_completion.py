"""One completion node, fed message by message: what it says when something is wrong, and that it lives on."""

import time
from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy")
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depth_perception.messages.types import rclpy_types, stamp_of

ERROR = 2


class Feed:
    """Publishes frames of the scene, as often as the test looks."""

    def __init__(self, graph, scene, space):
        self.observer, self.scene, self.space = graph.observer, scene, space
        node, types = self.observer.node, rclpy_types()
        qos = QoSProfile(depth=10)
        self.publishers = SimpleNamespace(
            image=node.create_publisher(Image, f"{space}/image", qos),
            info=node.create_publisher(CameraInfo, f"{space}/camera_info", qos),
            points=node.create_publisher(PointCloud2, f"{space}/points", qos),
            static=node.create_publisher(
                types.message_class("tf2_msgs/msg/TFMessage"),
                "/tf_static",
                QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL),
            ),
        )
        self.sent = []
        self._last = 0.0

    def transforms(self):
        self.publishers.static.publish(self.scene.static_tf(rclpy_types(), 0))

    def frame(self, change=None):
        """Publish one frame; ``change(image, info, points)`` may spoil it."""
        types, stamp = rclpy_types(), time.time_ns()
        made = (
            self.scene.image(types, stamp),
            self.scene.camera_info(types, stamp),
            self.scene.points_message(types, stamp),
        )
        if change is not None:
            change(*made)
        for publisher, message in zip((self.publishers.info, self.publishers.image, self.publishers.points),
                                      (made[1], made[0], made[2])):  # fmt: skip
            publisher.publish(message)
        self.sent.append(stamp)

    def until(self, condition, what, change=None):
        """Publish at about 20 Hz until the condition holds."""

        def step():
            if time.monotonic() - self._last > 0.05:
                self._last = time.monotonic()
                self.frame(change)
            return condition()

        return self.observer.wait(step, what)


@pytest.fixture(scope="module")
def node(shared_graph, scene):
    """A running completion node in its own namespace, with transforms, and a feed for it."""
    feed = Feed(shared_graph, scene, "/cam")
    feed.transforms()
    process = shared_graph.completion("-r", "__ns:=/cam", "-p", "diagnostics.silence:=1.0")
    observer = shared_graph.observer
    observer.wait(lambda: observer.status("completion", "cam/completion_node"), "diagnostics")

    def status(task="completion"):
        return observer.status(task, "cam/completion_node")

    def says(task, *words):
        found = status(task)
        return found if found is not None and all(word in found.message for word in words) else None

    return SimpleNamespace(
        process=process, observer=observer, feed=feed, status=status, says=says, name="/cam/completion_node"
    )


@pytest.fixture
def depth(node):
    """The depth images that arrive during one test."""
    yield node.observer.collect(Image, "/cam/depth/image_rect", 50)
    node.observer.stop_collecting()


def flows(node, depth):
    """Frames go through: new depth arrives for what is sent now."""
    before = len(depth)
    node.feed.until(lambda: len(depth) >= before + 2, "depth")


def test_nothing_is_computed_while_nobody_subscribes(node):
    node.feed.until(
        lambda: int(node.status().values["skipped because nobody subscribes"]) >= 5, "frames that nobody asked for"
    )
    assert int(node.status().values["frames"]) == 0
    assert "nobody subscribes" in node.status().message
    assert node.status().level == 0


def test_frames_flow_and_figures_are_there(node, depth):
    flows(node, depth)
    assert stamp_of(depth[-1].header) in node.feed.sent
    node.feed.until(lambda: float(node.status().values["output rate [Hz]"]) > 1.0, "a rate")
    values = node.status().values
    assert values["model"].startswith("fast")
    assert 0 < float(values["share of image covered by points"]) < 1
    for stage in ("wait", "decode", "project", "complete", "publish", "total"):
        assert 0 <= float(values[f"latency {stage} mean [s]"]) <= float(values[f"latency {stage} p95 [s]"]) * 1.0001 + 1
    assert float(node.status("inputs").values["/cam/image rate [Hz]"]) > 1.0
    assert node.status("transforms").values["age of the newest transform [s]"] == "static"


def test_only_what_is_subscribed_is_named(node, depth):
    node.observer.wait_for_outputs("depth/image_rect", node="cam/completion_node")
    assert node.status().values["subscribed outputs"] == "depth/image_rect"


def test_missing_inputs_are_named_with_their_topic(node, depth):
    flows(node, depth)
    found = node.observer.wait(lambda: node.says("inputs", "no messages on /cam/points"), "the silence is told")
    assert found.level == ERROR
    assert "publishers: 1" in found.message
    assert "no messages on /cam/image" in found.message
    node.observer.wait(lambda: node.says("completion", "no frame completed"), "no frame completed")
    flows(node, depth)
    node.feed.until(lambda: node.status("inputs").level == 0, "all is well again")


def test_wrong_encoding_names_topic_and_value(node, depth):
    def spoil(image, info, points):
        image.encoding = "yuv999"

    node.feed.until(lambda: node.says("completion", "/cam/image", "yuv999"), "the encoding is told", spoil)
    assert int(node.status().values["drops.bad_image"]) > 0
    flows(node, depth)


def test_wrong_size_names_both_sizes(node, depth):
    def spoil(image, info, points):
        info.width, info.height = 640, 480

    node.feed.until(lambda: node.says("completion", "/cam/camera_info", "640x480", "64x48"), "the sizes", spoil)
    flows(node, depth)


def test_empty_cloud_is_told(node, depth):
    def spoil(image, info, points):
        points.width, points.row_step = 0, 0
        points.data = b""

    node.feed.until(lambda: node.says("completion", "/cam/points", "the cloud is empty"), "the empty cloud", spoil)
    flows(node, depth)


def test_unknown_frame_names_both_frames(node, depth):
    def spoil(image, info, points):
        points.header.frame_id = "velodyne"

    node.feed.until(lambda: node.says("transforms", "velodyne", "camera_optical_frame"), "both frames", spoil)
    assert int(node.status().values["drops.no_transform"]) > 0
    flows(node, depth)


def test_missing_stamp_is_refused(node, depth):
    def spoil(image, info, points):
        image.header.stamp.sec = image.header.stamp.nanosec = 0

    node.feed.until(lambda: node.says("completion", "/cam/image", "header.stamp is 0"), "the missing stamp", spoil)
    flows(node, depth)


def test_stamps_going_back_are_told_and_survived(node, depth):
    flows(node, depth)

    def in_the_past(image, info, points):
        for message in (image, info, points):
            message.header.stamp.sec -= 1000

    node.feed.until(lambda: node.says("completion", "went back", "buffers were cleared"), "the jump", in_the_past)
    before = len(depth)
    node.feed.until(lambda: len(depth) > before + 1, "depth in the past", in_the_past)
    flows(node, depth)


def test_parameters_change_between_frames(node, depth):
    flows(node, depth)
    assert depth[-1].encoding == "32FC1"
    assert node.observer.set_parameters(node.name, depth__encoding="16UC1", depth__max=2)[0].successful
    node.feed.until(lambda: depth[-1].encoding == "16UC1", "the new encoding")
    results = node.observer.set_parameters(node.name, depth__max=0.1, sync__policy="exact", depth__encoding="8UC1")
    assert [result.successful for result in results] == [False, False, False]
    assert "depth.min" in results[0].reason
    assert "8UC1" in results[2].reason
    assert all(r.successful for r in node.observer.set_parameters(node.name, depth__encoding="32FC1", depth__max=80))
    node.feed.until(lambda: depth[-1].encoding == "32FC1", "the old encoding")


def test_model_switches_at_run_time(node, depth):
    for model in ("diffusion", "fast"):
        assert node.observer.set_parameters(node.name, model=model)[0].successful
        node.feed.until(lambda: node.status().values["model"].startswith(model), f"model {model}")  # noqa: B023
        flows(node, depth)


def test_lifecycle_transitions(node, depth):
    def change(transition):
        request = ChangeState.Request(transition=Transition(id=transition))
        return node.observer.call(ChangeState, f"{node.name}/change_state", request).success

    def state():
        return node.observer.call(GetState, f"{node.name}/get_state", GetState.Request()).current_state.label

    flows(node, depth)
    assert state() == "active"
    assert change(Transition.TRANSITION_DEACTIVATE)
    assert state() == "inactive"
    node.observer.wait(lambda: node.says("completion", "not active"), "inactive")
    assert change(Transition.TRANSITION_CLEANUP)
    assert change(Transition.TRANSITION_CONFIGURE)
    assert not change(Transition.TRANSITION_DEACTIVATE)
    assert change(Transition.TRANSITION_ACTIVATE)
    assert state() == "active"
    flows(node, depth)


def test_best_effort_subscriber_is_served(node):
    qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    depth = node.observer.collect(Image, "/cam/depth/mask", qos)
    node.feed.until(lambda: len(depth) >= 2, "masks")
    node.observer.stop_collecting()


def test_incompatible_subscriber_is_told(node):
    qos = QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    node.observer.collect(Image, "/cam/depth/mask", qos)
    node.feed.until(lambda: "/cam/depth/mask: a subscriber asks for more durability" in node.process.output, "the log")
    node.observer.stop_collecting()


def test_ends_without_traceback(node):
    node.feed.frame()
    assert node.process.interrupt() == 0
    assert "Traceback" not in node.process.output
