"""The time of single LiDAR points: drivers agree neither on its unit nor on what it is relative to."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from depth_perception.messages.types import MessageError

UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}

#: A scan lasts no longer than this, and its points lie no farther from its stamp [s].
LONGEST_SCAN = 2.0

#: No LiDAR measures more points a second; several times the fastest one sold.
MOST_POINTS_PER_SECOND = 2e7


def relative_times(values: NDArray, stamp: int, unit: str = "auto") -> NDArray[np.float64] | None:
    """Return float64 (n,) seconds relative to ``stamp`` (nanoseconds) of a per-point time field.

    ``unit`` is ``s``, ``ms``, ``us`` or ``ns``. With ``auto``, integers are nanoseconds, unless so many
    points in so short a time are more than any LiDAR measures: then microseconds, then milliseconds.
    Floating-point values are in the largest unit in which the scan lasts at most two seconds.

    Values within two seconds of ``stamp`` are absolute times, other values below two seconds are
    relative already. What is neither comes from a clock unrelated to the stamps; the first point then
    counts as taken at ``stamp``. Not-a-number times become 0. Returns None where no unit fits, for
    instance if the field holds no times at all. Raises MessageError for an unknown ``unit``.
    """
    if unit not in (*UNITS, "auto"):
        raise MessageError(f"time unit {unit!r} is not one of {', '.join(UNITS)}, auto, none")
    integral = bool(np.issubdtype(values.dtype, np.integer))
    times = values.astype(np.float64)
    if times.size == 0:
        return times
    first, last = float(times.min()), float(times.max())
    unknown = None if math.isfinite(last - first) else ~np.isfinite(times)
    if unknown is not None:
        if unknown.all():
            return None
        first, last = float(times[~unknown].min()), float(times[~unknown].max())
    if unit == "auto":
        found = _integer_unit(last - first, times.size) if integral else _float_unit(last - first)
        if found is None:
            return None
        unit = found
    scale = UNITS[unit]
    # Nanoseconds since 1970 need 61 bits: the difference is taken before the scale costs digits.
    absolute = stamp * 1e-9 / scale
    near_stamp = max(abs(first - absolute), abs(last - absolute)) * scale <= LONGEST_SCAN
    small = max(abs(first), abs(last)) * scale <= LONGEST_SCAN
    if near_stamp and not (small and _closer_to_zero(first, last, absolute)):
        times -= absolute
    elif not small:
        times -= first
    times *= scale
    if unknown is not None:
        times[unknown] = 0.0
    return times


def _closer_to_zero(first: float, last: float, absolute: float) -> bool:
    """Whether a scan near time 0 (a simulation's first seconds) is relative: it begins or ends at 0, not at now."""
    return min(abs(first), abs(last)) <= min(abs(first - absolute), abs(last - absolute))


def _integer_unit(span: float, count: int) -> str | None:
    for unit in ("ns", "us", "ms"):
        if span * UNITS[unit] > LONGEST_SCAN:
            continue
        if span == 0 or count <= MOST_POINTS_PER_SECOND * span * UNITS[unit]:
            return unit
    return None


def _float_unit(span: float) -> str | None:
    return next((unit for unit, scale in UNITS.items() if span * scale <= LONGEST_SCAN), None)
