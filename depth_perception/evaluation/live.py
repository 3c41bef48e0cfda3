"""What only the running graph can tell: rates, latency by stage, losses. Pure: time is an argument.

``LiveStatistics`` is fed by the evaluation node with arrivals (monotonic seconds of its own clock)
and returns a plain dictionary for the report. It is safe to feed and to read from different threads.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping
from typing import Any

import numpy as np

SAMPLES = 20_000  # newest samples kept of each series, which bounds memory in a node that runs for days


def summary(seconds: Any) -> dict[str, float]:
    """Return count, mean, median, 95th percentile and maximum of ``seconds`` in milliseconds."""
    values = np.asarray(seconds, np.float64) * 1e3
    if values.size == 0:
        return {"count": 0}
    return {
        "count": int(values.size),
        "mean_ms": float(values.mean()),
        "median_ms": float(np.median(values)),
        "p95_ms": float(np.percentile(values, 95)),
        "max_ms": float(values.max()),
    }


class LiveStatistics:
    """Collects samples of a running graph."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._arrivals: dict[str, deque[float]] = {}
        self._counts: Counter[str] = Counter()
        self._roles: dict[str, str] = {}
        self._images: OrderedDict[int, float] = OrderedDict()
        self._image_count = 0
        self._completed = 0
        self._end_to_end: deque[float] = deque(maxlen=SAMPLES)
        self._stages: dict[str, deque[float]] = {}
        self._coverage: deque[float] = deque(maxlen=SAMPLES)
        self._interval: deque[float] = deque(maxlen=SAMPLES)
        self._drops: dict[str, int] = {}
        self._model = ""

    def arrival(self, topic: str, role: str, stamp: int, now: float) -> None:
        """Note a message of ``topic`` with its stamp [ns], received at ``now`` [s].

        ``role`` is ``image`` (the frames to be completed), ``input``, ``depth`` (their results) or
        ``output``. The time from an image to the depth with its stamp is the end-to-end latency.
        """
        with self._lock:
            self._counts[topic] += 1
            self._roles[topic] = role
            self._arrivals.setdefault(topic, deque(maxlen=SAMPLES)).append(now)
            if role == "image":
                self._image_count += 1
                self._images[stamp] = now
                while len(self._images) > SAMPLES:
                    self._images.popitem(last=False)
            elif role == "depth":
                self._completed += 1
                seen = self._images.get(stamp)
                if seen is not None and now >= seen:
                    self._end_to_end.append(now - seen)

    def completed(self, stages: Mapping[str, float], coverage: float, interval: float, model: str = "") -> None:
        """Note one DepthInfo: seconds by stage, share of pixels with depth, cloud minus image [s]."""
        with self._lock:
            for stage, seconds in stages.items():
                self._stages.setdefault(stage, deque(maxlen=SAMPLES)).append(seconds)
            if np.isfinite(coverage):
                self._coverage.append(coverage)
            if np.isfinite(interval):
                self._interval.append(interval)
            self._model = model or self._model

    def drops(self, counts: Mapping[str, int]) -> None:
        """Set the newest drop counters by cause, as the node's diagnostics report them."""
        with self._lock:
            self._drops = {cause: int(n) for cause, n in counts.items()}

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain data: topics with rates, latency, frames, drops."""
        with self._lock:
            topics = []
            for name, times in self._arrivals.items():
                span = times[-1] - times[0] if len(times) > 1 else 0.0
                gaps = np.diff(np.asarray(times)) if len(times) > 1 else np.zeros(0)
                topics.append(
                    {
                        "name": name,
                        "role": self._roles[name],
                        "count": self._counts[name],
                        "rate_hz": (len(times) - 1) / span if span > 0 else None,
                        "longest_gap_ms": float(gaps.max() * 1e3) if gaps.size else None,
                    }
                )
            order = {"image": 0, "input": 1, "depth": 2, "output": 3}
            topics.sort(key=lambda row: (order.get(str(row["role"]), 9), str(row["name"])))
            coverage = float(np.mean(self._coverage)) if self._coverage else None
            interval = float(np.mean(np.abs(self._interval)) * 1e3) if self._interval else None
            return {
                "model": self._model,
                "topics": topics,
                "images": self._image_count,
                "completed": self._completed,
                "share_completed": self._completed / self._image_count if self._image_count else None,
                "end_to_end": summary(self._end_to_end),
                "stages": {stage: summary(values) for stage, values in self._stages.items()},
                "coverage": coverage,
                "interval_mean_ms": interval,
                "drops": dict(sorted(self._drops.items())),
            }
