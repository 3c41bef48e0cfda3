"""Tiny recordings in every format, with the same content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from depth_perception.recordings.qos import QosProfile, to_rosbags

SECOND = 1_000_000_000
CUSTOM = "robot_msgs/msg/Bumper"
CUSTOM_TEXT = "uint8 side\nfloat32[] forces\nstd_msgs/Header header\n"


def stores(kind: str):
    store = get_typestore(Stores.ROS1_NOETIC if kind == "ros1" else Stores.ROS2_JAZZY)
    store.register(get_types_from_msg(CUSTOM_TEXT, CUSTOM))
    if kind == "ros1":
        tf = "tf2_msgs/msg/TFMessage"
        store.register(get_types_from_msg("geometry_msgs/TransformStamped[] transforms\n", tf))
    return store


def contents(store, ros1: bool):
    """Yield topic, message, log time: /tf_static at 0 s, then an image and a bumper every 0.5 s."""
    types = store.types
    seq = {"seq": 7} if ros1 else {}

    def header(seconds, frame):
        time = types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=5)
        return types["std_msgs/msg/Header"](stamp=time, frame_id=frame, **seq)

    pose = types["geometry_msgs/msg/Transform"](
        translation=types["geometry_msgs/msg/Vector3"](x=0.5, y=0.0, z=0.0),
        rotation=types["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=0.0, w=1.0),
    )
    stamped = types["geometry_msgs/msg/TransformStamped"](
        header=header(100, "base_link"), child_frame_id="camera", transform=pose
    )
    yield "/tf_static", types["tf2_msgs/msg/TFMessage"](transforms=[stamped]), 100 * SECOND
    for k in range(4):
        image = types["sensor_msgs/msg/Image"](
            header=header(100 + k, "camera"),
            height=2,
            width=3,
            encoding="mono8",
            is_bigendian=0,
            step=3,
            data=np.arange(6, dtype=np.uint8) + k,
        )
        yield "/image", image, 100 * SECOND + (k + 1) * SECOND // 2
        bumper = types[CUSTOM](side=k, forces=np.array([1.5, k], np.float32), header=header(100 + k, "bumper"))
        yield "/bumper", bumper, 100 * SECOND + (k + 1) * SECOND // 2 + 1


def write_bag(folder: Path, kind: str) -> Path:
    """Write the contents as kind ros1, sqlite3 or mcap; return the path to open."""
    store = stores(kind)
    if kind == "ros1":
        path = folder / "demo.bag"
        with Writer1(path) as writer:
            links = {}
            for topic, message, time in contents(store, True):
                if topic not in links:
                    latching = 1 if topic == "/tf_static" else None
                    links[topic] = writer.add_connection(topic, message.__msgtype__, typestore=store, latching=latching)
                writer.write(links[topic], time, store.serialize_ros1(message, message.__msgtype__))
        return path
    path = folder / f"demo_{kind}"
    plugin = StoragePlugin.MCAP if kind == "mcap" else StoragePlugin.SQLITE3
    with Writer2(path, version=8 if kind == "sqlite3" else 9, storage_plugin=plugin) as writer:
        links = {}
        for topic, message, time in contents(store, False):
            if topic not in links:
                profile = (
                    QosProfile(durability="transient_local", depth=1)
                    if topic == "/tf_static"
                    else QosProfile(reliability="best_effort", depth=5)
                )
                links[topic] = writer.add_connection(
                    topic, message.__msgtype__, typestore=store, offered_qos_profiles=[to_rosbags(profile)]
                )
            writer.write(links[topic], time, store.serialize_cdr(message, message.__msgtype__))
    return path


@pytest.fixture(scope="session")
def bag_paths(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bags")
    return {kind: write_bag(folder, kind) for kind in ("ros1", "sqlite3", "mcap")}
