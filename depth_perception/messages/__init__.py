"""Floor 3: what ROS messages mean, as arrays and back; rclpy and rosbags messages alike."""
