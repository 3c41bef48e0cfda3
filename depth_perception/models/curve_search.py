"""The minimum of a function of one number, and whether its curve has but one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

_GOLDEN = (math.sqrt(5) - 1) / 2


class Search(NamedTuple):
    """A curve of disagreement and its minimum.

    ``tried`` ascends; ``errors`` are shares of depth. ``best`` with ``error`` is the minimum, found finer than
    ``tried``. ``has_minimum``: it lies within what was tried, and no second one comes near.
    """

    tried: tuple[float, ...]
    errors: tuple[float, ...]
    best: float
    error: float
    has_minimum: bool


def minimise(function: Callable[[float], float], points: Sequence[float], tolerance: float) -> Search:
    """Return the minimum of a function over ``points``, made finer to ``tolerance`` by golden section about the best.

    A second minimum counts if one must climb out of it by a twentieth of the whole range of values, and if it lies in
    the lower half of the range: smaller ones are noise, higher ones cannot be mistaken for the first.
    """
    if len(points) < 3 or any(b <= a for a, b in itertools.pairwise(points)):
        raise ValueError(f"three or more ascending points are needed, got {tuple(points)}")
    values = [function(x) for x in points]
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return Search(tuple(points), tuple(values), points[len(points) // 2], math.inf, False)
    at = values.index(min(finite))
    low, high = points[max(at - 1, 0)], points[min(at + 1, len(points) - 1)]
    inner = [high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)]
    heights = [function(x) for x in inner]
    while high - low > tolerance:
        if heights[0] <= heights[1]:
            high, inner[1], heights[1] = inner[1], inner[0], heights[0]
            inner[0] = high - _GOLDEN * (high - low)
            heights[0] = function(inner[0])
        else:
            low, inner[0], heights[0] = inner[0], inner[1], heights[1]
            inner[1] = low + _GOLDEN * (high - low)
            heights[1] = function(inner[1])
    error, best = min((heights[0], inner[0]), (heights[1], inner[1]), (values[at], points[at]))
    inside = 0 < at < len(points) - 1
    lowest, span = min(finite), max(finite) - min(finite)
    alone = sum(values[i] < lowest + 0.5 * span for i in valleys(values, 0.05 * span)) == 1
    return Search(tuple(points), tuple(values), best, error, inside and alone)


def valleys(values: Sequence[float], depth: float) -> list[int]:
    """Return the places of minima from which one gets lower only by first climbing more than ``depth``.

    The lowest value is always one of them, an end may be one. What is not finite is as high as can be.
    """
    high = [v if math.isfinite(v) else math.inf for v in values]
    found = []
    for i, value in enumerate(high):
        # of equals the first
        lower = [j for j, other in enumerate(high) if other < value or (other == value and j < i)]
        climb = min((max(high[min(i, j) : max(i, j) + 1]) - value for j in lower), default=math.inf)
        if math.isfinite(value) and climb > depth:
            found.append(i)
    return found
