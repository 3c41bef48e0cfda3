import subprocess
import sys


def test_nothing_heavy_is_imported_before_main(repository):
    """Ctrl-C while ROS or NumPy are being imported must find the signal handlers in place."""
    program = (
        "import sys, depth_perception.nodes.estimation_node as entry; assert callable(entry.main);"
        "sys.exit(', '.join({'rclpy', 'numpy', 'cv2', 'torch'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
