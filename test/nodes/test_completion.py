import threading
import time

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("depth_perception.msg")
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depth_perception.available import optional
from depth_perception.frames import CameraModel, DepthPrediction, ScaleKind
from depth_perception.geometry.transforms import make_transform
from depth_perception.messages.camera_info import info_from_camera
from depth_perception.messages.image import decode_depth, encode_image
from depth_perception.messages.point_cloud import encode_cloud
from depth_perception.messages.transform import transform_message
from depth_perception.messages.types import rclpy_types, stamp_of
from depth_perception.models import backends, zoo
from depth_perception.models.estimator import NoEstimator
from depth_perception.nodes.completion import CompletionNode, check_values
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.model_selection import EstimatorChoice, ModelChoice
from depth_perception.pipelines.parameters import ParameterError
from depth_perception.pipelines.scale_measurement import ScaleMeasurement
from depth_perception.pipelines.topics import COMPLETION_INPUTS, COMPLETION_OUTPUTS
from depth_perception.ros.diagnostics import Level

CAMERA = CameraModel.pinhole(20.0, 20.0, 9.5, 7.5, 20, 16)


class Model:
    """Answers 2 m everywhere; waits at ``gate`` and raises what it is told to."""

    name, version = "fast", "test"

    def __init__(self):
        self.gate, self.started, self.error, self.calls = threading.Event(), threading.Event(), None, 0
        self.gate.set()

    def infer(self, image, sparse, camera):
        self.calls += 1
        self.started.set()
        self.gate.wait(20)
        if self.error is not None:
            raise self.error
        depth = np.full(sparse.shape, 2.0, np.float32)
        return DepthPrediction(depth, 0.1 * depth)


@pytest.fixture
def model(monkeypatch):
    made = Model()

    def load(choice):
        if problem := choice.problem():
            raise ValueError(problem)
        if choice.name == "jarrn":
            raise RuntimeError("the weights are damaged")
        return made

    def describe(name, file):
        if file:
            raise FileNotFoundError(f"{file}: no such weight file")

    monkeypatch.setattr(ModelChoice, "load", load)
    monkeypatch.setattr(zoo, "names", lambda: ("completion-small", "jarrn", "diffusion", "fast"))
    monkeypatch.setattr(zoo, "describe", describe)
    monkeypatch.setattr(backends, "why_not", lambda backend: None)
    return made


