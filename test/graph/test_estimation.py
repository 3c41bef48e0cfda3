"""The estimation node with a learned model over the live graph: depth from images alone, metric by a few points."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("std_srvs.srv")
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_srvs.srv import Trigger

from depth_perception.messages.image import decode_depth
from depth_perception.messages.types import rclpy_types, stamp_of

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
WARN = 1


class Feed:
    """Publishes the scene, as often as the test looks; points only while ``points`` is true."""

    def __init__(self, graph, scene):
        self.observer, self.scene, self.points, self._last = graph.observer, scene, False, 0.0
        node = self.observer.node
        self.info = node.create_publisher(CameraInfo, "/camera_info", 10)
        self.image = node.create_publisher(Image, "/image", 10)
        self.cloud = node.create_publisher(PointCloud2, "/points", 10)
        self.static = node.create_publisher(
            rclpy_types().message_class("tf2_msgs/msg/TFMessage"), "/tf_static", LATCHED
        )
        self.static.publish(scene.static_tf(rclpy_types(), 0))

    def until(self, condition, what, timeout=30.0):
        def step():
            if time.monotonic() - self._last > 0.1:
                self._last, types, stamp = time.monotonic(), rclpy_types(), time.time_ns()
                if self.points:
                    self.cloud.publish(self.scene.points_message(types, stamp - 20_000_000))
                self.info.publish(self.scene.camera_info(types, stamp))
                self.image.publish(self.scene.image(types, stamp))
            return condition()

        return self.observer.wait(step, what, timeout)


@pytest.mark.timeout(400)  # torch may take long to import on a busy machine
def test_depth_is_up_to_scale_then_metric_then_reset(graph, scene, estimator_file):
    from depth_perception.msg import DepthInfo, DepthScale

    observer, feed = graph.observer, Feed(graph, scene)

    def scale():
        return observer.status("scale", "estimation_node")

    got = {
        name: observer.collect(kind, f"/depth/{name}")
        for name, kind in {
            "image_rect": Image,
            "image_unscaled": Image,
            "info": DepthInfo,
            "points": PointCloud2,
        }.items()
    }
    graph.estimation("-p", f"model_file:={estimator_file}", "-p", "backend:=torch", "-p", "device:=cpu",
                     "-p", "depth.min:=0.0", "-p", "depth.max:=1000.0")  # fmt: skip
    feed.until(lambda: got["info"] and got["image_unscaled"], "depth from images alone", 120.0)
    assert got["info"][-1].scale == DepthInfo.SCALE_UP_TO_SCALE
    assert (got["info"][-1].model, got["info"][-1].version) == ("estimation-small", "0.0-test")
    assert np.isfinite(decode_depth(got["image_unscaled"][-1])).all()
    assert not got["image_rect"]
    feed.until(
        lambda: (s := scale()) and s.level == WARN and "nothing has told its scale yet" in s.message, "what is missing"
    )

    feed.points = True
    feed.until(lambda: got["image_rect"] and got["points"], "metres")
    assert "no messages" not in observer.status("inputs", "estimation_node").message
    feed.points = False
    observer.spin_for(0.3)  # what was computed with points
    before = len(got["image_rect"])
    feed.until(lambda: len(got["image_rect"]) > before + 2, "metres without points")
    assert got["info"][-1].scale == DepthInfo.SCALE_METRIC
    depth = decode_depth(got["image_rect"][-1])
    assert 1.0 < np.median(depth) < 6.0  # the wall is 2 to 3 m away; the network is not trained
    late = observer.collect(DepthScale, "/depth/scale", LATCHED)
    observer.wait(lambda: late, "the scale, without another image")
    assert (late[0].kind, late[0].source) == (DepthInfo.SCALE_METRIC, "points")
    assert late[0].factor > 0

    assert observer.call(Trigger, "/estimation_node/reset_scale", Trigger.Request()).success
    stamp = time.time_ns()
    feed.until(lambda: stamp_of(got["info"][-1].header) > stamp, "what comes after the reset")
    assert got["info"][-1].scale == DepthInfo.SCALE_UP_TO_SCALE


def test_without_a_model_it_runs_and_says_what_is_missing(graph, scene, tmp_path):
    observer, feed = graph.observer, Feed(graph, scene)
    info = observer.collect(rclpy_types().message_class("depth_perception/msg/DepthInfo"), "/depth/info")
    graph.estimation("-p", f"model_file:={tmp_path / 'gone.safetensors'}")

    def status():
        return observer.status("estimation", "estimation_node")

    feed.until(lambda: (s := status()) and "gone.safetensors" in s.message, "the reason")
    feed.until(lambda: int(status().values.get("drops.no_model", 0)) > 0, "the loss")
    assert "nothing is estimated" in status().message
    assert not info
