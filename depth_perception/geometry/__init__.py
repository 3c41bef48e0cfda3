"""Floor 1: cameras, rigid transforms and where range points fall in an image. NumPy and OpenCV only."""
