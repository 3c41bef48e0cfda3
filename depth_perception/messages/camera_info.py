"""``sensor_msgs/msg/CameraInfo`` to a camera model of the image it comes with, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel
from depth_perception.geometry.camera import crop_and_bin
from depth_perception.messages.types import MessageError, MessageTypes, header, require_fields

CAMERA_INFO = "sensor_msgs/msg/CameraInfo"

#: Distortion models by the names drivers use: our name, and how many coefficients are allowed.
DISTORTION_MODELS = {
    "plumb_bob": ("plumb_bob", (4, 5)),
    "rational_polynomial": ("rational_polynomial", (8, 12, 14)),
    "equidistant": ("equidistant", (4,)),
    "fisheye": ("equidistant", (4,)),
}
_UNDISTORTED = ("", "none")


def camera_from_info(message: Any) -> CameraModel:
    """Return the camera of the image published with ``message``, binning and region of interest applied.

    A CameraInfo describes the full image of the sensor; its ``roi`` and ``binning`` tell which part of it
    the image shows, at which size. A region of zero size is the full image, binning 0 is 1. Distortion
    models are plumb_bob (5 coefficients, or 4 without k3), rational_polynomial (8, 12 or 14),
    equidistant or fisheye (4); no coefficients, or all zero in the first two, mean none. R of zeros is the
    identity, P of zeros is None. Reads ROS 2's k, d, r, p and ROS 1's K, D, R, P.
    Raises MessageError, naming the field, for an uncalibrated camera and everything not understood.
    """
    require_fields(message, CAMERA_INFO, "width", "height", "distortion_model", "binning_x", "binning_y", "roi")
    width, height = int(message.width), int(message.height)
    if width <= 0 or height <= 0:
        raise MessageError(f"width x height: {width} x {height}, expected the size of the camera's full image")
    K = _numbers(message, "k", 9).reshape(3, 3)
    if K[0, 0] <= 0 or K[1, 1] <= 0:
        raise MessageError(
            f"k: focal lengths {K[0, 0]:g} and {K[1, 1]:g}, expected positive ones; the camera is not calibrated"
        )
    name, D = _distortion(message)
    R = _numbers(message, "r", 9).reshape(3, 3)
    P = _numbers(message, "p", 12).reshape(3, 4)
    full = CameraModel(width, height, K, D, name, R if np.any(R) else np.eye(3), P.copy() if np.any(P) else None)
    return _shown_part(message, full)


def info_from_camera(types: MessageTypes, camera: CameraModel, stamp: int, frame_id: str) -> Any:
    """Return the CameraInfo of images of ``camera``: its own size is the full size, nothing is binned or cut.

    A camera without distortion is written as plumb_bob with zeros, which every ROS tool understands, and
    a missing P as [K | 0]. ``stamp`` is in nanoseconds. Raises MessageError for an unknown distortion model.
    """
    model, D = camera.distortion_model, np.asarray(camera.D, np.float64).reshape(-1)
    if model == "none":
        model, D = "plumb_bob", np.zeros(5)
    elif model not in DISTORTION_MODELS:
        raise MessageError(f"distortion_model: {model!r}, expected none or one of {', '.join(DISTORTION_MODELS)}")
    P = np.hstack([camera.K, np.zeros((3, 1))]) if camera.P is None else camera.P
    return types.make(
        CAMERA_INFO,
        header=header(types, stamp, frame_id),
        width=int(camera.width),
        height=int(camera.height),
        distortion_model=model,
        d=D,
        k=camera.K,
        r=camera.R,
        p=P,
    )


def _shown_part(message: Any, full: CameraModel) -> CameraModel:
    binning_x, binning_y = max(int(message.binning_x), 1), max(int(message.binning_y), 1)
    roi = message.roi
    x, y, width, height = int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height)
    if width == 0 or height == 0:
        x, y, width, height = 0, 0, full.width, full.height
    if x + width > full.width or y + height > full.height:
        raise MessageError(
            f"roi: {width} x {height} pixels at ({x}, {y}) reach beyond the full image of {full.width} x {full.height}"
        )
    if width // binning_x == 0 or height // binning_y == 0:
        raise MessageError(f"binning: {binning_x} x {binning_y} leaves nothing of {width} x {height} pixels")
    if (x, y, width, height, binning_x, binning_y) == (0, 0, full.width, full.height, 1, 1):
        return full
    return crop_and_bin(full, x, y, width, height, binning_x, binning_y)


def _distortion(message: Any) -> tuple[str, NDArray[np.float64]]:
    given = str(message.distortion_model).strip()
    D = _numbers(message, "d", None)
    if given.lower() in _UNDISTORTED:
        if np.any(D):
            raise MessageError(
                f"distortion_model: {given!r} with coefficients {D.tolist()}, expected one of "
                f"{', '.join(DISTORTION_MODELS)}"
            )
        return "none", np.zeros(0)
    if given.lower() not in DISTORTION_MODELS:
        raise MessageError(f"distortion_model: {given!r}, expected one of {', '.join(DISTORTION_MODELS)}, or none")
    name, counts = DISTORTION_MODELS[given.lower()]
    if D.size == 0:
        return "none", D
    if D.size not in counts:
        raise MessageError(
            f"d: {D.size} coefficients for distortion_model {given}, expected {' or '.join(map(str, counts))}"
        )
    if name == "equidistant":  # even with zeros this is no pinhole camera
        return name, D
    if not np.any(D):
        return "none", np.zeros(0)
    if name == "plumb_bob":
        return name, np.concatenate([D, np.zeros(5 - D.size)])
    return name, D if np.any(D[8:]) else D[:8]


def _numbers(message: Any, name: str, size: int | None) -> NDArray[np.float64]:
    """Return a float64 copy of field ``name``, in lower case or, in ROS 1, upper case."""
    value = getattr(message, name, None)
    if value is None:
        value = getattr(message, name.upper(), None)
    if value is None:
        raise MessageError(f"{name}: missing, expected a {CAMERA_INFO}")
    numbers = np.array(value, np.float64).reshape(-1)
    if size is not None and numbers.size != size:
        raise MessageError(f"{name}: {numbers.size} numbers, expected {size}")
    if not np.isfinite(numbers).all():
        raise MessageError(f"{name}: {numbers.tolist()} holds numbers that are not finite")
    return numbers
