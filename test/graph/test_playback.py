"""A recording through bag player and completion node, each a process of its own."""

import itertools
import math

import numpy as np
import pytest

pytest.importorskip("rclpy")
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depth_perception.messages.image import decode_depth, decode_image
from depth_perception.messages.point_cloud import decode_cloud
from depth_perception.messages.types import stamp_of

REMAP = ("-r", "image:=/camera/image", "-r", "camera_info:=/camera/camera_info", "-r", "points:=/camera/points")
TO_WAIT_FOR = "wait_for_subscribers:=/camera/image,/camera/camera_info,/camera/points,/tf_static"


def of_frame(messages, stamp):
    found = [message for message in messages if stamp_of(message.header) == stamp]
    return found[0] if found else None


def test_every_output_of_a_recording(graph, recording, scene):
    from depth_perception.msg import DepthInfo

    observer = graph.observer
    kinds = {
        "depth/image_rect": Image,
        "depth/camera_info": CameraInfo,
        "depth/standard_deviation": Image,
        "depth/confidence": Image,
        "depth/mask": Image,
        "depth/points": PointCloud2,
        "depth/info": DepthInfo,
        "depth/image_color": Image,
    }
    outputs = {topic: observer.collect(kind, f"/{topic}", 50) for topic, kind in kinds.items()}
    completion = graph.completion(*REMAP, "-p", "use_sim_time:=true", "-p", "depth.min:=0.5")
    observer.wait_for_outputs(*kinds)
    player = graph.play(recording.path, "-p", TO_WAIT_FOR)

    depth = outputs["depth/image_rect"]
    first = observer.wait(lambda: depth and depth[0], "a depth image")
    assert stamp_of(first.header) in recording.stamps[:3]  # within the first three frames
    observer.wait(lambda: player.returncode is not None, "the player has finished")
    assert player.returncode == 0

    def all_accounted_for():
        values = observer.status("completion").values
        drops = sum(int(value) for key, value in values.items() if key.startswith("drops."))
        return int(values["frames"]) + drops == len(recording.stamps)

    observer.wait(all_accounted_for, "every image became a frame or a counted drop")
    frames = int(observer.status("completion").values["frames"])
    assert frames >= len(recording.stamps) // 2
    observer.wait(lambda: len(depth) == frames, "every frame arrived")

    # stamps and frames are those of the images
    for messages in outputs.values():
        stamps = [stamp_of(message.header) for message in messages]
        assert stamps == sorted(set(stamps))
        assert set(stamps) <= set(recording.stamps)
        assert {message.header.frame_id for message in messages} == {"camera_optical_frame"}

    # one frame in detail: the wall is where it is
    stamp = stamp_of(depth[-1].header)
    observer.wait(lambda: of_frame(outputs["depth/info"], stamp), "the frame's DepthInfo, which comes last")
    one = {topic: of_frame(messages, stamp) for topic, messages in outputs.items()}
    assert None not in one.values()
    image = decode_depth(one["depth/image_rect"])
    assert one["depth/image_rect"].encoding == "32FC1"
    expected = np.broadcast_to(scene.depth_at(np.arange(scene.width)), image.shape)
    assert np.nanmedian(np.abs(image - expected) / expected) < 0.05
    info = one["depth/info"]
    assert info.scale == DepthInfo.SCALE_METRIC
    assert info.model == "fast"
    assert info.min_depth == 0.5
    assert info.coverage == pytest.approx(np.isfinite(image).mean(), abs=1e-6)
    assert 0.05 < info.input_coverage <= scene.points / image.size
    assert info.sync_interval == pytest.approx(0.005, abs=1e-6)
    assert set(info.latency_stage) >= {"wait", "decode", "transform", "project", "complete", "finish", "publish"}
    assert all(0 <= seconds < 60 for seconds in info.latency)
    calibration = one["depth/camera_info"]
    assert (calibration.width, calibration.height) == (scene.width, scene.height)
    np.testing.assert_allclose(np.reshape(calibration.k, (3, 3)), scene.camera.K)
    mask = np.frombuffer(one["depth/mask"].data, np.uint8).reshape(image.shape)
    np.testing.assert_array_equal(mask == 255, np.isfinite(image))
    deviation = decode_depth(one["depth/standard_deviation"])
    np.testing.assert_array_equal(np.isfinite(deviation), np.isfinite(image))
    sure = np.frombuffer(one["depth/confidence"].data, np.float32)
    assert sure.min() >= 0
    assert sure.max() <= 1
    assert decode_image(one["depth/image_color"]).shape == (scene.height, scene.width, 3)
    cloud = decode_cloud(one["depth/points"])
    assert len(cloud) > 0.5 * image.size
    assert [field.name for field in one["depth/points"].fields] == ["x", "y", "z", "rgb"]
    assert cloud.points[:, 2].min() > 1.5
    assert cloud.points[:, 2].max() < 3.5
    assert not math.isnan(info.sync_interval)
    assert completion.interrupt() == 0
    assert "Traceback" not in completion.output


