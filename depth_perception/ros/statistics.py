"""Rates, latencies and problems over the recent past: plain counting, thread-safe, no ROS."""

from __future__ import annotations

import re
import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

NANOSECONDS = 1_000_000_000
_NUMBER = re.compile(r"\d+(\.\d+)?")


class RateMeter:
    """Events per second of a clock that may be simulated, paused or set back."""

    def __init__(self, window: float = 5.0):
        """Look at the last ``window`` seconds."""
        self._window = int(window * NANOSECONDS)
        self._lock = threading.Lock()
        self._times: deque[int] = deque(maxlen=1000)
        self.count = 0

    def tick(self, now: int) -> None:
        """Count one event at ``now`` [ns]."""
        with self._lock:
            self.count += 1
            if self._times and now < self._times[-1]:
                self._times.clear()
            self._times.append(now)

    def rate(self, now: int) -> float:
        """Return events per second up to ``now`` [ns]; 0 when nothing came lately."""
        with self._lock:
            times = [time for time in self._times if now - self._window <= time <= now]
        if len(times) < 2 or times[-1] <= times[0]:
            return 0.0
        gaps = len(times) - 1
        interval = (times[-1] - times[0]) / gaps
        if now - times[-1] <= 2 * interval:
            return NANOSECONDS / interval
        return gaps * NANOSECONDS / (now - times[0])  # it has gone quiet: let the figure sink

    @property
    def newest(self) -> int | None:
        """Time of the last event [ns], None before the first."""
        with self._lock:
            return self._times[-1] if self._times else None

    def reset(self) -> None:
        """Forget the times but not the count, for instance when the clock jumped."""
        with self._lock:
            self._times.clear()


class LatencyMeter:
    """Mean and 95th percentile of the last seconds spent in each stage, in order of appearance."""

    def __init__(self, kept: int = 200):
        """Remember the last ``kept`` values of every stage."""
        self._kept = kept
        self._lock = threading.Lock()
        self._stages: dict[str, deque[float]] = {}

    def add(self, seconds: Mapping[str, float]) -> None:
        """Take the seconds of one frame by stage."""
        with self._lock:
            for stage, value in seconds.items():
                self._stages.setdefault(stage, deque(maxlen=self._kept)).append(value)

    def summary(self) -> dict[str, tuple[float, float]]:
        """Return (mean, 95th percentile) in seconds by stage."""
        with self._lock:
            copies = {stage: list(values) for stage, values in self._stages.items()}
        return {
            stage: (float(np.mean(values)), float(np.percentile(values, 95.0)))
            for stage, values in copies.items()
            if values
        }


@dataclass(frozen=True)
class Problem:
    """Something that went wrong: short ``cause``, what it concerns, the text of the last time, how often."""

    cause: str
    subject: str
    text: str
    count: int
    seen: float  # seconds of the monotonic clock, last time
    reported: float  # last time it was told to be worth a log line
    shape: str = ""  # the text logged last, without its numbers


class ProblemBook:
    """Remembers problems by cause and subject; says when one is new enough to be logged."""

    def __init__(self, repeat: float = 30.0, change: float = 3.0):
        """A problem is worth another log line after ``repeat`` seconds, after ``change`` if its text is another."""
        self._repeat = repeat
        self._change = change
        self._lock = threading.Lock()
        self._problems: dict[tuple[str, str], Problem] = {}

    def add(self, cause: str, subject: str, text: str, now: float) -> bool:
        """Note a problem at ``now`` [s, monotonic]; returns True if it should be logged."""
        with self._lock:
            old = self._problems.get((cause, subject))
            shape = _NUMBER.sub("#", text)
            if old is None:
                self._problems[cause, subject] = Problem(cause, subject, text, 1, now, now, shape)
                return True
            log = now - old.reported >= (self._repeat if shape == old.shape else self._change)
            told = (now, shape) if log else (old.reported, old.shape)
            self._problems[cause, subject] = Problem(cause, subject, text, old.count + 1, now, *told)
            return log

    def recent(self, since: float) -> list[Problem]:
        """Return the problems seen at or after ``since`` [s, monotonic], oldest first."""
        with self._lock:
            found = [problem for problem in self._problems.values() if problem.seen >= since]
        return sorted(found, key=lambda problem: problem.seen)

    def counts(self) -> Counter[str]:
        """Return how often each cause occurred."""
        total: Counter[str] = Counter()
        with self._lock:
            for problem in self._problems.values():
                total[problem.cause] += problem.count
        return total


class Counters:
    """A thread-safe Counter."""

    def __init__(self) -> None:
        """Start with nothing counted."""
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, cause: str, amount: int = 1) -> None:
        """Count ``cause``."""
        with self._lock:
            self._counts[cause] += amount

    def snapshot(self) -> dict[str, int]:
        """Return the counts so far."""
        with self._lock:
            return dict(self._counts)
