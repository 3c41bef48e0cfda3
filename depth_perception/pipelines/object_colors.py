"""The colour of an object wherever it is shown: in rviz, in pictures, in Rerun."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_GOLDEN = 0.618034  # of a turn: neighbouring ids get hues far apart


def id_color(number: int) -> tuple[int, int, int]:
    """Return the RGB of an id: grey for 0 and black below, else a colour of its own, always the same."""
    if number <= 0:
        return (70, 70, 70) if number == 0 else (0, 0, 0)
    hue = round((number * _GOLDEN) % 1.0 * 179)
    value = 255 - 60 * ((number // 3) % 2)
    pixel = np.array([[[hue, 190 - 50 * ((number // 2) % 2), value]]], np.uint8)
    red, green, blue = cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return red, green, blue


def id_colors(ids: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return RGB uint8 (..., 3) of ids (...)."""
    numbers, places = np.unique(ids, return_inverse=True)
    table = np.array([id_color(number) for number in numbers.tolist()], np.uint8).reshape(-1, 3)
    return table[places.reshape(ids.shape)]
