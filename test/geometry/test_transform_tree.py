"""The transform tree: its rules one by one, and against real tf2 where that is installed."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_perception import available
from depth_perception.geometry import transforms
from depth_perception.geometry.transform_tree import (
    DisconnectedError,
    ExtrapolationError,
    TransformError,
    TransformTree,
    UnknownFrameError,
)

SECOND = 1_000_000_000


def shift(x=0.0, y=0.0, z=0.0, yaw=0.0):
    return transforms.make_transform([x, y, z], [0, 0, np.sin(yaw / 2), np.cos(yaw / 2)])


def moving(tree, parent="odom", child="base", stamps=(0, 1, 2)):
    for s in stamps:
        tree.insert(parent, child, s * SECOND, shift(x=float(s)))


def test_static_links_hold_at_any_time_and_chain_both_ways():
    tree = TransformTree()
    tree.insert("base", "lidar", 0, shift(z=2.0, yaw=0.3), static=True)
    tree.insert("/base", "/camera", 0, shift(x=1.0, yaw=-0.2), static=True)
    expected = transforms.invert(shift(x=1.0, yaw=-0.2)) @ shift(z=2.0, yaw=0.3)
    for stamp in (None, 0, 5 * SECOND):
        np.testing.assert_allclose(tree.lookup("camera", "/lidar", stamp), expected, atol=1e-12)
    np.testing.assert_allclose(tree.lookup("lidar", "camera", None), transforms.invert(expected), atol=1e-12)
    assert tree.newest("camera", "lidar") is None


def test_moving_links_are_interpolated():
    tree = TransformTree()
    tree.insert("odom", "base", 0, shift(x=0.0, yaw=0.0))
    tree.insert("odom", "base", SECOND, shift(x=2.0, yaw=0.8))
    np.testing.assert_allclose(tree.lookup("odom", "base", SECOND // 4), shift(x=0.5, yaw=0.2), atol=1e-9)


def test_newest_common_time_is_that_of_the_slowest_link():
    tree = TransformTree()
    moving(tree, "map", "odom", (0, 1, 2, 3))
    moving(tree, "odom", "base", (0, 1, 2))
    tree.insert("base", "lidar", 0, shift(z=1.0), static=True)
    assert tree.newest("map", "lidar") == 2 * SECOND
    assert tree.newest("odom", "map") == 3 * SECOND
    np.testing.assert_allclose(tree.lookup("map", "lidar", None), shift(x=4.0, z=1.0), atol=1e-12)


@pytest.mark.parametrize(("stamp", "words"), [(2.045, "0.045 s newer"), (-0.5, "0.500 s older")])
def test_extrapolation_is_refused_in_words_a_user_can_act_on(stamp, words):
    tree = TransformTree()
    moving(tree)
    tree.insert("base", "lidar", 0, shift(), static=True)
    with pytest.raises(ExtrapolationError) as caught:
        tree.lookup("odom", "lidar", round(stamp * SECOND))
    text = str(caught.value)
    for part in ("'lidar'", "'odom'", "'base' to 'odom'", "from 0.000000000 s to 2.000000000 s", words):
        assert part in text


def test_the_link_named_by_an_extrapolation_is_on_the_way():
    tree = TransformTree()
    tree.insert("earth", "map", 0, shift())  # above the common ancestor: its gap must not matter nor be blamed
    moving(tree, "map", "a")
    moving(tree, "map", "b", (0, 1, 2, 3, 4))
    assert tree.lookup("a", "b", SECOND).shape == (4, 4)
    for pair in (("a", "b"), ("b", "a")):
        with pytest.raises(ExtrapolationError, match="'a' to 'map' is known"):
            tree.lookup(*pair, 3 * SECOND)


def test_a_single_stamp_is_good_for_that_stamp_only():
    tree = TransformTree()
    tree.insert("odom", "base", 7, shift(x=1.0))
    np.testing.assert_allclose(tree.lookup("odom", "base", 7), shift(x=1.0))
    with pytest.raises(ExtrapolationError, match=r"only at 0\.000000007 s"):
        tree.lookup("odom", "base", 8)


def test_unknown_and_disconnected_frames():
    tree = TransformTree()
    with pytest.raises(UnknownFrameError, match=r"'camera' is unknown.*no transform yet"):
        tree.lookup("camera", "lidar", None)
    tree.insert("base", "camera", 0, shift(), static=True)
    moving(tree, "world", "lidar")
    for stamp in (None, 0, 100 * SECOND):
        with pytest.raises(DisconnectedError, match="'lidar' under 'world' and 'camera' under 'base'"):
            tree.lookup("camera", "lidar", stamp)
    for pair in (("camera", "radar"), ("radar", "camera")):
        with pytest.raises(UnknownFrameError, match=r"'radar' is unknown.*base, camera, lidar, world"):
            tree.lookup(*pair, 0)
    assert issubclass(UnknownFrameError, TransformError)
    assert issubclass(TransformError, LookupError)


def test_a_frame_in_itself_is_the_identity_at_any_time_known_or_not():
    tree = TransformTree()
    moving(tree)
    for frame in ("odom", "base", "never_heard_of"):
        np.testing.assert_array_equal(tree.lookup(frame, frame, 99 * SECOND), np.eye(4))
        assert tree.newest(frame, frame) is None


def test_lookup_full_goes_through_the_fixed_frame():
    tree = TransformTree()
    moving(tree)
    tree.insert("base", "lidar", 0, shift(z=1.0), static=True)
    tree.insert("base", "camera", 0, shift(y=1.0), static=True)
    T = tree.lookup_full("camera", 2 * SECOND, "lidar", SECOND, "odom")
    np.testing.assert_allclose(T, shift(x=-1.0, y=-1.0, z=1.0), atol=1e-12)
    np.testing.assert_allclose(tree.lookup_full("camera", None, "lidar", None, "odom")[:3, 3], [0, -1, 1], atol=1e-12)


def test_out_of_order_and_repeated_stamps():
    tree = TransformTree()
    for s in (0, 4, 2):
        tree.insert("odom", "base", s * SECOND, shift(x=float(s * s)))
    np.testing.assert_allclose(tree.lookup("odom", "base", 3 * SECOND)[0, 3], 10.0)
    tree.insert("odom", "base", 2 * SECOND, shift(x=8.0))
    np.testing.assert_allclose(tree.lookup("odom", "base", 2 * SECOND)[0, 3], 8.0)
    np.testing.assert_allclose(tree.lookup("odom", "base", 3 * SECOND)[0, 3], 12.0)


def test_the_cache_is_bounded_by_time():
    tree = TransformTree(cache_time_s=2.0)
    for s in range(10):
        assert tree.insert("odom", "base", s * SECOND, shift(x=float(s)))
    assert not tree.insert("odom", "base", 6 * SECOND, shift())
    tree.lookup("odom", "base", 7 * SECOND)
    with pytest.raises(ExtrapolationError, match=r"from 7\.0"):
        tree.lookup("odom", "base", 7 * SECOND - 1)
    everything = TransformTree(cache_time_s=None)
    moving(everything, stamps=range(100))
    everything.lookup("odom", "base", 0)
    with pytest.raises(ValueError, match="cache_time_s"):
        TransformTree(0.0)


def test_a_frame_may_change_its_parent():
    tree = TransformTree()
    moving(tree, "map", "left", (0, 10))
    moving(tree, "map", "right", (0, 10))
    tree.insert("left", "load", 0, shift(y=1.0))
    tree.insert("right", "load", 2 * SECOND, shift(y=-1.0))
    tree.insert("right", "load", 4 * SECOND, shift(y=-2.0))
    assert tree.lookup("left", "load", SECOND)[1, 3] == pytest.approx(1.0)  # before the change: the old parent, held
    assert tree.lookup("right", "load", 3 * SECOND)[1, 3] == pytest.approx(-1.5)
    assert tree.frames() == {"left": "map", "right": "map", "load": "right", "map": None}


def test_a_parent_of_the_past_stays_a_known_frame():
    tree = TransformTree()
    tree.insert("old", "load", 0, shift(y=1.0))
    tree.insert("new", "load", 2 * SECOND, shift(y=-1.0))
    assert tree.lookup("old", "load", 0)[1, 3] == pytest.approx(1.0)
    with pytest.raises(DisconnectedError):
        tree.lookup("old", "load", 2 * SECOND)


def test_static_and_moving_replace_each_other():
    tree = TransformTree()
    tree.insert("base", "lidar", 0, shift(z=1.0))
    tree.insert("base", "lidar", 0, shift(z=2.0), static=True)
    assert tree.lookup("base", "lidar", 50)[2, 3] == pytest.approx(2.0)
    tree.insert("base", "lidar", 0, shift(z=3.0), static=True)
    assert tree.lookup("base", "lidar", 50)[2, 3] == pytest.approx(3.0)
    tree.insert("base", "lidar", 9, shift(z=4.0))
    with pytest.raises(ExtrapolationError):
        tree.lookup("base", "lidar", 50)


def test_clear_keeps_static_links():
    tree = TransformTree()
    moving(tree)
    tree.insert("base", "lidar", 0, shift(z=1.0), static=True)
    tree.clear()
    assert tree.lookup("base", "lidar", 0)[2, 3] == pytest.approx(1.0)
    with pytest.raises(UnknownFrameError):
        tree.lookup("odom", "lidar", 0)
    assert tree.insert("odom", "base", -5 * SECOND, shift())


def test_a_loop_of_parents_ends_in_an_error():
    tree = TransformTree()
    tree.insert("b", "a", 0, shift(), static=True)
    tree.insert("a", "b", 0, shift(), static=True)
    tree.insert("d", "c", 0, shift(), static=True)
    for pair in (("c", "a"), ("a", "c")):
        for stamp in (None, 0):
            with pytest.raises(TransformError):
                tree.lookup(*pair, stamp)


@pytest.mark.parametrize(
    ("parent", "child", "T", "message"),
    [
        ("base", "lidar", np.full((4, 4), np.inf), "'lidar' to 'base'.*not finite"),
        ("base", "lidar", np.diag([1.1, 1.0, 1.0, 1.0]), "'lidar' to 'base'.*unit length"),
        ("base", "/base", np.eye(4), "'base' to itself"),
        ("", "base", np.eye(4), "name is empty"),
        ("base", "/", np.eye(4), "name is empty"),
    ],
)
def test_insert_refuses_nonsense_and_names_the_frames(parent, child, T, message):
    with pytest.raises(ValueError, match=message):
        TransformTree().insert(parent, child, 0, T)


def test_many_threads_at_once():
    tree = TransformTree(cache_time_s=0.5)
    tree.insert("odom", "base", 0, shift())
    failures = []

    def write():
        for i in range(1, 2000):
            tree.insert("odom", "base", i * 1_000_000, shift(x=i * 0.001))

    def read():
        try:
            for _ in range(500):
                tree.lookup("odom", "base", None)
                tree.frames()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=f) for f in (write, read, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert tree.lookup("odom", "base", None)[0, 3] == pytest.approx(1.999)


# --- against tf2 -------------------------------------------------------------------------------------------------

FRAMES = ["a", "b", "c", "d", "e", "f"]
angle = st.floats(-1.5, 1.5)
inserts = st.lists(
    st.tuples(
        st.sampled_from(FRAMES[:-1]),
        st.integers(1, 5),
        st.integers(1, 40),
        st.tuples(angle, angle, angle, st.floats(-5, 5)),
        st.booleans(),
    ),
    min_size=3,
    max_size=30,
)
queries = st.lists(
    st.tuples(st.sampled_from([*FRAMES, "zz"]), st.sampled_from(FRAMES), st.none() | st.integers(1, 41)),
    min_size=4,
    max_size=20,
)


@settings(max_examples=150, deadline=None)
@given(inserts, queries, st.dictionaries(st.sampled_from(FRAMES), st.booleans()))
def test_agrees_with_tf2(steps, asked, static_by_child):
    """Random trees with reparenting, out-of-order stamps and gaps: same answer, or a refusal of the same kind."""
    if available.optional("tf2_ros") is None:
        pytest.skip("tf2_ros is not installed")
    import tf2_py
    from geometry_msgs.msg import TransformStamped
    from rclpy.duration import Duration
    from rclpy.time import Time

    # within the bound of the cache: beyond it tf2 forgets one insertion later than we do
    core, tree = tf2_py.BufferCore(Duration(seconds=10.0)), TransformTree(cache_time_s=10.0)
    seen = set()
    for child, hop, tick, (roll, pitch, yaw, x), _ in steps:
        parent = FRAMES[min(FRAMES.index(child) + hop, len(FRAMES) - 1)]  # upwards only: no loops
        stamp = tick * SECOND // 10
        if (child, stamp) in seen:
            continue  # the one documented difference
        seen.add((child, stamp))
        quaternion = np.array([roll, pitch, yaw, 1.0]) / np.linalg.norm([roll, pitch, yaw, 1.0])
        message = TransformStamped()
        message.header.frame_id, message.child_frame_id = parent, child
        message.header.stamp = Time(nanoseconds=stamp).to_msg()
        message.transform.translation.x = x
        rotation = message.transform.rotation
        rotation.x, rotation.y, rotation.z, rotation.w = quaternion.tolist()
        static = static_by_child.get(child, False)
        if static:
            core.set_transform_static(message, "test")
        else:
            core.set_transform(message, "test")
        tree.insert(parent, child, stamp, transforms.make_transform([x, 0, 0], quaternion), static)
    pairs = {(child, min(FRAMES.index(child) + hop, len(FRAMES) - 1)) for child, hop, *_ in steps}
    reparented = len(pairs) > len({child for child, _ in pairs})
    kinds = {
        tf2_py.LookupException: UnknownFrameError,
        tf2_py.ConnectivityException: DisconnectedError,
        tf2_py.ExtrapolationException: ExtrapolationError,
    }
    for target, source, tick in asked:
        stamp = None if tick is None else tick * SECOND // 10
        reply = refusal = None
        try:
            reply = core.lookup_transform_core(target, source, Time(nanoseconds=stamp or 0)).transform
        except tuple(kinds) as error:
            refusal = kinds[type(error)]
        if refusal is not None:
            with pytest.raises(TransformError) as caught:
                tree.lookup(target, source, stamp)
            # for separate trees with a gap on the way tf2 names either cause, and so it is with changed parents
            if not reparented and (refusal is not ExtrapolationError or caught.type is ExtrapolationError):
                assert caught.type is refusal, caught.value
            continue
        t, q = reply.translation, reply.rotation
        expected = transforms.make_transform([t.x, t.y, t.z], [q.x, q.y, q.z, q.w])
        np.testing.assert_allclose(tree.lookup(target, source, stamp), expected, atol=1e-6)
