from __future__ import annotations

import shutil
import sqlite3

import numpy as np
import pytest
from rosbags.typesys import Stores, get_typestore

from depth_perception.recordings.reader import Recording, RecordingError

SECOND = 1_000_000_000
KINDS = ("ros1", "sqlite3", "mcap")


@pytest.mark.parametrize("kind", KINDS)
def test_topics_and_times(bag_paths, kind):
    with Recording(bag_paths[kind]) as recording:
        topics = recording.topics()
        assert {name: (info.type, info.count) for name, info in topics.items()} == {
            "/bumper": ("robot_msgs/msg/Bumper", 4),
            "/image": ("sensor_msgs/msg/Image", 4),
            "/tf_static": ("tf2_msgs/msg/TFMessage", 1),
        }
        assert (recording.start, recording.end) == (100 * SECOND, 102 * SECOND + 1)
        assert recording.count == 9
        assert recording.is_ros1 == (kind == "ros1")
        assert topics["/tf_static"].qos.latched
        assert not topics["/image"].qos.latched
        assert topics["/image"].qos.reliability == ("reliable" if kind == "ros1" else "best_effort")
        assert topics["/image"].qos.depth == (10 if kind == "ros1" else 5)


@pytest.mark.parametrize("kind", KINDS)
def test_messages_come_in_log_order_with_custom_types(bag_paths, kind):
    with Recording(bag_paths[kind]) as recording:
        everything = list(recording.messages())
        assert [m.log_time for m in everything] == sorted(m.log_time for m in everything)
        assert everything[0].topic == "/tf_static"
        assert everything[0].message.transforms[0].child_frame_id == "camera"
        bumpers = [m.message for m in everything if m.topic == "/bumper"]
        assert [b.side for b in bumpers] == [0, 1, 2, 3]
        np.testing.assert_array_equal(bumpers[2].forces, [1.5, 2.0])
        images = list(recording.messages(["/image"], start=101 * SECOND, stop=102 * SECOND))
        assert [m.log_time for m in images] == [101 * SECOND, 101 * SECOND + SECOND // 2]
        np.testing.assert_array_equal(images[0].message.data, np.arange(6) + 1)


@pytest.mark.parametrize("kind", KINDS)
def test_raw_messages_are_ros2_cdr(bag_paths, kind):
    store = get_typestore(Stores.ROS2_JAZZY)
    with Recording(bag_paths[kind]) as recording:
        assert recording.unpublishable() == {}
        raw = list(recording.raw_messages(["/image", "/tf_static"]))
    assert [m.topic for m in raw] == ["/tf_static"] + ["/image"] * 4
    image = store.deserialize_cdr(raw[2].data, raw[2].type)
    assert (image.header.stamp.sec, image.header.stamp.nanosec, image.header.frame_id) == (101, 5, "camera")
    np.testing.assert_array_equal(image.data, np.arange(6) + 1)
    tf = store.deserialize_cdr(raw[0].data, raw[0].type)
    assert tf.transforms[0].header.frame_id == "base_link"


def test_single_files_and_folder_without_metadata(bag_paths, tmp_path):
    for kind, suffix in (("mcap", ".mcap"), ("sqlite3", ".db3")):
        file = next(bag_paths[kind].glob(f"*{suffix}"))
        with Recording(file) as recording:
            assert recording.count == 9
            assert recording.topics()["/tf_static"].qos.latched
        folder = tmp_path / kind
        folder.mkdir()
        shutil.copy(file, folder)
        with Recording(folder) as recording:
            assert len(list(recording.messages())) == 9


def test_database_without_definitions_is_read_as_jazzy(bag_paths, tmp_path):
    file = tmp_path / "old.db3"
    shutil.copy(next(bag_paths["sqlite3"].glob("*.db3")), file)
    with sqlite3.connect(file) as database:
        database.execute("DELETE FROM message_definitions")
        database.execute("DELETE FROM messages WHERE topic_id = (SELECT id FROM topics WHERE name = '/bumper')")
        database.execute("DELETE FROM topics WHERE name = '/bumper'")
    database.close()
    with Recording(file) as recording:
        images = [m.message for m in recording.messages(["/image"])]
    assert images[3].header.frame_id == "camera"


def test_type_without_definition_is_named(bag_paths, tmp_path):
    file = tmp_path / "old.db3"
    shutil.copy(next(bag_paths["sqlite3"].glob("*.db3")), file)
    with sqlite3.connect(file) as database:
        database.execute("DELETE FROM message_definitions")
    database.close()
    with Recording(file) as recording, pytest.raises(RecordingError, match=r"/bumper \[robot_msgs/msg/Bumper\]"):
        list(recording.messages())


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("gone.mcap", None, "no such file"),
        ("a.txt", b"hello", "is not a recording"),
        ("run.bag.active", b"#ROSBAG V2.0\n", "rosbag reindex"),
        ("empty.mcap", b"", "empty"),
        ("empty.bag", b"", "empty"),
        ("junk.bag", b"no bag at all, but long enough to be read\n" * 9, "rosbag reindex"),
        ("junk.db3", b"no database at all" * 99, "sqlite3"),
        ("junk.mcap", b"\x89MCAP0\r\n" + b"\0" * 200, "mcap recover"),
    ],
)
def test_unreadable_paths_say_what_to_do(tmp_path, name, content, expected):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecordingError, match=expected) as caught:
        Recording(path)
    assert str(path) in str(caught.value)


