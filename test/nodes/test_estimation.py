import threading
import time

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("depth_perception.msg")
pytest.importorskip("std_srvs.srv")
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_srvs.srv import Trigger

from depth_perception.frames import CameraModel, DepthPrediction, ScaleKind
from depth_perception.geometry.transforms import make_transform
from depth_perception.messages.camera_info import info_from_camera
from depth_perception.messages.image import decode_depth, encode_image
from depth_perception.messages.point_cloud import encode_cloud
from depth_perception.messages.transform import transform_message
from depth_perception.messages.types import rclpy_types, stamp_of
from depth_perception.models import backends, zoo
from depth_perception.models.estimator import NoEstimator
from depth_perception.msg import DepthInfo, DepthScale
from depth_perception.nodes.estimation import EstimationNode, check_values
from depth_perception.pipelines.estimation_parameters import ESTIMATION_PARAMETERS
from depth_perception.pipelines.model_selection import EstimatorChoice
from depth_perception.pipelines.topics import ESTIMATION_INPUTS, ESTIMATION_OUTPUTS
from depth_perception.ros.diagnostics import Level
from depth_perception.ros.qos import latched_qos

CAMERA = CameraModel.pinhole(20.0, 20.0, 9.5, 7.5, 20, 16)
UNIT = 4.0


class Model:
    """Answers 2 m everywhere, in units of 4 m, once its gate is open."""

    version, scale = "test", ScaleKind.UP_TO_SCALE

    def __init__(self, name):
        self.name = name

    def infer(self, image, camera=None):
        depth = np.full(image.shape[:2], 2.0 / UNIT, np.float32)
        return DepthPrediction(depth, 0.1 * depth, np.full_like(depth, np.nan))


@pytest.fixture
def shelf(monkeypatch):
    """Loading waits for the gate; estimation-large is damaged."""
    gate = threading.Event()
    gate.set()

    def load(choice):
        if not choice.is_learned:
            return NoEstimator()
        if problem := choice.problem():
            raise ValueError(problem)
        assert gate.wait(20)
        if choice.name == "estimation-large":
            raise RuntimeError("the weights are damaged")
        return Model(choice.name)

    monkeypatch.setattr(EstimatorChoice, "load", load)
    monkeypatch.setattr(zoo, "estimators", lambda: ("estimation-small", "estimation-large"))
    monkeypatch.setattr(zoo, "describe", lambda name, file: None)
    monkeypatch.setattr(backends, "why_not", lambda backend: None)
    yield gate
    gate.set()


