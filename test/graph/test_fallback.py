"""The LiDAR is unplugged in the middle of a played recording, and plugged in again."""

import numpy as np
import pytest

pytest.importorskip("rclpy")
from sensor_msgs.msg import Image

from depth_perception.messages.image import decode_depth
from depth_perception.messages.types import stamp_of

REMAP = ("-r", "image:=/camera/image", "-r", "camera_info:=/camera/camera_info", "-r", "points:=/camera/points")
TO_WAIT_FOR = "wait_for_subscribers:=/camera/image,/camera/camera_info,/camera/points,/tf_static"
RATE = 5.0
START = 1_700_000_000_000_000_000
WARN = 1


@pytest.fixture(scope="module")
def unplugged(tmp_path_factory, scene):
    """Eight seconds, from the fourth to the sixth without scans."""
    return scene.record(tmp_path_factory.mktemp("unplugged") / "bag", 40, RATE, unplugged=range(20, 30))


@pytest.mark.timeout(400)  # torch may take long to import on a busy machine
def test_depth_goes_on_without_the_lidar_and_says_so(graph, scene, unplugged, estimator_file):
    from depth_perception.msg import DepthInfo

    observer = graph.observer
    info = observer.collect(DepthInfo, "/depth/info", 50)
    depth, deviation = (observer.collect(Image, f"/depth/{name}", 50) for name in ("image_rect", "standard_deviation"))
    node = graph.completion(
        *REMAP, "-p", "use_sim_time:=true", "-p", "fallback.model:=estimation-small", "-p", "backend:=torch",
        "-p", f"fallback.model_file:={estimator_file}", "-p", "fallback.period:=0.1", "-p", "device:=cpu",
        "-p", "depth.min:=0.0", "-p", "depth.max:=1000.0", "-p", "sync.timeout:=0.1",
    )  # fmt: skip

    def fallback():
        return observer.status("fallback")

    observer.wait(lambda: (s := fallback()) and "estimation-small is ready" in s.message, "the estimator", 120.0)
    observer.wait_for_outputs("depth/image_rect", "depth/info", "depth/standard_deviation")
    player = graph.play(unplugged, "-p", TO_WAIT_FOR)
    said = observer.wait(lambda: (s := fallback()).level == WARN and s, "the fallback is told")
    assert "no usable range data: depth is estimated by estimation-small" in said.message
    assert (said.values["depth is"], said.values["changes between the two"]) == ("estimated", "1")
    observer.wait(lambda: player.returncode is not None, "the player has finished")
    assert player.returncode == 0
    observer.wait(lambda: fallback().values["depth is"] == "completed", "completion is back")
    assert (fallback().level, fallback().values["changes between the two"]) == (0, "2")

    stamps = [START + round(index * 1e9 / RATE) for index in range(40)]
    model = {stamps.index(stamp_of(message.header)): message.model for message in info}
    estimated = [index for index, name in model.items() if name == "estimation-small"]
    assert estimated[0] in (20, 21)  # within one frame, should this machine drop one
    assert estimated[-1] == 29
    assert len(estimated) >= 8
    assert {name for index, name in model.items() if not 20 <= index < 30} == {"fast"}
    assert {message.scale for message in info} == {DepthInfo.SCALE_METRIC}

    images = {stamps.index(stamp_of(message.header)): decode_depth(message) for message in depth}
    spreads = {stamps.index(stamp_of(message.header)): decode_depth(message) for message in deviation}
    relative = {index: np.nanmedian(spreads[index] / images[index]) for index in images if index in spreads}
    for index in estimated:
        assert np.isfinite(images[index]).all()
        assert 1.5 < np.median(images[index]) < 4.0  # the wall is 2 to 3 m away; the network is not trained
        assert relative[index] > 1.5 * relative[max(i for i in model if i < 20)]
    assert node.interrupt() == 0
    assert "Traceback" not in node.output
