"""``python -m depth_perception`` is the command ``depth_perception``."""

import sys

from depth_perception.cli import main

if __name__ == "__main__":
    sys.exit(main())
