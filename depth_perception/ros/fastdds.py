"""Give Fast DDS room for images and clouds, unless the user has chosen a profile.

Fast DDS reads its profile when a process creates its first participant, so this must come before ``rclpy.init``.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from depth_perception.ros.share import share_file

LARGE = "config/fastdds_large_messages.xml"
SMALL = "config/fastdds_small_shared_memory.xml"
SHARED_MEMORY = Path("/dev/shm")
ENOUGH = 512 * 2**20  # bytes: the large profile takes 64 MiB for each process of the graph
# Fast DDS 3 reads the first, Fast DDS 2 (Jazzy) the second
VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")


def profile_name(shared_memory: Path = SHARED_MEMORY) -> str:
    """Return which profile of the package fits the shared memory that is free now.

    A segment that does not fit is not used at all: Fast DDS then falls back to UDP, and best-effort images are lost.
    """
    if shared_memory.is_dir() and shutil.disk_usage(shared_memory).free < ENOUGH:
        return SMALL
    return LARGE


def profile_variables(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment variables to set: none if the user has set either, else both.

    Raises FileNotFoundError if the package's profiles are not installed.
    """
    if any(environment.get(name) for name in VARIABLES):
        return {}
    return dict.fromkeys(VARIABLES, str(share_file(profile_name(), environment)))


def use_profile(environment: MutableMapping[str, str] = os.environ) -> dict[str, str]:
    """Set the variables of ``profile_variables`` in ``environment`` and return what was set."""
    variables = profile_variables(environment)
    environment.update(variables)
    return variables


if __name__ == "__main__":  # scripts/env.sh evaluates these lines
    for name, value in profile_variables().items():
        print(f"export {name}={shlex.quote(value)}")
