import threading

import numpy as np
import pytest

from depth_perception.available import optional
from depth_perception.geometry.transform_tree import DisconnectedError, ExtrapolationError, UnknownFrameError
from depth_perception.geometry.transforms import make_transform
from depth_perception.messages.transform import tf_message, transform_message
from depth_perception.messages.types import rclpy_types

pytest.importorskip("rclpy")
from depth_perception.ros.tf import BufferStore, LiveTransforms, TransformListener, TreeStore

S = 1_000_000_000
BASE = 1_700_000_000 * S


def message(parent, child, stamp, x):
    T = make_transform((x, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    return transform_message(rclpy_types(), parent, child, stamp, T)


@pytest.fixture(params=["ours", "tf2_ros"])
def store(request):
    if request.param == "ours":
        return TreeStore()
    if optional("tf2_ros") is None:
        pytest.skip("tf2_ros is not installed; only our own tree is tested")
    return BufferStore()


def test_lookup_interpolates_and_static_transforms_are_ageless(store):
    live = LiveTransforms(store, timeout=0.0)
    live.insert(message("odom", "base", BASE, 0.0), static=False)
    live.insert(message("odom", "base", BASE + S, 1.0), static=False)
    live.insert(message("base", "camera", 0, 10.0), static=True)
    T = live.lookup("odom", "camera", BASE + S // 4)
    np.testing.assert_allclose(T[:3, 3], [10.25, 0, 0], atol=1e-9)
    assert live.newest("odom", "camera") == BASE + S
    assert live.newest("base", "camera") is None
    np.testing.assert_allclose(live.lookup("base", "camera", None)[0, 3], 10.0)
    T = live.lookup_full("base", BASE + S, "base", BASE, "odom")
    np.testing.assert_allclose(T[:3, 3], [-1.0, 0, 0], atol=1e-9)


def test_a_frame_is_itself_even_if_nobody_publishes_it(store):
    live = LiveTransforms(store, timeout=0.0)
    np.testing.assert_array_equal(live.lookup("camera", "/camera", BASE), np.eye(4))
    assert live.newest("camera", "camera") is None
    assert live.failures == 0


def test_failures_name_both_frames_and_are_counted(store):
    live = LiveTransforms(store, timeout=0.0)
    with pytest.raises(UnknownFrameError, match=r"(?s)lidar.*camera|camera.*lidar"):
        live.lookup("camera", "lidar", BASE)
    live.insert(message("odom", "camera", BASE, 0.0), static=False)
    live.insert(message("map", "lidar", BASE, 0.0), static=False)
    with pytest.raises(DisconnectedError, match=r"(?s)lidar.*camera|camera.*lidar"):
        live.lookup("camera", "lidar", BASE)
    with pytest.raises(ExtrapolationError, match=r"(?s)odom.*camera|camera.*odom"):
        live.lookup("odom", "camera", BASE + S)
    assert live.failures == 3


def test_a_late_transform_is_waited_for(store):
    live = LiveTransforms(store, timeout=20.0)
    live.insert(message("odom", "base", BASE, 0.0), static=False)
    timer = threading.Timer(0.05, lambda: live.insert(message("odom", "base", BASE + S, 1.0), static=False))
    timer.start()
    T = live.lookup("odom", "base", BASE + S // 2)
    timer.join()
    np.testing.assert_allclose(T[0, 3], 0.5, atol=1e-9)
    assert live.waited == 1
    assert live.failures == 0


def test_the_past_is_not_waited_for(store):
    live = LiveTransforms(store, timeout=1000.0)
    live.insert(message("odom", "base", BASE, 0.0), static=False)
    with pytest.raises(ExtrapolationError):
        live.lookup("odom", "base", BASE - S)
    with pytest.raises(ExtrapolationError):
        live.lookup_full("base", BASE - S, "base", BASE - S, "odom")


def test_close_ends_the_wait(store):
    live = LiveTransforms(store, timeout=1000.0)
    timer = threading.Timer(0.05, live.close)
    timer.start()
    with pytest.raises(UnknownFrameError):
        live.lookup("odom", "base", BASE)
    timer.join()


def test_clear_keeps_static_transforms(store):
    live = LiveTransforms(store, timeout=0.0)
    live.insert(message("odom", "base", BASE, 0.0), static=False)
    live.insert(message("base", "camera", 0, 10.0), static=True)
    live.clear()
    live.lookup("base", "camera", BASE)
    with pytest.raises((UnknownFrameError, DisconnectedError, ExtrapolationError)):
        live.lookup("odom", "camera", BASE)
    live.insert(message("odom", "base", BASE - 100 * S, 3.0), static=False)  # time has started again
    np.testing.assert_allclose(live.lookup("odom", "camera", BASE - 100 * S)[0, 3], 13.0)


def test_a_bad_transform_is_refused(store):
    live = LiveTransforms(store, timeout=0.0)
    bad = message("odom", "base", BASE, 0.0)
    bad.transform.rotation.w = float("nan")
    with pytest.raises(ValueError, match=r"(?i)nan|finite|quaternion"):
        live.insert(bad, static=False)


def test_listener_leaves_a_busy_tf_that_it_does_not_need(ros):
    listener = TransformListener(ros.node("subject"), lambda *problem: None, timeout=0.0)
    live = listener.transforms
    live.insert(message("base", "camera", 0, 10.0), static=True)
    listener.review()
    assert listener.hears_moving
    for _ in range(100):
        live.newest("base", "camera")
    listener.review()
    assert not listener.hears_moving
    with pytest.raises(UnknownFrameError):
        live.lookup("odom", "camera", BASE)
    listener.review()
    assert listener.hears_moving
    for _ in range(100):
        live.newest("base", "camera")
    live.insert(message("odom", "base", BASE, 0.0), static=False)
    live.newest("odom", "camera")  # one moving transform is needed
    listener.review()
    assert listener.hears_moving
    listener.close()
    assert not listener.hears_moving


def test_listener_hears_both_topics_and_reports_what_it_cannot_use(ros):
    from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

    kind = rclpy_types().message_class("tf2_msgs/msg/TFMessage")
    node, problems = ros.node("subject"), []
    listener = TransformListener(node, lambda *problem: problems.append(problem), timeout=0.0)
    source = ros.node("source")
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    static = source.create_publisher(kind, "/tf_static", latched)
    moving = source.create_publisher(kind, "/tf", QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT))
    broken = message("base", "lidar", 0, 0.0)
    broken.transform.rotation.w = float("nan")
    static.publish(tf_message(rclpy_types(), [broken, message("base", "camera", 0, 10.0)]))
    ros.wait(lambda: moving.get_subscription_count(), "best-effort /tf is heard")

    def known():
        moving.publish(tf_message(rclpy_types(), [message("odom", "base", BASE, 1.0)]))
        try:
            return listener.transforms.lookup("odom", "camera", BASE) is not None
        except LookupError:
            return False

    ros.wait(known, "both transforms")
    assert [(cause, topic) for cause, topic, _ in problems] == [("tf", "/tf_static")]
    source.create_publisher(kind, "/tf_static", QoSProfile(depth=1))  # volatile, as a careless player does it
    ros.wait(lambda: listener.incompatible, "the volatile publisher is reported")
    assert "/tf_static" in listener.incompatible
    assert "transient_local" in listener.incompatible
    listener.close()
