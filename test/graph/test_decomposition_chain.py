"""A recording of a camera and a LiDAR, played through completion and decomposition; it holds no depth and no labels."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("rosbags")
pytest.importorskip("torch")
pytest.importorskip("skimage")
from ball_scene import FRAME, START, BallScene, loop
from object_listener import Listener
from sensor_msgs.msg import Image

from depth_perception.frames import CameraModel
from depth_perception.geometry.camera import rays
from depth_perception.messages.camera_info import info_from_camera
from depth_perception.messages.image import encode_image
from depth_perception.messages.labels import decode_labels
from depth_perception.messages.point_cloud import encode_cloud
from depth_perception.messages.transform import tf_message, transform_message
from depth_perception.messages.types import rosbags_types
from depth_perception.recordings.writer import RecordingWriter

RINGS = slice(1, None, 4)  # rows of the image that the LiDAR sweeps
PERIOD = 500_000_000  # nanoseconds: 2 Hz, for machines that are slow
LIDAR = "lidar"
T_CAMERA_LIDAR = np.array([[0, -1, 0, 0.02], [0, 0, -1, -0.05], [1, 0, 0, 0.0], [0, 0, 0, 1.0]])  # x forward, z up


@pytest.fixture(scope="module")
def balls() -> BallScene:
    return BallScene(camera=CameraModel.pinhole(85.0, 85.0, 47.5, 35.5, 96, 72))


@pytest.fixture(scope="module")
def round_about(tmp_path_factory, balls):
    """One round about the balls, with images, sweeps of 18 rings, and poses by tf."""
    path, types = tmp_path_factory.mktemp("recordings") / "round", rosbags_types()
    with RecordingWriter(path, typestore=types.typestore) as writer:
        mounted = transform_message(types, FRAME, LIDAR, START, T_CAMERA_LIDAR)
        writer.write("/tf_static", tf_message(types, [mounted]), START)
        for index, pose in enumerate(loop(12)):
            stamp = START + index * PERIOD
            frame = balls.frame(pose, stamp)
            seen = (rays(frame.camera) * frame.depth[..., None])[RINGS].reshape(-1, 3)
            seen = seen[np.isfinite(seen).all(axis=1)] - T_CAMERA_LIDAR[:3, 3]
            points = (seen @ T_CAMERA_LIDAR[:3, :3]).astype(np.float32)
            moved = transform_message(types, "odom", FRAME, stamp, pose)
            writer.write("/tf", tf_message(types, [moved]), stamp + 1_000_000)
            for topic, message in (
                ("/camera/camera_info", info_from_camera(types, frame.camera, stamp, FRAME)),
                ("/camera/image", encode_image(types, frame.image, "rgb8", stamp, FRAME)),
                ("/lidar/points", encode_cloud(types, points, stamp, LIDAR)),
            ):
                writer.write(topic, message, stamp + 2_000_000)
    return path


@pytest.mark.timeout(300)  # torch may take long to import on a busy machine
def test_camera_and_lidar_give_objects_that_keep_their_ids_when_the_camera_comes_around_again(
    graph, balls, round_about
):
    """The nodes as ``decomposition.launch.py depth_from:=completion`` starts them, on what a robot recorded."""
    observer, listener = graph.observer, Listener(graph.observer)
    labels = observer.collect(Image, "/objects/labels")
    camera = ("-p", "use_sim_time:=true", "-r", "image:=/camera/image", "-r", "camera_info:=/camera/camera_info")
    graph.completion(*camera, "-r", "points:=/lidar/points", "-p", "transform.fixed_frame:=odom", model="diffusion")
    graph.decomposition(*camera, "-r", "depth:=depth/image_rect", "-p", "optimization.steps:=30")

    def play(rate):
        awaited = "wait_for_subscribers:=/camera/image:2,/camera/camera_info:2,/lidar/points:1"
        player = graph.play(round_about, "-p", f"rate:={rate}", "-p", awaited, "-p", "wait_timeout:=120.0")
        observer.wait(lambda: player.returncode == 0, "the end of the recording", 150.0)

    def is_done():
        status = observer.status("scene", "decomposition_node")
        return status is not None and status.values.get("steps to do") == "0"

    def all_found():
        return is_done() and None not in listener.matched(balls.balls).values()

    play(1.0)
    observer.wait(all_found, "an object for every ball", 60.0)
    before = listener.matched(balls.balls)
    assert len(set(before.values())) == 3
    for index, number in before.items():
        box, (*center, radius) = listener.now()[number].box, balls.balls[index]
        assert box.center == pytest.approx(np.array(center), abs=0.05)
        assert box.size == pytest.approx(np.full(3, 2 * radius), abs=0.08)
    assert observer.status("decomposition", "decomposition_node").values["labels from"] == "segmenter builtin"

    del labels[:]
    play(2.0)  # /clock and all stamps jump back; the scene stays
    observer.wait(all_found, "the same objects", 60.0)
    assert listener.matched(balls.balls) == before
    assert labels
    assert set(before.values()) <= {number for image in labels for number in np.unique(decode_labels(image)).tolist()}