class Setup:
    def __init__(self, ros, **changes):
        overrides = {"transform.timeout": 0.0, "diagnostics.silence": 0.5, **changes}
        self.ros = ros
        parameters = [Parameter(name, value=value) for name, value in overrides.items()]
        self.node = ros.add(EstimationNode(context=ros.context, parameter_overrides=parameters))
        self.node.autostart()
        self.source = ros.node("source")
        self.image = self.source.create_publisher(Image, "image", 10)
        self.info = self.source.create_publisher(CameraInfo, "camera_info", 10)
        self.points = self.source.create_publisher(PointCloud2, "points", 10)
        publishers = (self.image, self.info)
        ros.wait(lambda: all(publisher.get_subscription_count() for publisher in publishers), "subscriptions")
        self.got, self.sent = {}, {}

    def subscribe(self, **topics):
        for topic, kind in topics.items():
            name = f"depth/{topic}"
            self.got[topic] = []
            self.source.create_subscription(kind, name, self.got[topic].append, 10)
            self.ros.wait(lambda name=name: name in self.node._outputs.wanted(), "the subscription")

    def transform(self):
        pose = make_transform((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
        self.node._listener.transforms.insert(transform_message(rclpy_types(), "camera", "lidar", 0, pose), static=True)

    def frame(self, points=0, frame_id="lidar", later=0.0):
        types, stamp = rclpy_types(), time.time_ns() + round(later * 1e9)
        if points:
            cloud = np.stack([np.linspace(-0.5, 0.5, points), np.zeros(points), np.full(points, 2.0)], 1)
            self.points.publish(encode_cloud(types, cloud.astype(np.float32), stamp - 10_000_000, frame_id))
            self.arrives("points")
        before = self.node._sets.count
        self.info.publish(info_from_camera(types, CAMERA, stamp, "camera"))
        self.arrives("camera_info")
        self.image.publish(encode_image(types, np.zeros((16, 20, 3), np.uint8), "rgb8", stamp, "camera"))
        self.ros.wait(lambda: self.node._sets.count > before, "the image")
        assert self.node._worker.wait_idle(10)
        return stamp

    def arrives(self, topic):
        """Wait for one more message; an image does not wait for others."""
        self.sent[topic] = self.sent.get(topic, 0) + 1
        self.ros.wait(lambda: self.node._front.statistics().received.get(topic, 0) == self.sent[topic], topic)

    def status(self, task):
        return next(status for status in self.node.statuses() if status.task == task)


def ready(setup):
    setup.ros.wait(lambda: setup.node._models.is_settled, "the model")
    setup.frame()  # takes the model, and another one warms it up for this size
    setup.ros.wait(lambda: setup.node._models.is_settled, "the model at this size")


def test_bad_combinations_are_refused():
    for change, text in (
        ({"depth.min": 5.0, "depth.max": 4.0}, "depth.min"),
        ({"cloud.min_range": 300.0}, "cloud.min_range 300 must be below cloud.max_range 200"),
        ({"output.preview_min": 5.0, "output.preview_max": 4.0}, "output.preview_min"),
    ):
        with pytest.raises(ValueError, match=text):
            check_values(ESTIMATION_PARAMETERS.resolve(change))
    check_values(ESTIMATION_PARAMETERS.defaults())


def test_topics_are_those_of_the_documentation(ros, shelf):
    setup = Setup(ros)

    def named(endpoints):
        return {endpoint.topic_name for endpoint in endpoints}

    documented = {topic.name if topic.name.startswith("/") else f"/{topic.name}" for topic in ESTIMATION_OUTPUTS}
    own = {"/parameter_events", "/rosout", "/clock"}
    assert {name for name in named(setup.node.publishers) - own if "transition_event" not in name} == documented
    inputs = {f"/{topic.name}" if not topic.name.startswith("/") else topic.name for topic in ESTIMATION_INPUTS}
    assert {"/image", "/camera_info", "/points", "/tf_static"} <= named(setup.node.subscriptions) - own <= inputs


def test_without_a_range_sensor_it_listens_to_none(ros, shelf):
    setup = Setup(ros, **{"input.source": "none"})
    assert "/points" not in {subscription.topic_name for subscription in setup.node.subscriptions}
    setup.subscribe(image_unscaled=Image)
    ready(setup)
    setup.frame()
    ros.wait(lambda: setup.got["image_unscaled"], "depth")


def test_depth_without_scale_is_not_sold_as_metres(ros, shelf):
    setup = Setup(ros)
    setup.subscribe(image_rect=Image, image_unscaled=Image, info=DepthInfo, points=PointCloud2)
    ready(setup)
    stamp = setup.frame()
    ros.wait(lambda: setup.got["info"] and stamp_of(setup.got["info"][-1].header) == stamp, "the answer")
    assert setup.got["info"][-1].scale == DepthInfo.SCALE_UP_TO_SCALE
    ros.wait(lambda: setup.got["image_unscaled"], "depth in units")
    np.testing.assert_allclose(decode_depth(setup.got["image_unscaled"][-1]), 2.0 / UNIT)
    assert not setup.got["image_rect"]
    assert not setup.got["points"]
    status = setup.status("scale")
    assert status.level == Level.WARN
    for way in ("points on /points", "transform.fixed_frame, which is not set", "scale.camera_height"):
        assert way in status.message
    assert setup.status("inputs").level == Level.OK  # nobody minds that there are no points


def test_points_make_it_metric_and_the_scale_outlives_them(ros, shelf):
    setup = Setup(ros)
    setup.transform()
    setup.subscribe(image_rect=Image, image_unscaled=Image, info=DepthInfo, standard_deviation=Image)
    ready(setup)
    setup.got["image_unscaled"].clear()
    setup.frame(points=9)
    ros.wait(lambda: setup.got["image_rect"], "metres")
    np.testing.assert_allclose(decode_depth(setup.got["image_rect"][-1]), 2.0, rtol=1e-4)
    assert not setup.got["image_unscaled"]
    setup.frame(later=0.5)  # so long after the scan that it is of no use any more
    ros.wait(lambda: len(setup.got["image_rect"]) == 2, "metres without points")
    ros.wait(lambda: len(setup.got["standard_deviation"]) == 2, "their deviation")
    assert decode_depth(setup.got["standard_deviation"][-1])[0, 0] > 0.2  # the scale's own is in it
    ros.wait(lambda: len(setup.got["info"]) >= 2, "info")
    assert setup.got["info"][-1].scale == DepthInfo.SCALE_METRIC
    status = setup.status("scale")
    assert status.level == Level.OK
    assert (status.values["depth is"], status.values["told last by"]) == ("metric", "points")
    assert float(status.values["factor [m per unit]"]) == pytest.approx(UNIT, rel=1e-3)
    assert status.values["believed: points"] == "1"


def test_the_scale_is_kept_for_those_who_come_later(ros, shelf):
    setup = Setup(ros)
    setup.transform()
    setup.subscribe(image_rect=Image)
    ready(setup)
    stamp = setup.frame(points=9)
    late = []
    setup.source.create_subscription(DepthScale, "depth/scale", late.append, latched_qos())
    ros.wait(lambda: late, "the scale")
    assert stamp_of(late[0].header) == stamp
    assert late[0].kind == DepthInfo.SCALE_METRIC
    assert late[0].factor == pytest.approx(UNIT, rel=1e-3)
    assert 0 < late[0].deviation < 0.2
    assert late[0].source == "points"


def test_the_scale_is_reset_on_command(ros, shelf):
    setup = Setup(ros)
    setup.transform()
    setup.subscribe(info=DepthInfo)
    ready(setup)
    setup.frame(points=9)
    client = setup.source.create_client(Trigger, "/estimation_node/reset_scale")
    ros.wait(client.service_is_ready, "the service")
    future = client.call_async(Trigger.Request())
    ros.wait(future.done, "the answer")
    assert future.result().success
    stamp = setup.frame(later=0.5)  # past the reach of the last scan
    ros.wait(lambda: stamp_of(setup.got["info"][-1].header) == stamp, "info")
    assert setup.got["info"][-1].scale == DepthInfo.SCALE_UP_TO_SCALE
    assert setup.status("scale").values["reset: command"] == "1"
    setup.node.trigger_deactivate()
    future = client.call_async(Trigger.Request())
    ros.wait(future.done, "the answer")
    assert not future.result().success
    assert "not active" in future.result().message


def test_points_that_cannot_be_placed_are_told_and_depth_goes_on(ros, shelf):
    setup = Setup(ros)
    setup.subscribe(image_unscaled=Image)
    ready(setup)
    before = len(setup.got["image_unscaled"])
    setup.frame(points=9, frame_id="moon")
    ros.wait(lambda: len(setup.got["image_unscaled"]) > before, "depth")
    assert "moon" in setup.status("estimation").message


def test_until_the_model_is_there_nothing_is_said(ros, shelf):
    shelf.clear()
    setup = Setup.__new__(Setup)
    parameters = [Parameter("diagnostics.silence", value=0.5), Parameter("input.source", value="none")]
    node = ros.add(EstimationNode(context=ros.context, parameter_overrides=parameters))
    node.trigger_configure()
    node.trigger_activate()
    setup.ros, setup.node, setup.got, setup.sent, setup.source = ros, node, {}, {}, ros.node("source")
    setup.image = setup.source.create_publisher(Image, "image", 10)
    setup.info = setup.source.create_publisher(CameraInfo, "camera_info", 10)
    ros.wait(lambda: setup.image.get_subscription_count() and setup.info.get_subscription_count(), "subscriptions")
    setup.subscribe(info=DepthInfo)
    setup.frame()
    assert not setup.got["info"]
    assert node.drops()["no_model"] == 1
    assert "estimation-small: loading" in setup.status("estimation").values["next model"]
    shelf.set()
    ready(setup)
    setup.frame()
    ros.wait(lambda: setup.got["info"], "an answer")
    assert setup.got["info"][-1].model == "estimation-small"


def test_a_model_that_cannot_be_loaded_is_told_at_start_and_refused_later(ros, shelf):
    setup = Setup(ros, model="estimation-large")
    ros.wait(lambda: setup.status("estimation").level == Level.WARN, "the warning")
    assert "estimation-large cannot be used: the weights are damaged; nothing is estimated" in (
        setup.status("estimation").message
    )
    assert setup.node.parameters.values["model"] == "estimation-large"  # there is no other to name
    setup.node.set_parameters([Parameter("model", value="estimation-small")])
    setup.subscribe(info=DepthInfo)
    ready(setup)
    setup.frame()
    ros.wait(lambda: setup.got["info"], "an answer")
    setup.node.set_parameters([Parameter("model", value="estimation-large")])
    ros.wait(lambda: "estimation-small stays in use" in setup.status("estimation").message, "the refusal")
    ros.wait(lambda: setup.node.parameters.values["model"] == "estimation-small", "what runs")


def test_without_shipped_weights_it_starts_and_says_how_to_get_some(ros, monkeypatch):
    monkeypatch.setattr(zoo, "estimators", tuple)
    node = ros.add(EstimationNode(context=ros.context))
    node.autostart()
    ros.wait(lambda: node.statuses()[-1].level == Level.WARN, "the warning")
    assert "model_file" in node.statuses()[-1].message
    assert "docs/training_estimation.md" in node.statuses()[-1].message


def test_time_going_back_forgets_the_scale(ros, shelf):
    setup = Setup(ros)
    setup.transform()
    setup.subscribe(info=DepthInfo)
    ready(setup)
    setup.frame(points=9)
    setup.node.on_time_jump("a test")
    stamp = setup.frame()
    ros.wait(lambda: stamp_of(setup.got["info"][-1].header) == stamp, "info")
    assert setup.got["info"][-1].scale == DepthInfo.SCALE_UP_TO_SCALE
