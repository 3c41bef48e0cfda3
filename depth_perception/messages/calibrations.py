"""The calibrations of one camera as they arrive, and the one that belongs to an image."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from depth_perception.frames import CameraModel
from depth_perception.messages.camera_info import camera_from_info
from depth_perception.messages.problem import FrontError
from depth_perception.messages.types import MessageError, stamp_of

KEPT = 32  # messages remembered by stamp, for cameras whose calibration changes while running


class Calibrations:
    """Remembers CameraInfo messages. ``add`` may be called from another thread than the rest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._infos: OrderedDict[int, Any] = OrderedDict()
        self._cameras: OrderedDict[tuple, CameraModel] = OrderedDict()

    def add(self, message: Any) -> None:
        """Remember a CameraInfo of either message family."""
        stamp = stamp_of(message.header)
        with self._lock:
            self._infos.pop(stamp, None)
            self._infos[stamp] = message
            while len(self._infos) > KEPT:
                self._infos.popitem(last=False)

    def camera(self, stamp: int, frame_id: str) -> tuple[tuple, CameraModel, tuple[str, ...]]:
        """Return cache key, camera and remarks for the image taken at ``stamp`` [ns] in ``frame_id``.

        That is the calibration with this very stamp, else the newest of this frame, else the newest
        at all with a remark. Many drivers stamp image and calibration differently, so equality is not
        asked for. Raises FrontError if there is none or it cannot be used.
        """
        with self._lock:
            info = self._infos.get(stamp)
            if info is None:
                own = [i for i in self._infos.values() if i.header.frame_id.lstrip("/") == frame_id]
                info = own[-1] if own else next(reversed(self._infos.values()), None)
        if info is None:
            raise FrontError("no_camera_info", "camera_info", "no camera_info has arrived yet")
        notes: tuple[str, ...] = ()
        info_frame = info.header.frame_id.lstrip("/")
        if info_frame != frame_id:
            notes = (f"camera_info is in frame {info_frame!r}, the image in {frame_id!r}; using it all the same",)
        key = _key(info)
        try:
            return key, self.cached(key, lambda: camera_from_info(info)), notes
        except MessageError as error:
            raise FrontError("bad_camera_info", "camera_info", str(error)) from error

    def cached(self, key: tuple, make: Callable[[], CameraModel]) -> CameraModel:
        """Return one and the same object for one ``key``, so that maps cached by identity last."""
        camera = self._cameras.get(key)
        if camera is None:
            camera = self._cameras[key] = make()
            while len(self._cameras) > 2 * KEPT:
                self._cameras.popitem(last=False)
        return camera


def _key(info: Any) -> tuple:
    """Everything in a CameraInfo that shapes the camera, hashable."""
    lower = hasattr(info, "k")
    arrays = (info.k, info.d, info.r, info.p) if lower else (info.K, info.D, info.R, info.P)
    roi = info.roi
    return (
        info.width,
        info.height,
        info.distortion_model,
        info.binning_x,
        info.binning_y,
        roi.x_offset,
        roi.y_offset,
        roi.width,
        roi.height,
        *(np.asarray(array, np.float64).tobytes() for array in arrays),
    )
