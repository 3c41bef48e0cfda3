"""Colour maps: depth, error and standard deviation as RGB pictures, fast enough for a live preview.

Every map has 255 colours for values and keeps entry 0 for *unknown*, a neutral grey that none of the
maps contains. Near is warm and far is cold; equal ratios of depth get equal steps of colour, because
the eye (and the accuracy of every range sensor) judges depth by ratio rather than by difference.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

UNKNOWN_COLOR = (96, 96, 102)  # RGB
_SAMPLES = 20_000  # pixels that decide the automatic range; more would only cost time
_MAPS = {"turbo": "COLORMAP_TURBO", "inferno": "COLORMAP_INFERNO", "viridis": "COLORMAP_VIRIDIS"}


@functools.cache
def lookup_table(name: str, reverse: bool = False) -> NDArray[np.uint8]:
    """Return the (256, 3) RGB table of ``turbo``, ``inferno`` or ``viridis``; entry 0 is UNKNOWN_COLOR.

    Raises ValueError for another name.
    """
    if name not in _MAPS:
        raise ValueError(f"unknown colour map {name!r}; known: {', '.join(_MAPS)}")
    ramp = np.linspace(0, 255, 255).round().astype(np.uint8)
    if reverse:
        ramp = ramp[::-1].copy()
    bgr = cv2.applyColorMap(ramp[:, None], getattr(cv2, _MAPS[name]))[:, 0]
    table = np.empty((256, 3), np.uint8)
    table[0] = UNKNOWN_COLOR
    table[1:] = bgr[:, ::-1]
    table.setflags(write=False)
    return table


def depth_range(
    depth: NDArray[np.floating], percentile: tuple[float, float] = (2.0, 98.0)
) -> tuple[float, float] | None:
    """Return (minimum, maximum) of the positive finite depths between two percentiles [m].

    Looks at no more than about twenty thousand pixels of the image. None if no pixel is valid.
    """
    if depth.ndim == 2:
        stride = max(1, int(np.sqrt(depth.size / _SAMPLES)))
        depth = depth[::stride, ::stride]
    values = depth[np.isfinite(depth) & (depth > 0)]
    if values.size == 0:
        return None
    low, high = np.percentile(values, percentile)
    if high - low < 1e-3 * high:  # a flat wall still needs two ends
        low, high = low * 0.95, high * 1.05
    return float(low), float(high)


def apply_table(position: NDArray[np.floating], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Map ``position`` (height, width), 0 to 1 along the table and NaN for unknown, to RGB uint8."""
    # 1.5 .. 255.5 truncates to entries 1 .. 255; NaN becomes 0, which is the unknown entry
    scaled = np.clip(position, 0.0, 1.0, dtype=np.float32) * np.float32(254.0) + np.float32(1.5)
    np.nan_to_num(scaled, copy=False, nan=0.0)
    colored = cv2.applyColorMap(scaled.astype(np.uint8), np.ascontiguousarray(table[:, None]))
    return np.asarray(colored, np.uint8)


def depth_position(depth: NDArray[np.floating], minimum: float, maximum: float) -> NDArray[np.float32]:
    """Return where each depth lies on the colour bar: 0 at ``minimum``, 1 at ``maximum``, logarithmic.

    Not clipped; NaN where depth is not a positive finite number. Raises ValueError unless
    0 < minimum < maximum.
    """
    if not 0 < minimum < maximum:
        raise ValueError(f"colour range must satisfy 0 < minimum < maximum, got {minimum:g} to {maximum:g}")
    with np.errstate(divide="ignore", invalid="ignore"):
        position = np.log(depth, dtype=np.float32)
        position -= np.float32(np.log(minimum))
        position *= np.float32(1.0 / np.log(maximum / minimum))
    position[~np.isfinite(position)] = np.nan
    return position


def colorize(
    depth: NDArray[np.floating],
    minimum: float | None = None,
    maximum: float | None = None,
    percentile: tuple[float, float] = (2.0, 98.0),
) -> NDArray[np.uint8]:
    """Return an RGB uint8 (height, width, 3) picture of ``depth`` [m] (height, width).

    Warm is near, cold is far, on a logarithmic scale; NaN, infinite, zero and negative depths get
    UNKNOWN_COLOR. A missing end of the range is that percentile of the valid pixels.
    """
    if minimum is None or maximum is None:
        found = depth_range(depth, percentile)
        if found is None:
            return np.full((*depth.shape, 3), UNKNOWN_COLOR, np.uint8)
        minimum = found[0] if minimum is None else minimum
        maximum = found[1] if maximum is None else maximum
        if maximum <= minimum:  # a fixed end beyond everything seen in this frame
            minimum, maximum = (minimum, minimum * 1.1) if maximum == found[1] else (maximum / 1.1, maximum)
    return apply_table(depth_position(depth, minimum, maximum), lookup_table("turbo", reverse=True))


DECADES = 2.0
"""Pictures of errors and deviations span this many powers of ten below their bright end."""


def _two_decades(values: NDArray[np.floating], maximum: float | None, table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if maximum is None:
        finite = values[np.isfinite(values)]
        maximum = float(np.percentile(finite, 98.0)) if finite.size else 1.0
    end = max(maximum, 1e-9)
    low = end * 10.0**-DECADES
    return apply_table(depth_position(np.maximum(values, low), low, end), table)


def colorize_error(error: NDArray[np.floating], maximum: float | None = None) -> NDArray[np.uint8]:
    """Return RGB uint8 (height, width, 3) of the absolute ``error`` [m]; dark is small, bright is large.

    ``maximum`` [m] is the bright end, by default the 98th percentile, and a hundredth of it the dark
    end; between them the scale is logarithmic, so that the errors of a good and of a poor answer are
    told apart in the same picture. NaN gets UNKNOWN_COLOR.
    """
    return _two_decades(np.abs(error), maximum, lookup_table("inferno"))


def colorize_std(deviation: NDArray[np.floating], maximum: float | None = None) -> NDArray[np.uint8]:
    """Return RGB uint8 (height, width, 3) of a standard deviation [m]; dark is sure, bright is unsure.

    The scale is that of ``colorize_error``; NaN gets UNKNOWN_COLOR.
    """
    return _two_decades(deviation, maximum, lookup_table("viridis"))
