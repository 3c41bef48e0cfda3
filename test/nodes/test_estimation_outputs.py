from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("depth_perception.msg")
from sensor_msgs.msg import Image

from depth_perception.frames import CameraFrame, CameraModel, DepthEstimate, ScaleKind, SparseDepth
from depth_perception.messages.image import decode_depth
from depth_perception.nodes.estimation_outputs import IN_METRES, UNSCALED, EstimationOutputs
from depth_perception.pipelines.estimation import EstimationInput
from depth_perception.pipelines.estimation_parameters import ESTIMATION_PARAMETERS

CAMERA = CameraModel.pinhole(20.0, 20.0, 9.5, 7.5, 20, 16)
STAMP = 1_700_000_000_000_000_000


@pytest.mark.parametrize("kind", list(ScaleKind))
def test_metres_and_other_units_never_share_a_topic(ros, kind):
    image = np.zeros((16, 20, 3), np.uint8)
    nothing = SparseDepth.from_image(np.zeros(CAMERA.shape, np.float32))
    given = EstimationInput(CameraFrame(STAMP, "camera", image, CAMERA), nothing)
    depth = np.full(CAMERA.shape, 3, np.float32)
    estimate = DepthEstimate(STAMP, "camera", CAMERA, depth, 0.1 * depth, kind, "m", "1", (0.3, 80.0), 0.0)
    estimate = replace(estimate, scale_factor=2.0)
    outputs = EstimationOutputs(ros.node("subject"), lambda *problem: None)
    got = {name: [] for name in ("depth/image_rect", "depth/standard_deviation", UNSCALED, "depth/mask")}
    observer = ros.node()
    for name, messages in got.items():
        observer.create_subscription(Image, name, messages.append, 10)
    ros.wait(lambda: set(got) <= outputs.wanted(), "the subscriptions")
    outputs.publish(given, estimate, outputs.wanted(), ESTIMATION_PARAMETERS.defaults())
    ros.wait(lambda: got["depth/mask"], "the mask, which has no unit")
    expected = {"depth/image_rect", "depth/standard_deviation"} if kind is ScaleKind.METRIC else {UNSCALED}
    ros.wait(lambda: all(got[name] for name in expected), "depth")
    assert {name for name, messages in got.items() if messages} == {*expected, "depth/mask"}
    np.testing.assert_array_equal(decode_depth(got[min(expected)][0]), 3)  # already in the unit of its topic
    assert expected <= IN_METRES | {UNSCALED}
