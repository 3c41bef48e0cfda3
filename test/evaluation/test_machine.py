from __future__ import annotations

import platform

import cv2
import numpy as np

import depth_perception
from depth_perception.evaluation.machine import machine, versions


def test_versions_are_those_in_use():
    found = versions()
    assert found["Python"] == platform.python_version()
    assert found["NumPy"] == np.__version__
    assert found["OpenCV"] == cv2.__version__
    assert found["depth_perception"] == depth_perception.__version__


def test_machine_is_described_the_same_every_time():
    assert machine() == machine()
    assert set(machine()) == {"Processor", "Cores", "Memory", "System"}
    assert all(machine().values())
