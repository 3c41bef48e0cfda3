"""A learned model in the running node: untrained weights of the smallest network, so only its manners are looked at."""

import math
import time

import numpy as np
import pytest

pytest.importorskip("rclpy")
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depth_perception.messages.image import decode_depth
from depth_perception.messages.types import rclpy_types, stamp_of


@pytest.fixture(scope="module")
def weight_file(tmp_path_factory):
    """Weights of a refiner with four channels."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from depth_perception.models import families, networks, weights

    config = families.configuration("refiner", {"widths": [4, 4, 4, 4], "blocks": [1, 1, 1, 1], "hidden": 4})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = networks.build("refiner", config).state_dict()
    tensors = {name: value.numpy() for name, value in state.items() if value.is_floating_point()}
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    weights.write(weights.Weights("refiner", "completion-large", "0.0-test", config, tensors), path)
    return path


@pytest.fixture
def cloud_of(graph):
    """Return {name: column} of the newest message in a list."""

    def read(messages):
        names = [field.name for field in messages[-1].fields]
        table = np.frombuffer(messages[-1].data, np.float32).reshape(-1, len(names))
        return dict(zip(names, table.T))

    return read


@pytest.mark.timeout(400)  # torch may take long to import on a busy machine
def test_it_answers_judges_its_points_and_says_nothing_without_any(graph, scene, weight_file, cloud_of):
    from depth_perception.msg import DepthInfo

    observer, types = graph.observer, rclpy_types()
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    static = observer.node.create_publisher(types.message_class("tf2_msgs/msg/TFMessage"), "/tf_static", latched)
    static.publish(scene.static_tf(types, 0))
    publishers = {
        "camera_info": observer.node.create_publisher(CameraInfo, "/camera_info", 10),
        "image": observer.node.create_publisher(Image, "/image", 10),
        "points_message": observer.node.create_publisher(PointCloud2, "/points", 10),
    }
    depth = observer.collect(Image, "/depth/image_rect")
    info = observer.collect(DepthInfo, "/depth/info")
    graph.completion(
        *("-p", f"model_file:={weight_file}", "-p", "backend:=torch", "-p", "device:=cpu"),
        *("-p", "sync.publish_partial:=true", "-p", "depth.max:=1000.0", "-p", "depth.min:=0.0"),
        model="completion-large",
    )
    last = [0.0]

    def sending(condition, *what):
        def step():
            if time.monotonic() - last[0] > 0.2:
                last[0], stamp = time.monotonic(), time.time_ns()
                for make in what:
                    publishers[make].publish(getattr(scene, make)(types, stamp))
            return condition()

        return step

    everything = tuple(publishers)
    answered = sending(lambda: info and info[-1].model == "completion-large", *everything)
    observer.wait(answered, "the learned model", timeout=120.0)
    assert info[-1].version == "0.0-test"
    status = observer.wait(
        sending(lambda: (s := observer.status("completion")) and "backend" in s.values and s, *everything),
        "diagnostics",
    )
    assert (status.values["backend"], status.values["device"]) == ("torch", "cpu")

    checked = observer.collect(PointCloud2, "/points_checked")
    observer.wait(sending(lambda: checked, *everything), "the checked points")
    columns = cloud_of(checked)
    assert list(columns) == ["x", "y", "z", "inlier", "residual", "standard_deviation"]
    assert 100 < len(columns["x"]) <= scene.points
    assert ((columns["inlier"] >= 0) & (columns["inlier"] <= 1)).all()
    assert (columns["standard_deviation"] > 0).all()
    np.testing.assert_array_less(1.9, columns["z"])
    np.testing.assert_array_less(columns["z"], 3.1)
    assert checked[-1].header.frame_id == "camera_optical_frame"

    def unknown():
        return depth and info and math.isnan(info[-1].sync_interval) and np.isnan(decode_depth(depth[-1])).all()

    observer.wait(sending(unknown, "camera_info", "image"), "an image without points is answered with nothing known")
    assert info[-1].model == "completion-large"
    assert info[-1].coverage == 0.0
    before = len(depth)
    observer.wait(
        sending(lambda: len(depth) > before and np.isfinite(decode_depth(depth[-1])).any(), *everything), "depth again"
    )
    assert stamp_of(depth[-1].header) > 0