class Setup:
    def __init__(self, ros, **changes):
        overrides = {"model": "fast", "transform.timeout": 0.0, "diagnostics.silence": 0.5, **changes}
        self.ros = ros
        parameters = [Parameter(name, value=value) for name, value in overrides.items()]
        self.node = ros.add(CompletionNode(context=ros.context, parameter_overrides=parameters))
        self.node.autostart()
        self.source = ros.node("source")
        self.image = self.source.create_publisher(Image, "image", 10)
        self.info = self.source.create_publisher(CameraInfo, "camera_info", 10)
        self.points = self.source.create_publisher(PointCloud2, "points", 10)
        publishers = (self.image, self.info, self.points)
        ros.wait(lambda: all(publisher.get_subscription_count() for publisher in publishers), "subscriptions")
        self.depth = []

    def subscribe(self):
        self.source.create_subscription(Image, "depth/image_rect", self.depth.append, 10)
        self.ros.wait(lambda: self.node._outputs.wanted(), "the subscription")

    def transform(self):
        static = transform_message(
            rclpy_types(), "camera", "lidar", 0, make_transform((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
        )
        self.node._listener.transforms.insert(static, static=True)

    def frame(self):
        types, stamp = rclpy_types(), time.time_ns()
        points = np.array([[0, 0, 2.0], [0.1, 0.1, 2.0]], np.float32)
        before = self.node._sets.count
        self.info.publish(info_from_camera(types, CAMERA, stamp, "camera"))
        self.image.publish(encode_image(types, np.zeros((16, 20, 3), np.uint8), "rgb8", stamp, "camera"))
        self.points.publish(encode_cloud(types, points, stamp, "lidar"))
        self.ros.wait(lambda: self.node._sets.count > before, "the pair")
        return stamp

    def status(self, task):
        return next(status for status in self.node.statuses() if status.task == task)


def test_bad_combinations_are_refused():
    for change, text in (
        ({"depth.min": 5.0, "depth.max": 4.0}, "depth.min"),
        ({"cloud.min_range": 300.0}, "cloud.min_range 300 must be below cloud.max_range 200"),
        ({"output.preview_min": 5.0, "output.preview_max": 4.0}, "output.preview_min"),
    ):
        with pytest.raises(ValueError, match=text):
            check_values(COMPLETION_PARAMETERS.resolve(change))
    check_values(COMPLETION_PARAMETERS.defaults())


@pytest.mark.skipif(optional("message_filters") is not None, reason="message_filters is installed")
def test_the_stock_synchroniser_needs_its_package():
    with pytest.raises(ParameterError, match="message_filters"):
        check_values(COMPLETION_PARAMETERS.resolve({"sync.policy": "approximate"}))


@pytest.mark.skipif(optional("message_filters") is None, reason="message_filters is not installed")
def test_the_stock_synchroniser_pairs_and_survives_a_jump(ros, model):
    setup = Setup(ros, **{"sync.policy": "approximate"})
    setup.transform()
    setup.subscribe()
    setup.frame()
    ros.wait(lambda: setup.depth, "depth")
    setup.node.set_parameters([Parameter("sync.max_interval", value=0.2)])
    setup.node.on_time_jump("a test")
    setup.frame()
    ros.wait(lambda: len(setup.depth) == 2, "depth after the jump")


def test_topics_are_those_of_the_documentation(ros, model):
    setup = Setup(ros)

    def named(endpoints):
        return {endpoint.topic_name for endpoint in endpoints}

    documented = {topic.name if topic.name.startswith("/") else f"/{topic.name}" for topic in COMPLETION_OUTPUTS}
    assert documented <= named(setup.node.publishers)
    inputs = {f"/{topic.name}" if not topic.name.startswith("/") else topic.name for topic in COMPLETION_INPUTS}
    assert {"/image", "/camera_info", "/points", "/tf_static"} <= named(setup.node.subscriptions) & inputs
    own = {"/parameter_events", "/rosout", "/clock"}
    assert named(setup.node.subscriptions) - own <= inputs
    assert {name for name in named(setup.node.publishers) - own if "transition_event" not in name} <= documented


def test_nothing_is_computed_without_subscribers(ros, model):
    setup = Setup(ros)
    setup.transform()
    setup.frame()
    assert setup.node._worker.wait_idle(10)
    assert model.calls == 0
    assert setup.status("completion").values["skipped because nobody subscribes"] == "1"
    setup.node.set_parameters([Parameter("output.always_publish", value=True)])
    setup.frame()
    assert setup.node._worker.wait_idle(10)
    assert model.calls == 1


def test_newest_frame_wins_and_the_others_are_counted(ros, model):
    setup = Setup(ros)
    setup.transform()
    setup.subscribe()
    model.gate.clear()
    first = setup.frame()
    assert model.started.wait(10)
    for _ in range(3):
        last = setup.frame()
    model.gate.set()
    ros.wait(lambda: len(setup.depth) == 2, "two results")
    assert [stamp_of(message.header) for message in setup.depth] == [first, last]
    assert setup.node.drops() == {"superseded": 2}
    assert setup.status("completion").values["drops.superseded"] == "2"


def test_an_exception_of_the_model_is_told_and_survived(ros, model):
    setup = Setup(ros)
    setup.transform()
    setup.subscribe()
    model.error = RuntimeError("out of memory")
    setup.frame()
    assert setup.node._worker.wait_idle(10)
    status = setup.status("completion")
    assert "RuntimeError: out of memory" in status.message
    assert status.level >= 1
    assert setup.node.drops() == {"exception": 1}
    model.error = None
    setup.frame()
    ros.wait(lambda: setup.depth, "depth after the failure")


def test_a_model_that_cannot_be_loaded_leaves_the_old_one(ros, model):
    setup = Setup(ros)
    setup.transform()
    setup.subscribe()
    changed = setup.node.set_parameters([Parameter("model", value="jarrn"), Parameter("depth.max", value=9.0)])
    assert all(result.successful for result in changed)
    ros.wait(lambda: setup.node.get_parameter("model").value == "fast", "the parameter tells the truth again")
    status = setup.status("completion")
    assert "jarrn cannot be used: the weights are damaged; fast stays in use" in status.message
    assert status.level == 1
    setup.frame()
    ros.wait(lambda: setup.depth, "depth from the old model")
    assert setup.node._pipeline.settings.max_depth == 9.0  # the other change holds


@pytest.fixture
def without_large(monkeypatch, tmp_path):
    """A package that was built without the weights of completion-large."""
    there, missing = zoo.weight_file, tmp_path / "none"
    monkeypatch.setattr(zoo, "weight_file", lambda name: missing if name == "completion-large" else there(name))


@pytest.mark.usefixtures("without_large")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "completion-large"}, ("completion-large", "make weights", "diffusion")),
        ({"model": "jarrn", "model_file": "/nowhere/w.safetensors"}, ("/nowhere/w.safetensors",)),
        ({"device": "tpu"}, ("tpu", "cuda:1")),
        ({"backend": "caffe"}, ("caffe", "onnx")),
    ],
)
def test_what_cannot_be_had_is_refused_at_once(ros, model, change, words):
    setup = Setup(ros)
    result = setup.node.set_parameters_atomically([Parameter(name, value=value) for name, value in change.items()])
    assert not result.successful
    for word in words:
        assert word in result.reason
    assert setup.node.get_parameter("model").value == "fast"


