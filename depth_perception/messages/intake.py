"""What the fronts share: counting and refusing messages as they come, and decoding images of one camera."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, FloatImage
from depth_perception.geometry.camera import rectified, rectified_view, rectify_image
from depth_perception.messages.calibrations import Calibrations
from depth_perception.messages.compressed import decode_compressed_depth, decode_compressed_image
from depth_perception.messages.image import decode_depth, decode_image
from depth_perception.messages.problem import FrontError
from depth_perception.messages.types import MessageError, stamp_of


class CameraView(NamedTuple):
    """A decoded image: RGB uint8 (h, w, 3), the camera that sees it, the one that took it, and remarks."""

    image: NDArray[np.uint8]
    camera: CameraModel
    raw: CameraModel
    notes: tuple[str, ...]


class Intake:
    """Counts messages by input as they are handed over, and refuses those that nobody can use; cheap."""

    def __init__(self, on_problem: Callable[[FrontError], None] | None = None):
        """``on_problem`` receives each message that is refused."""
        self._on_problem = on_problem
        self.received: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def accepts(self, topic: str, message: Any) -> bool:
        """Return True if a message of the input ``topic`` has a stamp and a frame."""
        self.received[topic] += 1
        problem = None
        if stamp_of(message.header) <= 0:
            problem = FrontError("no_stamp", topic, "header.stamp is 0; the driver must stamp its messages")
        elif not message.header.frame_id:
            problem = FrontError("no_frame", topic, "header.frame_id is empty; the driver must name its frame")
        if problem is None:
            return True
        self.refused[problem.cause] += 1
        if self._on_problem is not None:
            self._on_problem(problem)
        return False


def camera_view(
    message: Any, stamp: int, calibrations: Calibrations, is_rectified: bool = False, rectify: bool = True
) -> CameraView:
    """Decode an Image or CompressedImage, taken at ``stamp``, and rectify it if it ``is_rectified`` not already.

    Raises FrontError if there is no calibration for it, or one of another size, or it cannot be decoded.
    """
    frame_id = message.header.frame_id.lstrip("/")
    key, raw, notes = calibrations.camera(stamp, frame_id)
    try:
        image = decode_compressed_image(message) if hasattr(message, "format") else decode_image(message)
    except MessageError as error:
        raise FrontError("bad_image", "image", str(error)) from error
    if image.shape[:2] != raw.shape:
        raise FrontError(
            "size_mismatch",
            "camera_info",
            f"camera_info describes {size_text(raw.shape)} pixels, the image has {size_text(image.shape)}",
        )
    camera = raw
    if is_rectified:
        camera = calibrations.cached(("view", *key), lambda: rectified_view(raw))
    elif rectify:
        camera = calibrations.cached(("rectified", *key), lambda: rectified(raw))
        if camera is not raw:
            image = rectify_image(raw, image)
    return CameraView(image, camera, raw, notes)


def registered_depth(
    message: Any, topic: str, raw: CameraModel, frame_id: str, accept_mono16: bool = False
) -> FloatImage:
    """Decode a depth Image or compressedDepth image in metres that has the pixels of the camera ``raw``.

    Raises FrontError about the input ``topic`` if it cannot be decoded or is of another size or frame.
    """
    decode = decode_compressed_depth if hasattr(message, "format") else decode_depth
    try:
        depth = decode(message, accept_mono16=accept_mono16)
    except MessageError as error:
        raise FrontError("bad_depth", topic, str(error)) from error
    own = message.header.frame_id.lstrip("/")
    if depth.shape != raw.shape or own != frame_id:
        raise FrontError(
            "not_registered",
            topic,
            f"the depth image has {size_text(depth.shape)} pixels in frame {own!r}, the image {size_text(raw.shape)} "
            f"in {frame_id!r}; depth must be registered to the image",
        )
    return depth


def size_text(shape: tuple[int, ...]) -> str:
    """Return width x height of an image's shape."""
    return f"{shape[1]}x{shape[0]}"
