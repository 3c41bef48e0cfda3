"""launch/evaluation.launch.py with the real launch_ros: plays a small recording, scores it, ends by itself."""

import json

import numpy as np
import pytest

from depth_perception.frames import CameraModel

pytestmark = pytest.mark.graph
FRAMES = 8


@pytest.fixture
def recording(tmp_path):
    """A camera 2 m before a wall, with a LiDAR at the same place; 10 Hz."""
    pytest.importorskip("rosbags")
    from depth_perception.messages.camera_info import info_from_camera
    from depth_perception.messages.image import encode_image
    from depth_perception.messages.point_cloud import encode_cloud
    from depth_perception.messages.transform import tf_message, transform_message
    from depth_perception.messages.types import rosbags_types
    from depth_perception.recordings.writer import RecordingWriter

    types, rng = rosbags_types(), np.random.default_rng(0)
    camera = CameraModel.pinhole(60.0, 60.0, 31.5, 23.5, 64, 48)
    directions = np.stack([rng.uniform(-0.5, 0.5, 600), rng.uniform(-0.35, 0.35, 600), np.ones(600)], axis=1)
    image = rng.integers(0, 255, (48, 64, 3)).astype(np.uint8)
    with RecordingWriter(tmp_path / "wall") as writer:
        same_place = transform_message(types, "camera", "lidar", 10**9, np.eye(4))
        writer.write("/tf_static", tf_message(types, [same_place]), 10**9)
        for index in range(FRAMES):
            stamp = 10**9 + index * 10**8
            writer.write("/cam/camera_info", info_from_camera(types, camera, stamp, "camera"), stamp)
            writer.write("/cam/image", encode_image(types, image, "rgb8", stamp, "camera"), stamp)
            cloud = encode_cloud(types, (2.0 * directions).astype(np.float32), stamp, "lidar")
            writer.write("/lidar", cloud, stamp + 10**6)
    return tmp_path / "wall"


def test_a_recording_is_played_scored_and_reported(run_launch, recording, tmp_path):
    out = tmp_path / "scores"
    launch = run_launch("evaluation", f"bag:={recording}", f"out:={out}", "model:=fast")
    launch.wait()
    assert (out / "report.html").is_file(), launch.output
    scores = json.loads((out / "scores.json").read_text())
    assert list(scores["models"]) == ["fast"], scores["models"].keys()
    live = json.loads((out / "live.json").read_text())
    assert live["images"] == FRAMES
    assert live["completed"] > 0
    assert "Traceback" not in launch.output


def test_a_missing_recording_ends_the_launch_and_is_named(run_launch):
    launch = run_launch("evaluation", "bag:=/no/such/drive")
    assert launch.wait() != 0
    assert "/no/such/drive: no such file" in launch.output