@pytest.mark.usefixtures("without_large")
@pytest.mark.parametrize("name", ["completion-large", "jarrn"])  # no weights, weights that cannot be read
def test_a_start_without_its_model_falls_back_and_goes_on_saying_why(ros, model, name):
    setup = Setup(ros, **{"model": name, "diagnostics.period": 0.05})
    setup.transform()
    setup.subscribe()
    ros.wait(lambda: setup.node.get_parameter("model").value == "diffusion", "the parameter tells the truth")
    setup.frame()
    ros.wait(lambda: setup.depth, "depth all the same")
    for _ in range(2):
        assert setup.status("completion").level == 1
        assert f"{name} cannot be used" in setup.status("completion").message
        assert "diffusion answers instead" in setup.status("completion").message
        setup.node.set_parameters([Parameter("depth.max", value=9.0)])
    assert setup.node.set_parameters([Parameter("model", value="fast")])[0].successful
    ros.wait(lambda: "cannot be used" not in setup.status("completion").message, "a model of the user's choice")


def test_activation_waits_for_a_learned_model(ros, model):
    model.gate.clear()  # warming up takes its time
    node = CompletionNode(context=ros.context, parameter_overrides=[Parameter("model", value="completion-small")])
    ros.add(node)
    node.autostart()
    assert model.started.wait(10)
    assert not node.is_active
    assert not node.ready()
    assert node.is_loading
    model.gate.set()
    ros.wait(lambda: node.is_active, "activation")
    assert node.statuses()[-1].values["next model"] == "completion-small: ready"


def test_a_missing_transform_names_both_frames_and_is_counted(ros, model):
    setup = Setup(ros)
    setup.subscribe()
    setup.frame()
    assert setup.node._worker.wait_idle(10)
    status = setup.status("transforms")
    assert "lidar" in status.message
    assert "camera" in status.message
    assert status.values["failed look-ups"] == "1"
    assert setup.node.drops() == {"no_transform": 1}
    setup.transform()
    setup.frame()
    ros.wait(lambda: setup.depth, "depth")


@pytest.mark.parametrize(("policy", "allowed"), [("nearest", "0.06 s"), ("exact", "sync.policy exact")])
def test_sensors_that_never_pair_are_told_how_far_apart_they_are(ros, model, policy, allowed):
    setup = Setup(ros, **{"sync.policy": policy})
    types, stamp = rclpy_types(), time.time_ns()
    for i in range(3):
        image_stamp = stamp + i * 100_000_000
        cloud = encode_cloud(types, np.array([[0, 0, 2.0]], np.float32), image_stamp - 40_000_000_000, "lidar")
        setup.points.publish(cloud)
        setup.image.publish(encode_image(types, np.zeros((16, 20, 3), np.uint8), "rgb8", image_stamp, "camera"))
    ros.wait(lambda: "40.000 s earlier" in setup.status("synchronization").message, "the distance")
    status = setup.status("synchronization")
    assert "/points" in status.message
    assert f"only {allowed}" in status.message.replace("0 s of ", "")
    assert "sync.offset" in status.message
    assert status.level == 1


def test_an_image_with_nothing_to_pair_with_is_told(ros, model):
    setup = Setup(ros, **{"sync.timeout": 0.05})
    setup.image.publish(encode_image(rclpy_types(), np.zeros((16, 20, 3), np.uint8), "rgb8", time.time_ns(), "camera"))
    ros.wait(lambda: "find nothing on /points" in setup.status("synchronization").message, "the reason")


