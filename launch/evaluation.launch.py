"""Score a recording: ros2 launch depth_perception evaluation.launch.py bag:=/data/drive.mcap."""

from depth_perception.nodes.launches import EVALUATION
from depth_perception.ros.launch_actions import launch_description


def generate_launch_description():
    """Return what ``ros2 launch`` runs; the arguments are described in depth_perception/nodes/launches.py."""
    return launch_description(EVALUATION)
