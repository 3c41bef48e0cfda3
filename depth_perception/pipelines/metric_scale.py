"""Follows the scale of an estimator over time: one factor, how sure it is, and where it came from.

A Kalman filter on the logarithm of the factor, which performs a random walk: the scale of a learned estimator changes
slowly with what the camera sees. Measurements that do not fit are kept out, unless they go on and agree.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from depth_perception.frames import ScaleKind
from depth_perception.pipelines.scale_measurement import ScaleMeasurement

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class ScaleSettings:
    """How the scale is followed; raises ValueError for what makes no sense.

    ``process_noise``: deviation of the factor's logarithm that one second adds (a random walk, so four seconds add
    twice as much). ``gate``: a measurement farther from what is expected than this many deviations is kept out.
    ``persistence``: so many in a row that agree with each other are right after all. ``memory`` [s]: errors of
    measurements of one source are alike for so long, and count as one. ``widest``: beyond this deviation nothing is
    known any more.
    """

    process_noise: float = 0.02
    gate: float = 3.0
    persistence: int = 5
    memory: float = 1.0
    widest: float = 0.3

    def __post_init__(self) -> None:
        """Check."""
        for name in ("process_noise", "memory"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"scale.{name} must be 0 or more, got {getattr(self, name)}")
        if not self.gate > 0 or not self.widest > 0 or self.persistence < 1:
            raise ValueError(f"scale.gate, widest and persistence must be above 0, got {self}")


@dataclass(frozen=True)
class Scale:
    """``factor`` in metres per unit with the standard ``deviation`` of its logarithm; ``kind`` of depth times it.

    ``source``: what told it last, empty if nothing did. ``age``: seconds since then.
    """

    kind: ScaleKind
    factor: float = 1.0
    deviation: float = 0.0
    source: str = ""
    age: float = 0.0

    @property
    def is_metric(self) -> bool:
        """True if depth times ``factor`` is in metres."""
        return self.kind is ScaleKind.METRIC


@dataclass
class _State:
    log: float
    variance: float
    stamp: int
    source: str
    told: int  # stamp of the newest measurement that was believed
    last: dict[str, int] = field(default_factory=dict)  # the same for each source


class MetricScale:
    """The scale of one estimator, whose own depth is of kind ``native``. Not for several threads at once.

    Depth in metres stays so whether or not something is measured, and measurements correct it. What is known up to a
    factor becomes metric with the first measurement, and stays it until too much time has passed since the last.
    Relative depth lacks a shift besides, which no factor replaces: it stays relative.
    """

    def __init__(self, native: ScaleKind, settings: ScaleSettings | None = None):
        self.native = native
        self.settings = settings or ScaleSettings()
        self.rejected: Counter[str] = Counter()  # by source
        self.accepted: Counter[str] = Counter()
        self.resets: Counter[str] = Counter()  # by reason
        self._state: _State | None = None
        self._doubts: list[tuple[int, ScaleMeasurement]] = []

    def add(self, measurement: ScaleMeasurement, stamp: int) -> bool:
        """Take a measurement made at ``stamp`` [ns], not before the last one; returns whether it was believed."""
        if self.native is ScaleKind.RELATIVE:
            return False
        state = self._state
        if state is None:
            self._begin(measurement, stamp)
            return True
        variance = self._variance_at(stamp)
        # one long error seen ten times must not look like ten errors that cancel out
        since = (stamp - state.last[measurement.source]) / NANOSECONDS if measurement.source in state.last else math.inf
        repeats = 1 + self.settings.memory / max(since, 1e-3) if since < math.inf else 1.0
        noise = measurement.deviation**2
        miss = math.log(measurement.scale) - state.log
        if miss**2 > self.settings.gate**2 * (variance + noise):
            return self._doubt(measurement, stamp)
        self._doubts.clear()
        noise *= repeats
        gain = variance / (variance + noise)
        state.log += gain * miss
        state.variance = (1 - gain) * variance
        state.stamp = state.told = state.last[measurement.source] = stamp
        state.source = measurement.source
        self.accepted[measurement.source] += 1
        return True

    def at(self, stamp: int) -> Scale:
        """Return the scale to use at ``stamp`` [ns]; without a measurement its factor is 1."""
        state = self._state
        if state is None or self.native is ScaleKind.RELATIVE:
            return Scale(self.native)
        deviation = math.sqrt(self._variance_at(stamp))
        age = max(stamp - state.told, 0) / NANOSECONDS
        if deviation > self.settings.widest:
            if self.native is ScaleKind.METRIC:  # the estimator's own word is better than an old correction
                return Scale(self.native)
            return Scale(ScaleKind.UP_TO_SCALE, source=state.source, age=age)
        return Scale(ScaleKind.METRIC, math.exp(state.log), deviation, state.source, age)

    def reset(self, reason: str) -> None:
        """Forget everything, as after a time jump, a change of the model or a command."""
        self._state = None
        self._doubts.clear()
        self.resets[reason] += 1

    def _variance_at(self, stamp: int) -> float:
        assert self._state is not None
        seconds = max(stamp - self._state.stamp, 0) / NANOSECONDS
        return self._state.variance + self.settings.process_noise**2 * seconds

    def _begin(self, measurement: ScaleMeasurement, stamp: int) -> None:
        self._doubts.clear()
        source = measurement.source
        self._state = _State(
            math.log(measurement.scale), measurement.deviation**2, stamp, source, stamp, {source: stamp}
        )
        self.accepted[source] += 1

    def _doubt(self, measurement: ScaleMeasurement, stamp: int) -> bool:
        """Keep a measurement out, unless as many as ``persistence`` say the same."""
        alike = [
            (when, other)
            for when, other in self._doubts
            if abs(math.log(other.scale / measurement.scale))
            <= self.settings.gate * math.hypot(other.deviation, measurement.deviation)
        ]
        self._doubts = [*alike, (stamp, measurement)]
        if len(self._doubts) >= self.settings.persistence:
            self._begin(measurement, stamp)
            return True
        self.rejected[measurement.source] += 1
        return False
