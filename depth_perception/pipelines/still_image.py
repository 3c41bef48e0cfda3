"""Tells from the images alone whether the camera stands still, and what moves before it then."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

CELL = 8  # pixels; the mean over a cell hardly has noise
_CHANGE = 3.0  # grey levels of a cell's mean
_TEXTURE = 5.0  # grey levels between neighbouring cells: there a motion would show
_LEAST_TEXTURE = 0.01  # share of the cells; with less nothing can be told
_MOST_CHANGED = 0.3  # share of the textured cells that may change while the camera stands still


class StillImage:
    """Compares each image with the last, and with the first since the camera stands still, which shows slow motion."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all images."""
        self._last: NDArray[np.float32] | None = None
        self._anchor: NDArray[np.float32] | None = None

    def changed(self, image: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
        """Return where (H, W) an RGB image (H, W, 3) differs from the last one.

        None if the camera has moved, if that cannot be told, or for the first image.
        """
        height, width = image.shape[:2]
        size = max(1, width // CELL), max(1, height // CELL)
        small = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
        now = np.asarray(small, np.float32)
        last, anchor, self._last = self._last, self._anchor, now
        if last is None or anchor is None or last.shape != now.shape:
            self._anchor = now
            return None
        texture = _texture(now)
        if np.count_nonzero(texture) < max(4, _LEAST_TEXTURE * now.size):
            self._anchor = now
            return None
        changes = _differs(now, last)
        for change in (changes, _differs(now, anchor)):
            if np.count_nonzero(change & texture) > _MOST_CHANGED * np.count_nonzero(texture):
                self._anchor = now
                return None
        grown = cv2.dilate(changes.astype(np.uint8), np.ones((3, 3), np.uint8))
        return cv2.resize(grown, (width, height), interpolation=cv2.INTER_NEAREST) > 0


def _texture(image: NDArray[np.float32]) -> NDArray[np.bool_]:
    across = np.abs(np.diff(image, axis=1, append=image[:, -1:]))
    down = np.abs(np.diff(image, axis=0, append=image[-1:]))
    return np.maximum(across, down) > _TEXTURE


def _differs(now: NDArray[np.float32], then: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where two images differ by more than their exposure."""
    exposure = np.clip(float(np.median(then)) / max(float(np.median(now)), 1.0), 0.8, 1.25)
    return np.abs(now * np.float32(exposure) - then) > _CHANGE
