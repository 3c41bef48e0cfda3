"""Give Fast DDS room for images and clouds, unless the user has chosen a profile.

Fast DDS reads its profile when a process creates its first participant, so this must come before ``rclpy.init``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping

from depth_perception.ros.share import share_file

PROFILE = "config/fastdds_large_messages.xml"
# Fast DDS 3 reads the first, Fast DDS 2 (Jazzy) the second
VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")


def profile_variables(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment variables to set: none if the user has set either, else both.

    Raises FileNotFoundError if the package's profile is not installed.
    """
    if any(environment.get(name) for name in VARIABLES):
        return {}
    return dict.fromkeys(VARIABLES, str(share_file(PROFILE, environment)))


def use_profile(environment: MutableMapping[str, str] = os.environ) -> dict[str, str]:
    """Set the variables of ``profile_variables`` in ``environment`` and return what was set."""
    variables = profile_variables(environment)
    environment.update(variables)
    return variables
