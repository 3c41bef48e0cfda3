"""Floor 5: the nodes. Entry points import rclpy only inside ``main``, so that an early Ctrl-C ends them quietly."""
