from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy")
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depth_perception.frames import CameraFrame, CameraModel, DepthEstimate, ScaleKind, SparseDepth
from depth_perception.geometry.camera import rays
from depth_perception.messages.image import decode_depth
from depth_perception.messages.types import stamp_of
from depth_perception.nodes.completion_outputs import CompletionOutputs, colored_points
from depth_perception.pipelines.completion import CompletionInput
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS

CAMERA = CameraModel.pinhole(20.0, 20.0, 9.5, 7.5, 20, 16)
STAMP = 1_700_000_000_123_456_789


def step_image():
    """A near wall on the left, a far one on the right, one column half-way between, one unknown corner."""
    depth = np.full(CAMERA.shape, 2.0, np.float32)
    depth[:, 10:] = 8.0
    depth[:, 10] = 4.0
    depth[0, 0] = np.nan
    return depth


def picture():
    return np.arange(CAMERA.height * CAMERA.width * 3, dtype=np.uint32).reshape(*CAMERA.shape, 3).astype(np.uint8)


def test_points_have_their_depth_and_colour():
    depth = np.full(CAMERA.shape, 2.0, np.float32)
    points, colors = colored_points(depth, picture(), rays(CAMERA), 1, 0.0, organized=False)
    assert points.shape == colors.shape == (20 * 16, 3)
    np.testing.assert_allclose(points[:, 2], 2.0)
    np.testing.assert_allclose(points[0], [(0 - 9.5) / 20 * 2, (0 - 7.5) / 20 * 2, 2.0], rtol=1e-6)
    np.testing.assert_array_equal(colors[3], picture()[0, 3])


def test_flying_pixels_and_unknown_ones_are_left_out():
    points, _ = colored_points(step_image(), picture(), rays(CAMERA), 1, 0.05, organized=False)
    assert set(np.unique(points[:, 2])) == {2.0, 8.0}
    assert len(points) == 20 * 16 - 16 - 1
    points, _ = colored_points(step_image(), picture(), rays(CAMERA), 1, 0.0, organized=False)
    assert 4.0 in points[:, 2]


def test_organised_keeps_the_grid_and_stride_thins_it():
    points, colors = colored_points(step_image(), picture(), rays(CAMERA), 3, 0.05, organized=True)
    assert points.shape == colors.shape == (6, 7, 3)
    assert np.isnan(points[0, 0]).all()
    np.testing.assert_array_equal(colors[1, 1], picture()[3, 3])


@pytest.fixture
def frame():
    sparse = SparseDepth.from_image(np.where(np.eye(16, 20, dtype=bool), np.float32(2), np.float32(0)))
    given = CompletionInput(CameraFrame(STAMP, "camera", picture(), CAMERA), sparse, 0.002)
    depth = step_image()
    estimate = DepthEstimate(
        STAMP,
        "camera",
        CAMERA,
        depth,
        0.1 * depth,
        ScaleKind.METRIC,
        "fast",
        "1",
        (0.3, 80.0),
        0.05,
        {"complete": 0.01},
    )
    return given, estimate


def test_only_wanted_outputs_are_published(ros, frame):
    pytest.importorskip("depth_perception.msg")
    problems = []
    outputs = CompletionOutputs(ros.node("subject"), lambda *problem: problems.append(problem))
    assert outputs.wanted() == frozenset()
    assert "depth/points" in outputs.wanted(everything=True)
    observer, got = ros.node(), {"depth/image_rect": [], "depth/points": []}
    observer.create_subscription(Image, "depth/image_rect", got["depth/image_rect"].append, 10)
    observer.create_subscription(PointCloud2, "depth/points", got["depth/points"].append, 10)
    ros.wait(lambda: outputs.wanted() == {"depth/image_rect", "depth/points"}, "both subscriptions")
    values = COMPLETION_PARAMETERS.resolve({"depth.encoding": "16UC1", "output.cloud_stride": 2})
    outputs.publish(*frame, outputs.wanted(), values)
    ros.wait(lambda: all(got.values()), "both messages")
    assert frame[1].latency["publish"] > 0
    image = got["depth/image_rect"][0]
    assert image.encoding == "16UC1"
    np.testing.assert_allclose(decode_depth(image), step_image())
    assert got["depth/points"][0].width > 30
    outputs.close()
    assert outputs.wanted() == frozenset()


def test_checked_points_say_where_they_are_and_what_the_model_made_of_them(ros, frame):
    pytest.importorskip("depth_perception.msg")
    outputs = CompletionOutputs(ros.node("subject"), lambda *problem: None)
    given, estimate = frame  # measured 2 m along a diagonal; the far wall at 8 m begins at column 10
    inlier = np.full(CAMERA.shape, np.nan, np.float32)
    inlier[given.sparse.rows, given.sparse.columns] = np.linspace(0, 1, len(given.sparse))
    got = []
    ros.node().create_subscription(PointCloud2, "points_checked", got.append, 10)
    ros.wait(outputs.wanted, "the subscription")
    values = COMPLETION_PARAMETERS.defaults()
    outputs.publish(given, replace(estimate, inlier=inlier), outputs.wanted(), values)
    ros.wait(lambda: got, "the cloud")
    message = got[0]
    assert [field.name for field in message.fields] == ["x", "y", "z", "inlier", "residual", "standard_deviation"]
    assert {field.datatype for field in message.fields} == {7}  # FLOAT32
    assert (message.header.frame_id, stamp_of(message.header)) == ("camera", STAMP)
    table = np.frombuffer(message.data, np.float32).reshape(-1, 6)
    assert len(table) == message.width == len(given.sparse)
    for row, (x, y, z, *_) in zip(given.sparse.rows, table):  # row and column are equal on the diagonal
        assert (x, y, z) == pytest.approx(((row - 9.5) / 20 * 2, (row - 7.5) / 20 * 2, 2.0))
    np.testing.assert_allclose(table[:, 3], np.linspace(0, 1, len(table)))
    far = given.sparse.columns > 10
    np.testing.assert_allclose(table[far, 4], 2.0 - 8.0)
    np.testing.assert_allclose(table[far, 5], 0.8, rtol=1e-6)
    assert np.isnan(table[0, 4:]).all()  # nothing was published at pixel 0, 0
    outputs.publish(given, estimate, outputs.wanted(), values)
    ros.wait(lambda: len(got) == 2, "the cloud of a model that does not judge")
    assert np.isnan(np.frombuffer(got[1].data, np.float32).reshape(-1, 6)[:, 3]).all()


def test_pixels_too_far_for_millimetres_are_counted(ros, frame):
    pytest.importorskip("depth_perception.msg")
    outputs = CompletionOutputs(ros.node("subject"), lambda *problem: None)
    given, estimate = frame
    estimate.depth[3, 3] = 70.0
    values = COMPLETION_PARAMETERS.resolve({"depth.encoding": "16UC1"})
    outputs.publish(given, estimate, frozenset({"depth/image_rect"}), values)
    assert outputs.too_far == 1


def test_a_subscriber_that_asks_for_more_is_reported(ros):
    pytest.importorskip("depth_perception.msg")
    problems = []
    CompletionOutputs(ros.node("subject", namespace="/left"), lambda *problem: problems.append(problem))
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    ros.node().create_subscription(CameraInfo, "/left/depth/camera_info", lambda message: None, latched)
    ros.wait(lambda: problems, "the report")
    cause, _, text = problems[0]
    assert cause == "incompatible_qos"
    assert "/left/depth/camera_info" in text
    assert "durability" in text
