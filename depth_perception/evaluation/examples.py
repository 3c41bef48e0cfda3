"""Keep the frames with the best and the worst scores of a stream, in bounded memory."""

from __future__ import annotations

import math

from depth_perception.evaluation.results import Example


class Extremes:
    """The ``count`` examples with the lowest and those with the highest scores seen so far."""

    def __init__(self, count: int):
        self._count = count
        self._low: list[tuple[float, int, Example]] = []
        self._high: list[tuple[float, int, Example]] = []

    def add(self, score: float, example: Example) -> None:
        """Offer one example; lower scores are better, NaN ranks as the worst."""
        score = math.inf if math.isnan(score) else score
        entry = (score, example.index, example)
        self._low = sorted([*self._low, entry], key=lambda item: item[:2])[: self._count]
        self._high = sorted([*self._high, entry], key=lambda item: (-item[0], item[1]))[: self._count]

    def best(self) -> list[Example]:
        """Return the best examples, best first."""
        return [item[2] for item in self._low]

    def worst(self) -> list[Example]:
        """Return the worst examples, worst first, without those that are among the best."""
        chosen = {item[1] for item in self._low}
        return [item[2] for item in self._high if item[1] not in chosen]
