"""Models change on a running node while frames go on arriving: none is lost, none waits for a model."""

import time
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depth_perception.messages.types import rclpy_types, stamp_of

NODE = str(Path(__file__).with_name("slow_completion_node.py"))
PERIOD = 0.1  # seconds between two frames, more where the machine is too busy for the node to keep up
LOST = 10.0  # seconds after which nobody answers any more
SHORT = 1.2  # seconds; loading and compiling take longer, each


class Camera:
    """Publishes frames of the scene while it waits, at a rate that the node can answer, and collects the answers."""

    def __init__(self, graph, scene):
        from depth_perception.msg import DepthInfo

        self.observer, self.scene = graph.observer, scene
        node, types = self.observer.node, rclpy_types()
        self.publishers = {
            "camera_info": node.create_publisher(CameraInfo, "/camera_info", 10),
            "image": node.create_publisher(Image, "/image", 10),
            "points_message": node.create_publisher(PointCloud2, "/points", 10),
        }
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        static = node.create_publisher(types.message_class("tf2_msgs/msg/TFMessage"), "/tf_static", latched)
        static.publish(scene.static_tf(types, 0))
        self.depth = self.observer.collect(Image, "/depth/image_rect", 100)
        self.info = self.observer.collect(DepthInfo, "/depth/info", 100)
        self.sent = []
        self._next = 0.0

    def wait(self, condition, what):
        def step():
            if time.monotonic() >= self._next and (self._is_answered() or time.monotonic() > self._next + LOST):
                self._next = time.monotonic() + PERIOD
                stamp = time.time_ns()
                for make, publisher in self.publishers.items():
                    publisher.publish(getattr(self.scene, make)(rclpy_types(), stamp))
                self.sent.append(stamp)
            return condition()

        return self.observer.wait(step, what, timeout=60.0)

    def _is_answered(self):
        return not self.sent or (self.depth and stamp_of(self.depth[-1].header) == self.sent[-1])

    def model(self):
        return self.info[-1].model if self.info else ""

    def frames(self, count):
        """Publish some frames."""
        end = len(self.sent) + count
        self.wait(lambda: len(self.sent) >= end, f"{count} frames")

    def settle(self):
        """Publish nothing more and wait for the last answer."""
        self.observer.wait(lambda: stamp_of(self.depth[-1].header) == self.sent[-1], "the last depth")
        self.observer.wait(lambda: stamp_of(self.info[-1].header) == self.sent[-1], "the last info")

    def longest(self):
        """Return the longest that a frame was in its model, in seconds."""
        return max(dict(zip(info.latency_stage, info.latency))["complete"] for info in self.info)


@pytest.fixture
def camera(graph, scene):
    return Camera(graph, scene)


def flowing(camera):
    """Wait for the first answers, and begin to count there."""
    camera.wait(lambda: len(camera.depth) >= 2 and len(camera.info) >= 2, "depth")
    camera.settle()
    for kept in (camera.sent, camera.depth, camera.info):
        del kept[:]


def ask(camera, **values):
    return camera.observer.set_parameters("/completion_node", **values)[0]


def test_no_frame_is_lost_while_models_change(graph, camera):
    graph.completion(executable=NODE)
    flowing(camera)
    for model in ("diffusion", "completion-small", "fast", "completion-small", "diffusion", "fast"):
        before = len(camera.info)
        assert ask(camera, model=model).successful
        camera.wait(lambda: camera.model() == model, model)  # noqa: B023
        if model == "completion-small":  # three seconds of frames went through the model before
            assert len(camera.info) - before > 2
        camera.frames(3)
    assert ask(camera, model="completion-small").successful  # and is not waited for
    camera.frames(2)
    assert ask(camera, model="diffusion").successful
    camera.wait(lambda: camera.model() == "diffusion", "the newest wish")
    camera.settle()
    answered = Counter(stamp_of(message.header) for message in camera.depth)
    assert answered == Counter(camera.sent)  # every image exactly once
    assert [stamp_of(info.header) for info in camera.info] == camera.sent
    assert camera.longest() < SHORT
    assert {info.model for info in camera.info} == {"fast", "diffusion", "completion-small"}
    assert all(info.version == "fake" for info in camera.info if info.model == "completion-small")


def test_a_model_that_fails_to_load_costs_no_frame(graph, camera):
    graph.completion(executable=NODE)
    flowing(camera)
    assert ask(camera, model="completion-large").successful  # that it fails shows only later
    status = lambda: camera.observer.status("completion")  # noqa: E731
    camera.wait(lambda: status().values.get("next model", "").startswith("completion-large: loading"), "loading")
    camera.wait(lambda: "not enough memory; fast stays in use" in status().message, "the failure in the diagnostics")
    assert status().level == 1
    camera.frames(2)
    refused = ask(camera, model="jarrn")  # no weights: that shows at once
    assert not refused.successful
    assert "no weights of jarrn" in refused.reason
    camera.settle()
    assert Counter(stamp_of(message.header) for message in camera.depth) == Counter(camera.sent)
    assert {info.model for info in camera.info} == {"fast"}


def test_the_first_frame_does_not_pay_for_the_model(graph, camera):
    process = graph.completion(executable=NODE, model="completion-small")
    camera.wait(lambda: camera.model() == "completion-small", "the model asked for")
    assert camera.longest() < SHORT
    assert {info.model for info in camera.info} <= {"diffusion", "completion-small"}
    assert process.interrupt() == 0


def test_ctrl_c_while_a_model_loads_is_quiet(graph, camera):
    process = graph.completion(executable=NODE, model="completion-large")
    camera.observer.wait(lambda: camera.observer.status("completion") is not None, "diagnostics")
    assert process.interrupt() == 0
    assert "Traceback" not in process.output
