"""Floor 4: what every live node needs, built on rclpy."""
