"""Smooth motion of a robot's base through a world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.synthetic.scene import turn


@dataclass(frozen=True, eq=False)
class WaypointPath:
    """Passes ``positions`` (n, 3) with ``yaws`` (n,) at ``times`` (n,) on a cubic curve with a continuous velocity.

    ``sway`` radians of pitch and roll and ``bob`` metres of height are added as slow waves, as of wheels
    on uneven ground. Before the first and after the last waypoint the base stands still but for these.
    """

    times: NDArray[np.float64]
    positions: NDArray[np.float64]
    yaws: NDArray[np.float64]
    sway: float = 0.008
    bob: float = 0.006

    def poses(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return T_world_base (k, 4, 4) at ``times`` (k,) in seconds."""
        times = np.atleast_1d(np.asarray(times, np.float64))
        state = self._curve(times)
        out = np.tile(np.eye(4), (len(times), 1, 1))
        for k, t in enumerate(times):
            pitch = self.sway * (np.sin(2.9 * t) + 0.5 * np.sin(7.3 * t + 1.0))
            roll = self.sway * (0.8 * np.sin(2.1 * t + 2.0) + 0.4 * np.sin(6.1 * t))
            out[k, :3, :3] = turn(state[k, 3], pitch, roll)
            out[k, :3, 3] = state[k, :3]
            out[k, 2, 3] += self.bob * np.sin(5.3 * t)
        return out

    def _curve(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Cubic Hermite interpolation of (x, y, z, yaw), tangents from the neighbouring waypoints."""
        values = np.column_stack([self.positions, np.unwrap(self.yaws)])
        if len(values) == 1:
            return np.repeat(values, len(times), 0)
        slopes = np.gradient(values, self.times, axis=0)
        inside = np.clip(times, self.times[0], self.times[-1])
        k = np.clip(np.searchsorted(self.times, inside, side="right") - 1, 0, len(values) - 2)
        step = self.times[k + 1] - self.times[k]
        s = ((inside - self.times[k]) / step)[:, None]
        step = step[:, None]
        return (
            (1 + 2 * s) * (1 - s) ** 2 * values[k]
            + s * (1 - s) ** 2 * step * slopes[k]
            + s**2 * (3 - 2 * s) * values[k + 1]
            + s**2 * (s - 1) * step * slopes[k + 1]
        )


def room_path(seconds: float) -> WaypointPath:
    """Cross the room of ``build_room`` in a bow, looking from the sofa over to the windows."""
    share = np.linspace(0, 1, 7, dtype=np.float64)
    positions = np.column_stack([-3.0 + 1.9 * share, -0.75 + 1.1 * np.sin(2.2 * share), np.zeros(7)])
    target = np.column_stack([np.full(7, 2.6), -1.5 + 3.3 * share])
    yaws = np.arctan2(target[:, 1] - positions[:, 1], target[:, 0] - positions[:, 0])
    return WaypointPath(share * seconds, positions, yaws)


def street_path(seconds: float, speed: float = 5.0) -> WaypointPath:
    """Drive along the right lane of ``build_street``, weaving a little."""
    count = max(4, int(seconds * 2) + 1)
    times = np.linspace(0, seconds, count, dtype=np.float64)
    x = speed * times
    y = -1.0 + 0.3 * np.sin(0.35 * x)
    yaws = np.arctan(0.3 * 0.35 * np.cos(0.35 * x)) + 0.05 * np.sin(0.9 * times)
    return WaypointPath(times, np.column_stack([x, y, np.zeros(count)]), yaws, sway=0.006, bob=0.015)
