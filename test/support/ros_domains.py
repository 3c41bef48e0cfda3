"""A private ROS domain for each test, so that tests may run side by side on one machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def own_domain() -> Iterator[int]:
    """Reserve a ROS domain from 1 to 100 that no other test process of this machine uses, by a locked file."""
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    folder = Path(tempfile.gettempdir()) / f"depth_perception_test_domains.{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for offset in range(100):
        domain = 1 + (os.getpid() + offset) % 100
        handle = (folder / str(domain)).open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            continue
        try:
            yield domain
        finally:
            handle.close()
        return
    raise RuntimeError("all ROS domains from 1 to 100 are in use by other tests")
