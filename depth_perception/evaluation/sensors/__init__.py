"""Simulated depth sensors, the same for training, tests and benchmark: NumPy only, seeded by the generator passed in.

A ``Sensor`` is a pattern (which points a device measures) and a corruption (what goes wrong with them);
``sensor.scan(frame, rng)`` gives the sparse depth image a completer gets, and which of its points are right.
"""

from depth_perception.evaluation.sensors.corruption import CLEAN, Corruption
from depth_perception.evaluation.sensors.lidar import SolidState, Spinning
from depth_perception.evaluation.sensors.scan import Frame, Points, Scan, SecondView, make_scan
from depth_perception.evaluation.sensors.scattered import Corners, Nothing, Uniform
from depth_perception.evaluation.sensors.sensor import Sensor, random_corruption, random_pattern, random_sensor
from depth_perception.evaluation.sensors.stereo import Stereo
from depth_perception.evaluation.sensors.time_of_flight import TimeOfFlight

__all__ = [
    "CLEAN",
    "Corners",
    "Corruption",
    "Frame",
    "Nothing",
    "Points",
    "Scan",
    "SecondView",
    "Sensor",
    "SolidState",
    "Spinning",
    "Stereo",
    "TimeOfFlight",
    "Uniform",
    "make_scan",
    "random_corruption",
    "random_pattern",
    "random_sensor",
]