def test_two_cameras_in_two_namespaces(graph, scene, tmp_path):
    bag = scene.record(tmp_path / "two", frames=10, rate=10.0, cameras=("/left", "/right"))
    observer = graph.observer
    sides = {side: observer.collect(Image, f"/{side}/depth/image_rect") for side in ("left", "right")}
    for side in sides:
        graph.completion("-r", f"__ns:=/{side}")
    for side in sides:
        observer.wait_for_outputs("depth/image_rect", node=f"{side}/completion_node")
    graph.play(bag, "-p", "wait_for_subscribers:=all")
    observer.wait(lambda: all(len(messages) >= 3 for messages in sides.values()), "depth of both cameras")
    for place, side in enumerate(("left", "right")):  # each has stamps of its own, so nobody listened next door
        stamps = {stamp_of(message.header) % 100_000_000 for message in sides[side]}
        assert stamps == {place * 20_000_000}, side


def test_player_remaps_and_limits_topics(graph, recording):
    observer = graph.observer
    moved = observer.collect(Image, "/front/image")
    images = observer.collect(Image, "/camera/image")
    clouds = observer.collect(PointCloud2, "/camera/points")
    infos = observer.collect(CameraInfo, "/camera/camera_info")
    player = graph.play(
        recording.path,
        *("-r", "/camera/image:=/front/image", "-p", "topics:=/camera/image,/camera/camera_info", "-p", "rate:=4.0"),
        *("-p", "wait_for_subscribers:=all"),
    )
    observer.wait(lambda: player.returncode is not None, "the player has finished")
    observer.wait(lambda: len(moved) == len(infos) == len(recording.stamps), "all messages of the two topics")
    assert [stamp_of(message.header) for message in moved] == recording.stamps
    assert not images
    assert not clouds


def test_clock_ticks_before_every_message(graph, recording):
    from rosgraph_msgs.msg import Clock

    observer = graph.observer
    times, seen = [], []
    qos = 1000
    observer.node.create_subscription(
        Clock, "/clock", lambda m: times.append(m.clock.sec * 10**9 + m.clock.nanosec), qos
    )
    observer.node.create_subscription(Image, "/camera/image", lambda m: seen.append(stamp_of(m.header)), qos)
    player = graph.play(recording.path, "-p", "rate:=4.0", "-p", "wait_for_subscribers:=/camera/image")
    observer.wait(lambda: player.returncode is not None and len(seen) == len(recording.stamps), "all images")
    log_times = {stamp + 1_000_000 for stamp in seen}  # as the fixture recorded them
    assert len(log_times - set(times)) <= 1  # a tick of its own for each (the first may precede our subscription)
    assert times == sorted(times)


def test_a_publisher_that_restarts(graph, recording):
    observer = graph.observer
    depth = observer.collect(Image, "/depth/image_rect")
    graph.completion(*REMAP)
    observer.wait_for_outputs("depth/image_rect")
    player = graph.play(recording.path, "-p", "wait_for_subscribers:=all")
    observer.wait(lambda: len(depth) >= 3, "depth of the first run")
    player.interrupt()
    before = len(depth)
    graph.play(recording.path, "-p", "wait_for_subscribers:=all")
    # the stamps begin again, without /clock being followed
    observer.wait(lambda: len(depth) >= before + 3, "depth of the second run")
    assert stamp_of(depth[-1].header) in recording.stamps


def test_a_looped_and_paused_recording(graph, scene, tmp_path):
    bag = scene.record(tmp_path / "short", frames=5, rate=10.0)
    observer = graph.observer
    depth = observer.collect(Image, "/depth/image_rect", 200)
    graph.completion(*REMAP, "-p", "use_sim_time:=true", "-p", "time_jump.backward:=0.2")
    observer.wait_for_outputs("depth/image_rect")
    player = graph.play(bag, "-p", "loop:=true", "-p", "wait_for_subscribers:=all")

    def passes():
        stamps = [stamp_of(message.header) for message in depth]
        return 1 + sum(later < earlier for earlier, later in itertools.pairwise(stamps))

    observer.wait(lambda: passes() >= 3, "three passes")
    assert observer.set_parameters("/bag_player_node", paused=True)[0].successful
    observer.spin_for(0.5)  # what was under way
    count = len(depth)
    observer.spin_for(1.0)
    assert len(depth) == count
    status = observer.status("completion")
    assert "no frame completed" not in status.message  # simulated time stands still, so nothing is late
    assert observer.set_parameters("/bag_player_node", paused=False, rate=2.0)[0].successful
    observer.wait(lambda: len(depth) >= count + 3, "depth after the pause")
    assert player.interrupt() == 0
    assert "Traceback" not in player.output
