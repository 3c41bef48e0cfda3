"""Time-of-flight grids, from 8x8 zones to a camera of 320x240: range limit, and flying pixels at edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_perception.evaluation.sensors.scan import Frame, Points, known, reach


@dataclass(frozen=True)
class TimeOfFlight:
    """``columns`` x ``rows`` zones over the middle ``span`` of the image, one point in the middle of each.

    Light of a whole zone comes back, so a zone with an edge measures something between foreground and background with
    chance ``flying``, else the foreground. ``limit``: greatest depth in metres, raised where less than ``least_share``
    of the image would be in range (0: never). ``noise``: relative.
    """

    columns: int
    rows: int
    span: float = 1.0
    limit: float = 10.0
    least_share: float = 0.0
    flying: float = 0.3
    noise: float = 0.0

    def draw(self, frame: Frame, rng: np.random.Generator) -> Points:
        """Return one point per zone that is in range."""
        height, width = frame.depth.shape
        limit = reach(frame.depth, self.limit, self.least_share)
        u0 = (width - 1) / 2 + ((np.arange(self.columns) + 0.5) / self.columns - 0.5) * self.span * width
        v0 = (height - 1) / 2 + ((np.arange(self.rows) + 0.5) / self.rows - 0.5) * self.span * height
        u, v = (a.ravel() for a in np.meshgrid(np.rint(u0), np.rint(v0)))
        half_u, half_v = self.span * width / self.columns / 2, self.span * height / self.rows / 2
        depths = []
        for du, dv in ((0, 0), (-0.8, -0.8), (0.8, -0.8), (-0.8, 0.8), (0.8, 0.8)):  # the zone's middle and corners
            x = np.clip(np.rint(u + du * half_u), 0, width - 1).astype(np.intp)
            y = np.clip(np.rint(v + dv * half_v), 0, height - 1).astype(np.intp)
            depths.append(frame.depth[y, x])
        zone = np.array(depths)
        zone[~known(zone)] = np.nan
        middle, near, far = zone[0].astype(np.float64), np.fmin.reduce(zone), np.fmax.reduce(zone)
        edge = far > 1.1 * near
        flies = edge & (rng.random(len(u)) < self.flying)
        share = rng.uniform(0.15, 0.85, len(u))
        z = np.where(flies, near + share * (far - near), np.where(edge & ~(middle < 1.1 * near), near, middle))
        if self.noise > 0:
            z = z * np.maximum(1 + self.noise * rng.standard_normal(len(z)), 0.05)
        hit = known(z) & (z <= limit)
        return Points(u[hit], v[hit], z[hit])