def test_folder_that_is_no_bag(tmp_path):
    with pytest.raises(RecordingError, match=r"neither metadata.yaml nor"):
        Recording(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_truncated_files_raise_one_clear_error(bag_paths, tmp_path, kind, share):
    source = bag_paths[kind] if kind == "ros1" else next(bag_paths[kind].glob("demo_*"))
    path = tmp_path / source.name
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(RecordingError, match=r"reindex|recover") as caught, Recording(path) as recording:
        list(recording.messages())
    assert str(path) in str(caught.value)


def test_unindexed_ros1_bag(bag_paths, tmp_path):
    data = bytearray(bag_paths["ros1"].read_bytes())
    at = data.index(b"index_pos=") + len(b"index_pos=")
    data[at : at + 8] = bytes(8)
    path = tmp_path / "unindexed.bag"
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=f"not indexed.*rosbag reindex {path}"):
        Recording(path)


def test_database_with_unmerged_log_is_not_read_short(bag_paths, tmp_path):
    folder = tmp_path / "bag"
    shutil.copytree(bag_paths["sqlite3"], folder)
    (folder / "demo_sqlite3.db3-wal").write_bytes(b"pages")
    with pytest.raises(RecordingError, match="wal_checkpoint"):
        Recording(folder)


def test_unknown_topic_and_closed_recording(bag_paths):
    recording = Recording(bag_paths["mcap"])
    with pytest.raises(RecordingError, match=r"no topic /imag; recorded are /bumper, /image, /tf_static"):
        list(recording.messages(["/imag"]))
    recording.close()
    recording.close()
    with pytest.raises(RecordingError, match="closed"):
        list(recording.messages())


def test_ros1_message_that_differs_in_ros2_is_refused_by_name(tmp_path):
    from rosbags.rosbag1 import Writer

    store = get_typestore(Stores.ROS1_NOETIC)
    level = store.types["rosgraph_msgs/msg/Log"]
    header = store.types["std_msgs/msg/Header"](
        seq=1, stamp=store.types["builtin_interfaces/msg/Time"](sec=1, nanosec=0), frame_id=""
    )
    log = level(header=header, level=1, name="n", msg="m", file="f", function="g", line=1, topics=["/a"])
    path = tmp_path / "log.bag"
    with Writer(path) as writer:
        link = writer.add_connection("/rosout", log.__msgtype__, typestore=store)
        writer.write(link, SECOND, store.serialize_ros1(log, log.__msgtype__))
    with Recording(path) as recording:
        kind = recording.topics()["/rosout"].type
        if kind in get_typestore(Stores.ROS2_JAZZY).fielddefs:
            assert "/rosout" in recording.unpublishable()
        assert len(list(recording.messages())) == 1
