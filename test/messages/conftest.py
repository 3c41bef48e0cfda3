"""Both families of messages, for every test that makes one."""

from __future__ import annotations

import importlib.util

import pytest

from depth_perception.messages.types import RosbagsTypes, rclpy_types, rosbags_types


def _family(name: str):
    if name == "rclpy":
        if importlib.util.find_spec("sensor_msgs") is None:
            pytest.skip("sensor_msgs is not importable (no ROS environment)")
        return rclpy_types()
    pytest.importorskip("rosbags")
    if name == "ros1":
        from rosbags.typesys import Stores, get_typestore

        return RosbagsTypes(get_typestore(Stores.ROS1_NOETIC))
    return rosbags_types()


@pytest.fixture(scope="session", params=["rclpy", "rosbags"])
def types(request):
    """The two families that our nodes and tools make messages of."""
    return _family(request.param)


@pytest.fixture(scope="session", params=["rclpy", "rosbags", "ros1"])
def read_types(request):
    """The families that we read: also the messages of a ROS 1 bag."""
    return _family(request.param)
