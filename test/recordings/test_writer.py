from __future__ import annotations

import numpy as np
import pytest
import yaml
from rosbags.typesys import Stores, get_typestore

from depth_perception.recordings.qos import QosProfile
from depth_perception.recordings.reader import Recording, RecordingError
from depth_perception.recordings.writer import RecordingWriter

STORE = get_typestore(Stores.ROS2_JAZZY)
SECOND = 1_000_000_000


def text(value: str):
    return STORE.types["std_msgs/msg/String"](data=value)


def tf():
    return STORE.types["tf2_msgs/msg/TFMessage"](transforms=[])


@pytest.mark.parametrize("compress", [True, False])
def test_round_trip(tmp_path, compress):
    with RecordingWriter(tmp_path / "new" / "bag", compress=compress) as writer:
        writer.write("/tf_static", tf(), 5 * SECOND)
        for k in range(20):
            writer.write("/a", text(f"{k}" * 1000), 5 * SECOND + k)
        writer.write_raw(
            "/b", "std_msgs/msg/String", STORE.serialize_cdr(text("raw"), "std_msgs/msg/String"), 6 * SECOND
        )
    with Recording(tmp_path / "new" / "bag") as recording:
        assert recording.topics()["/tf_static"].qos == QosProfile("reliable", "transient_local", "keep_last", 1)
        assert [m.message.data for m in recording.messages(["/a"])] == [f"{k}" * 1000 for k in range(20)]
        assert next(recording.messages(["/b"])).message.data == "raw"


def test_metadata_lets_rosbag2_latch_tf_static(tmp_path):
    own = QosProfile("best_effort", "volatile", "keep_last", 5)
    with RecordingWriter(tmp_path / "bag", qos={"/a": own}) as writer:
        writer.write("/tf_static", tf(), 1)
        writer.write("/a", text("x"), 2)
    info = yaml.safe_load((tmp_path / "bag" / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert (info["version"], info["storage_identifier"], info["message_count"]) == (9, "mcap", 2)
    offered = {
        t["topic_metadata"]["name"]: t["topic_metadata"]["offered_qos_profiles"][0]
        for t in info["topics_with_message_count"]
    }
    assert (offered["/tf_static"]["durability"], offered["/tf_static"]["reliability"]) == (
        "transient_local",
        "reliable",
    )
    assert (offered["/a"]["durability"], offered["/a"]["reliability"], offered["/a"]["depth"]) == (
        "volatile",
        "best_effort",
        5,
    )


def test_what_was_written_survives_an_exception(tmp_path):
    def recorder():
        with RecordingWriter(tmp_path / "bag") as writer:
            writer.write("/a", text("kept"), 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recorder()
    with Recording(tmp_path / "bag") as recording:
        assert [m.message.data for m in recording.messages()] == ["kept"]


def test_empty_recording_is_readable(tmp_path):
    with RecordingWriter(tmp_path / "bag"):
        pass
    with Recording(tmp_path / "bag") as recording:
        assert list(recording.messages()) == []
        assert (recording.start, recording.end, recording.topics()) == (0, 0, {})


def test_mistakes_are_named(tmp_path):
    path = tmp_path / "bag"
    with RecordingWriter(path) as writer:
        writer.write("/a", text("x"), 1)
        with pytest.raises(RecordingError, match=r"/a holds std_msgs/msg/String"):
            writer.write("/a", tf(), 2)
        with pytest.raises(RecordingError, match="not a rosbags message"):
            writer.write("/b", np.zeros(3), 2)
        with pytest.raises(RecordingError, match=r"no definition of my_msgs/msg/X"):
            writer.write_raw("/b", "my_msgs/msg/X", b"", 2)
        with pytest.raises(RecordingError, match="log time -1"):
            writer.write("/a", text("x"), -1)
        with pytest.raises(RecordingError, match=r"cannot serialise std_msgs/msg/String"):
            writer.write("/a", STORE.types["std_msgs/msg/String"](data=3), 2)
    with pytest.raises(RecordingError, match="closed"):
        writer.write("/a", text("x"), 3)
    with pytest.raises(RecordingError, match="exists already"):
        RecordingWriter(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="cannot be created"):
        RecordingWriter(tmp_path / "file" / "bag")
