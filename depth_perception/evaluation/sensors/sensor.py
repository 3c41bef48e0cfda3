"""A pattern with its corruption, and the mix of sensors that training draws from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from depth_perception.evaluation.sensors.corruption import CLEAN, Corruption
from depth_perception.evaluation.sensors.lidar import FIELDS, SolidState, Spinning
from depth_perception.evaluation.sensors.scan import Frame, Points, Scan, make_scan
from depth_perception.evaluation.sensors.scattered import Corners, Uniform
from depth_perception.evaluation.sensors.stereo import Stereo
from depth_perception.evaluation.sensors.time_of_flight import TimeOfFlight


class Pattern(Protocol):
    """Which points a device measures."""

    def draw(self, frame: Frame, rng: np.random.Generator) -> Points:
        """Return the points measured of ``frame``."""
        ...


@dataclass(frozen=True)
class Sensor:
    """A device in one state of repair."""

    pattern: Pattern
    corruption: Corruption = CLEAN

    def scan(self, frame: Frame, rng: np.random.Generator) -> Scan:
        """Return what a completer gets of ``frame``; the same generator state gives the same bytes."""
        return make_scan(self.corruption.apply(self.pattern.draw(frame, rng), frame, rng), frame.depth)


SHARES = {"uniform": 0.30, "spinning": 0.30, "corners": 0.15, "dense": 0.10, "time_of_flight": 0.08, "stereo": 0.05,
          "solid_state": 0.02}  # fmt: skip
"""How often training meets each kind."""

CLEAN_SHARE, BAD_SHARE = 0.5, 0.15
"""Of all sensors: without any corruption, and with real outliers. The rest is lightly corrupted: a network that sees
heavy noise often learns to distrust good points."""


def random_sensor(rng: np.random.Generator) -> Sensor:
    """Draw a sensor as training does: kind, density and corruption."""
    pattern = random_pattern(rng)
    return Sensor(pattern, random_corruption(rng))


def random_pattern(rng: np.random.Generator) -> Pattern:
    """Draw kind and density. Densities are per 640x480 image area, so that spacing is the same in smaller images."""
    kind = list(SHARES)[int(np.searchsorted(np.cumsum(list(SHARES.values())), rng.random() * 0.999999, side="right"))]
    if kind == "uniform":
        return Uniform(_log_uniform(rng, 50, 15000))
    if kind == "spinning":
        return _random_spinning(rng)
    if kind == "corners":
        noise = float(rng.choice((0, 0.005, 0.01, 0.02)))
        return Corners(_log_uniform(rng, 50, 1500), ("good", "fast")[int(rng.integers(2))], noise)
    if kind == "dense":
        return Uniform(float(rng.uniform(0.05, 0.10)) * 640 * 480)
    if kind == "time_of_flight":
        rows = round(_log_uniform(rng, 8, 120))
        columns = round(rows * float(rng.choice((1, 4 / 3))))
        span, limit = float(rng.uniform(0.6, 1.0)), _log_uniform(rng, 3, 15)
        return TimeOfFlight(columns, rows, span, limit, 0.4, float(rng.uniform(0, 0.4)), float(rng.uniform(0, 0.01)))
    if kind == "stereo":
        return Stereo(
            baseline=_log_uniform(rng, 0.04, 0.12),
            step=_log_uniform(rng, 0.03, 0.2),
            noise=_log_uniform(rng, 0.02, 0.15),
            limit=_log_uniform(rng, 4, 15),
            least_share=0.5,
            edge_holes=float(rng.uniform(0.3, 0.9)),
            holes=float(rng.uniform(0, 1)),
        )
    path = ("rosette", "lissajous", "rows")[int(rng.integers(3))]
    return SolidState(_log_uniform(rng, 2000, 25000), path, float(rng.uniform(0.6, 1.0)), _mounting(rng))


def _random_spinning(rng: np.random.Generator) -> Spinning:
    rings = int(rng.choice((4, 8, 16, 32, 64, 128))) if rng.random() < 0.6 else round(_log_uniform(rng, 4, 128))
    field = FIELDS[int(rng.integers(len(FIELDS)))] if rng.random() < 0.4 and rings >= 16 else None
    return Spinning(
        rings,
        field,
        span=float(rng.uniform(0.75, 1.0)),
        azimuth_step=None,
        azimuth_pixels=_log_uniform(rng, 1, 4),
        mounting=_mounting(rng),
        crowding=float(rng.choice((1.0, 1.0, 1.4))),
        per_rows=bool(rng.random() < 0.5),
        reach=(0.1, _log_uniform(rng, 40, 200)),
    )


def random_corruption(rng: np.random.Generator) -> Corruption:
    """Draw what is wrong: nothing in half of the cases, little mostly, real outliers in some 15 %."""
    luck = rng.random()
    if luck < CLEAN_SHARE:
        return CLEAN
    bad = luck >= 1 - BAD_SHARE

    def sometimes(chance: float, low: float, high: float) -> float:
        use, value = rng.random() < chance, float(rng.uniform(low, high))
        return value if use else 0.0

    angle, length = rng.uniform(0, 2 * np.pi), float(min(rng.exponential(0.6), 8.0))
    length = float(rng.uniform(1, 8)) if rng.random() < 0.1 else length
    length = length if rng.random() < 0.5 else 0.0
    push = rng.uniform(0, 2 * np.pi)
    away = sometimes(0.15, 0, 0.02)
    period = int(rng.choice((0, 0, 0, 0, 0, 2, 4, 8)))
    return Corruption(
        noise=sometimes(0.5, 0, 0.02),
        outliers=sometimes(0.8, 0.01, 0.10) if bad else sometimes(0.15, 0, 0.01),
        clusters=sometimes(0.3, 0.01, 0.04) if bad else 0.0,
        mixed=sometimes(0.5, 0.1, 0.6) if bad else sometimes(0.2, 0, 0.2),
        drop=sometimes(0.2, 0, 0.4),
        dark=sometimes(0.25, 0.2, 1.0),
        bright=sometimes(0.15, 0.2, 1.0),
        ring_period=period,
        sector=sometimes(0.05, 0.1, 0.4),
        shift=(length * float(np.cos(angle)), length * float(np.sin(angle))),
        roll=sometimes(0.1, -0.3, 0.3),
        translation=(away * float(np.cos(push)), away * float(np.sin(push))),
        sweep=sometimes(0.1, -2, 2),
    )


def _mounting(rng: np.random.Generator) -> tuple[float, float, float]:
    roll, pitch, yaw = rng.normal(0, 1.5, 3)
    return float(roll), float(pitch), float(yaw)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
