import pytest

pytest.importorskip("rclpy")
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from depth_perception.geometry.transform_tree import TransformTree
from depth_perception.messages.front import CompletionFront, FrontSettings
from depth_perception.messages.types import header, rclpy_types
from depth_perception.nodes.completion_inputs import CompletionInputs, input_topics
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.topics import COMPLETION_INPUTS

S = 1_000_000_000
START = 1_700_000_000 * S


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["image", "camera_info", "points"]),
        ({"image.transport": "compressed"}, ["image/compressed", "camera_info", "points"]),
        ({"input.source": "depth"}, ["image", "camera_info", "sparse_depth"]),
        (
            {"input.source": "depth", "input.depth_transport": "compressedDepth"},
            ["image", "camera_info", "sparse_depth/compressedDepth"],
        ),
    ],
)
def test_selected_inputs_are_among_the_documented_ones(changes, expected):
    chosen = input_topics(COMPLETION_PARAMETERS.resolve(changes))
    assert [base + suffix for _, base, suffix, _ in chosen] == expected
    documented = {topic.name: topic.type for topic in COMPLETION_INPUTS}
    assert all(documented[base + suffix] == kind for _, base, suffix, kind in chosen)


class Setup:
    def __init__(self, ros, *remappings, **changes):
        self.values = COMPLETION_PARAMETERS.resolve(changes)
        self.sets, self.problems, self.jumps = [], [], []
        self.now = START
        overrides = [Parameter("qos_overrides./image.subscription.depth", value=3)]
        arguments = ["--ros-args", *(word for rule in remappings for word in ("-r", rule))] if remappings else None
        self.node = ros.node("subject", cli_args=arguments, parameter_overrides=overrides)
        self.front = CompletionFront(FrontSettings.from_parameters(self.values), TransformTree(), self.sets.append)
        self.inputs = CompletionInputs(
            self.node,
            self.front,
            lambda: self.values,
            lambda: self.now,
            self.sets.append,
            lambda *problem: self.problems.append(problem),
            self.jumps.append,
        )


def stamped(kind, stamp, **fields):
    return kind(header=header(rclpy_types(), stamp, "camera"), **fields)


def test_pairs_arrive_and_are_counted(ros):
    setup, source = Setup(ros), ros.node()
    image, points = source.create_publisher(Image, "/image", 10), source.create_publisher(PointCloud2, "/points", 10)
    ros.wait(lambda: image.get_subscription_count() and points.get_subscription_count(), "subscriptions")
    image.publish(stamped(Image, START))
    points.publish(stamped(PointCloud2, START + S // 100))
    ros.wait(lambda: setup.sets, "a pair")
    assert setup.sets[0].image_stamp == START
    assert setup.inputs.inputs["image"].rate.count == 1
    assert setup.node.get_parameter("qos_overrides./image.subscription.depth").value == 3


def test_compressed_follows_the_remapping_of_its_base(ros):
    setup = Setup(ros, "image:=/front/color", **{"image.transport": "compressed"})
    assert setup.inputs.topic("image") == "/front/color/compressed"
    source = ros.node()
    image = source.create_publisher(CompressedImage, "/front/color/compressed", 10)
    ros.wait(image.get_subscription_count, "the subscription")


def test_silence_is_explained(ros):
    setup, source = Setup(ros), ros.node()
    assert setup.inputs.status(START + S, 2.0, True).message == "OK"
    source.create_publisher(PointCloud2, "/front/cloud", 10)
    ros.wait(lambda: setup.node.count_publishers("/front/cloud"), "discovery")
    status = setup.inputs.status(START + 3 * S, 2.0, True)
    assert status.level == 2
    assert "no messages on /points for 3.0 s; publishers: 0" in status.message
    assert "/front/cloud: remap points" in status.message
    assert setup.inputs.status(START + 3 * S, 2.0, False).level == 1  # nobody wants the outputs


def test_a_calibration_sent_once_is_enough(ros):
    setup, source = Setup(ros), ros.node()
    info = source.create_publisher(CameraInfo, "/camera_info", 10)
    ros.wait(info.get_subscription_count, "the subscription")
    info.publish(stamped(CameraInfo, START))
    ros.wait(lambda: setup.inputs.inputs["camera_info"].rate.count, "the message")
    assert "/camera_info" not in setup.inputs.status(START + 100 * S, 2.0, True).message


def test_stamps_that_go_back_are_a_jump_but_jitter_is_not(ros):
    setup, source = Setup(ros), ros.node()
    image = source.create_publisher(Image, "/image", 10)
    ros.wait(image.get_subscription_count, "the subscription")
    for index, stamp in enumerate([START, START - S // 2, START - 2 * S]):
        image.publish(stamped(Image, stamp))
        ros.wait(lambda: setup.inputs.inputs["image"].rate.count > index, "the message")  # noqa: B023
    assert len(setup.jumps) == 1
    assert "/image" in setup.jumps[0]
    assert "2.000 s" in setup.jumps[0]
    setup.inputs.reset()
    assert setup.inputs.inputs["image"].newest_stamp == 0


def test_a_failing_front_does_not_end_the_node(ros):
    setup, source = Setup(ros), ros.node()
    setup.front.on_image = None
    setup.inputs._deliver(setup.inputs.inputs["image"], lambda message, now: 1 / 0, stamped(Image, START))
    assert setup.problems == [("exception", "/image", "ZeroDivisionError: division by zero")]
    assert source is not None


def test_incompatible_publisher_is_told_and_forgotten_when_it_leaves(ros):
    setup, source = Setup(ros, **{"qos.reliability": "reliable"}), ros.node("driver")
    weak = source.create_publisher(Image, "/image", QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT))
    ros.wait(lambda: "/driver" in setup.inputs.status(START + S, 2.0, True).message, "the publisher's name")
    status = setup.inputs.status(START + S, 2.0, True)
    assert "incompatible reliability" in status.message
    assert "set parameter qos.reliability to best_effort" in status.message
    assert status.level == 1  # not silent for long yet
    source.destroy_publisher(weak)
    ros.wait(lambda: "incompatible" not in setup.inputs.status(START + S, 2.0, True).message, "it has left")


def test_closing_unsubscribes(ros):
    setup, source = Setup(ros), ros.node()
    image = source.create_publisher(Image, "/image", 10)
    ros.wait(image.get_subscription_count, "the subscription")
    setup.inputs.close()
    ros.wait(lambda: not image.get_subscription_count(), "no subscription")
