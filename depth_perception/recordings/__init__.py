"""Floor 3: recordings (ROS 1 and ROS 2 bags) in, out, and played back on a schedule."""