def test_silence_is_an_error_only_when_somebody_listens(ros, model):
    setup = Setup(ros)
    ros.wait(lambda: setup.status("inputs").level == 1, "a warning while nobody listens")
    assert setup.status("completion").level == 0
    setup.subscribe()
    ros.wait(lambda: "no frame completed for" in setup.status("completion").message, "silence")
    assert setup.status("completion").level == 2
    assert setup.status("inputs").level == 2


def test_expected_rate_is_held_against_the_output_rate(ros, model):
    setup = Setup(ros, **{"diagnostics.expected_rate": 900.0, "diagnostics.silence": 100.0})
    setup.transform()
    setup.subscribe()
    for _ in range(3):
        setup.frame()
        assert setup.node._worker.wait_idle(10)
    status = setup.status("completion")
    assert "below 90 % of the expected 900 Hz" in status.message
    assert status.level == 1


def test_close_does_not_wait_for_a_transform(ros, model):
    setup = Setup(ros, **{"transform.timeout": 10.0})
    setup.subscribe()
    setup.frame()
    started = time.monotonic()
    assert setup.node.close() is True
    assert time.monotonic() - started < 5.0


def test_inactive_node_says_so(ros, model):
    setup = Setup(ros)
    setup.node.trigger_deactivate()
    assert setup.node.statuses()[0].message == "not active"


class Guess:
    """An estimator that says 2 m everywhere, in units of 4 m."""

    name, version, scale = "estimation-small", "test", ScaleKind.UP_TO_SCALE

    def infer(self, image, camera=None):
        depth = np.full(image.shape[:2], 0.5, np.float32)
        return DepthPrediction(depth, 0.3 * depth, np.full_like(depth, np.nan))


def load_guess(choice):
    return Guess() if choice.is_learned else NoEstimator()


def damaged(choice):
    if choice.is_learned:
        raise RuntimeError("the weights are damaged")
    return NoEstimator()


FALLBACK = {"fallback.model": "estimation-small", "fallback.min_points": 2, "fallback.period": 0.0}


def test_without_range_data_depth_is_estimated_by_the_last_known_scale(ros, model, monkeypatch):
    monkeypatch.setattr(EstimatorChoice, "load", load_guess)
    setup = Setup(ros, **{**FALLBACK, "sync.max_interval": 0.01})
    setup.transform()
    setup.subscribe()
    ros.wait(lambda: setup.node._estimators.is_settled, "the estimator")
    guess = setup.node._pipeline.estimation
    for _ in range(2):  # the first warms the estimator up for this size
        setup.frame()
        assert setup.node._worker.wait_idle(10)
        ros.wait(lambda: setup.node._estimators.is_settled, "the estimator at this size")
    assert setup.status("fallback").values["depth is"] == "completed"
    guess.scale.add(ScaleMeasurement(4.0, 0.05, "points", 100), time.time_ns())
    types, stamp, before = rclpy_types(), time.time_ns() + 10**9, len(setup.depth)
    setup.image.publish(encode_image(types, np.zeros((16, 20, 3), np.uint8), "rgb8", stamp, "camera"))
    ros.wait(lambda: len(setup.depth) > before and stamp_of(setup.depth[-1].header) == stamp, "depth without points")
    np.testing.assert_allclose(decode_depth(setup.depth[-1]), 2.0, rtol=1e-3)
    status = setup.status("fallback")
    assert status.level == Level.WARN
    assert "depth is estimated by estimation-small" in status.message
    assert status.values["changes between the two"] == "1"


def test_a_fallback_that_cannot_be_had_is_told_and_completion_goes_on(ros, model, monkeypatch):
    monkeypatch.setattr(EstimatorChoice, "load", damaged)
    setup = Setup(ros, **FALLBACK)
    setup.transform()
    setup.subscribe()
    ros.wait(lambda: "the weights are damaged" in setup.status("fallback").message, "the reason")
    assert setup.status("fallback").level == Level.WARN
    setup.frame()
    ros.wait(lambda: setup.depth, "depth")


def test_without_a_fallback_nobody_speaks_of_it(ros, model):
    setup = Setup(ros, **{"fallback.model": "none"})
    assert "fallback" not in {status.task for status in setup.node.statuses()}
