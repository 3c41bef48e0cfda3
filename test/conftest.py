"""Fixtures shared by all tests."""

from __future__ import annotations

import importlib
import os
import signal
from pathlib import Path

import pytest

# which models ship is asked once, on import: not for the first time while a test has its own folder of weights
import depth_perception.pipelines.completion_parameters  # noqa: F401

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_configure(config):
    """Refuse to run where ``make test`` promised ROS and it is not there: those tests would silently skip."""
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # in the background of a shell; tests interrupt what they start
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not os.environ.get("DEPTH_PERCEPTION_EXPECT_ROS"):
        return
    try:
        for name in ("rclpy", "depth_perception.msg", "tf2_msgs.msg", "rosbags"):
            importlib.import_module(name)
    except ImportError as error:
        raise pytest.UsageError(f"the build is broken: {error}; type: make clean && make test") from error


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout under test."""
    return REPOSITORY


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real recordings; the test is skipped on machines that have none."""
    folder = Path(os.environ.get("DEPTH_PERCEPTION_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "README.md").is_file():
        pytest.skip(f"no real recordings at {folder} (set DEPTH_PERCEPTION_DATA)")
    return folder
