"""Objects on a robot: ros2 launch depth_perception decomposition.launch.py image:=/rgb/image depth:=/depth/image."""

from depth_perception.nodes.launches import DECOMPOSITION
from depth_perception.ros.launch_actions import launch_description


def generate_launch_description():
    """Return what ``ros2 launch`` runs; the arguments are described in nodes/decomposition_launch.py."""
    return launch_description(DECOMPOSITION)
