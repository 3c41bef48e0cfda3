"""Estimation on a robot: ros2 launch depth_perception estimation.launch.py image:=/camera/image_raw."""

from depth_perception.nodes.launches import ESTIMATION
from depth_perception.ros.launch_actions import launch_description


def generate_launch_description():
    """Return what ``ros2 launch`` runs; the arguments are described in depth_perception/nodes/launches.py."""
    return launch_description(ESTIMATION)
