"""Scale from odometry: the image of now is compared with one from where the camera was a way ago."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraFrame, CameraModel, DepthPrediction
from depth_perception.geometry.transforms import invert
from depth_perception.pipelines.parallax import grey, scale_from_parallax
from depth_perception.pipelines.scale_measurement import ScaleMeasurement

Matrix = NDArray[np.float64]
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class MotionSettings:
    """``baseline`` [m]: how far the camera must have moved. ``deviation``: of the odometry, a share of the way.

    ``noise`` [m]: what it is wrong by besides, and ``turn_deviation`` [rad] in its turns. ``patience`` [s] and
    ``widest_turn`` [rad]: after so long or so far an image is not compared with any more.
    """

    enabled: bool = True
    baseline: float = 0.1
    deviation: float = 0.03
    noise: float = 0.005
    turn_deviation: float = 0.002
    patience: float = 5.0
    widest_turn: float = 0.35


class _Key(NamedTuple):
    stamp: int
    image: NDArray[np.uint8]
    estimate: DepthPrediction
    T_fixed_camera: Matrix
    camera: CameraModel


class MotionScale:
    """Compares the image of now with one from ``baseline`` metres ago."""

    def __init__(self, settings: MotionSettings | None = None):
        self.settings = settings or MotionSettings()
        self._key: _Key | None = None
        self._next = 0.0  # way [m] after which it is worth comparing

    def reset(self) -> None:
        """Forget the older image."""
        self._key = None

    def measure(
        self, frame: CameraFrame, estimate: DepthPrediction, T_fixed_camera: Matrix | None
    ) -> ScaleMeasurement | None:
        """Return the scale if the camera has moved far enough since the older image, and it shows.

        ``estimate`` of this frame, in units; ``T_fixed_camera`` (4, 4) from odometry, in metres, None if not known.
        """
        if T_fixed_camera is None or frame.camera.is_distorted:
            return None
        key, settings = self._key, self.settings
        if key is None or not self._comparable(key, frame, T_fixed_camera):
            self._renew(frame, estimate, T_fixed_camera)
            return None
        T_now_key = invert(T_fixed_camera) @ key.T_fixed_camera
        way = float(np.linalg.norm(T_now_key[:3, 3]))
        if way < self._next:
            return None
        deviation = math.hypot(settings.deviation, settings.noise / way)
        found = scale_from_parallax(
            key.image, grey(frame.image), T_now_key, key.estimate, frame.camera, deviation, settings.turn_deviation
        )
        if found is None:  # what is far away needs a longer way
            self._next = way + settings.baseline
        else:
            self._renew(frame, estimate, T_fixed_camera)
        return found

    def _comparable(self, key: _Key, frame: CameraFrame, T_fixed_camera: Matrix) -> bool:
        age = (frame.stamp - key.stamp) / _NANOSECONDS
        if not 0 < age <= self.settings.patience or not np.array_equal(key.camera.K, frame.camera.K):
            return False
        turn = T_fixed_camera[:3, :3].T @ key.T_fixed_camera[:3, :3]
        angle = math.acos(float(np.clip((np.trace(turn) - 1) / 2, -1, 1)))
        return key.camera.shape == frame.camera.shape and angle < self.settings.widest_turn

    def _renew(self, frame: CameraFrame, estimate: DepthPrediction, T_fixed_camera: Matrix) -> None:
        self._next = self.settings.baseline
        self._key = _Key(frame.stamp, grey(frame.image), estimate, np.asarray(T_fixed_camera), frame.camera)
