"""What goes wrong with measured points. Every part is off at 0, and leaves alone what it is not about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_perception.evaluation.sensors.scan import Frame, Points, known, pixels_of


@dataclass(frozen=True)
class Corruption:
    """Shares and chances lie in [0, 1].

    ``noise``: relative standard deviation of range; ``outliers``: share replaced by depths even in logarithm between
    half the near and twice the far end; ``clusters``: share that is off by one common factor per patch;
    ``mixed``: chance of a point beside a depth edge to lie between the two sides; ``drop``: share lost at random;
    ``dark``, ``bright``: chance to lose a point on a black or a white pixel; ``ring_period``: one ring in so many is
    missing (0: none); ``sector``: share of the width without points; ``shift``: pixels right and down, a rotation
    of the mount; ``roll``: degrees about the optical axis; ``translation``: metres right and down, so that near points
    move more; ``sweep``: pixels the right border moves more than the left one, a camera turning during a scan.
    """

    noise: float = 0.0
    outliers: float = 0.0
    clusters: float = 0.0
    mixed: float = 0.0
    drop: float = 0.0
    dark: float = 0.0
    bright: float = 0.0
    ring_period: int = 0
    sector: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    roll: float = 0.0
    translation: tuple[float, float] = (0.0, 0.0)
    sweep: float = 0.0

    def apply(self, points: Points, frame: Frame, rng: np.random.Generator) -> Points:
        """Return the points that are left, with what became of them."""
        points = self._lose(points, frame, rng)
        if not len(points.z):
            return points
        z = self._measure(points, frame, rng)
        return self._move(points._replace(z=z), frame)

    def _lose(self, points: Points, frame: Frame, rng: np.random.Generator) -> Points:
        keep = np.ones(len(points.z), bool)
        if self.ring_period and points.ring is not None:
            keep &= points.ring % self.ring_period != rng.integers(self.ring_period)
        if self.sector > 0:
            start = rng.uniform(0, 1 - self.sector) * frame.depth.shape[1]
            keep &= (points.u < start) | (points.u > start + self.sector * frame.depth.shape[1])
        if self.drop > 0:
            keep &= rng.random(len(keep)) >= self.drop
        if self.dark > 0 or self.bright > 0:
            pixels, _ = pixels_of(points, frame.depth.shape)
            gray = frame.image.reshape(-1, 3)[pixels].mean(axis=1)
            # fades in below 50 and above 225 of 255
            chance = self.dark * np.clip((50 - gray) / 50, 0, 1) + self.bright * np.clip((gray - 225) / 25, 0, 1)
            keep &= rng.random(len(keep)) >= chance
        return points if keep.all() else points.select(keep)

    def _measure(self, points: Points, frame: Frame, rng: np.random.Generator):
        z = points.z.copy()
        count = len(z)
        if self.mixed > 0:
            other = _beside(points, frame, rng)
            between = (np.abs(np.log(other / z)) > 0.1) & (rng.random(count) < self.mixed)
            share = rng.uniform(0.1, 0.9, count)
            z = np.where(between, z + share * (other - z), z)
        if self.noise > 0:
            z *= np.maximum(1 + self.noise * rng.standard_normal(count), 0.05)
        if self.clusters > 0:
            z = _clusters(points, z, self.clusters, frame.depth.shape, rng)
        if round(self.outliers * count):
            hit = rng.choice(count, round(self.outliers * count), replace=False)
            near, far = np.percentile(points.z, (2, 98))
            z[hit] = np.exp(rng.uniform(np.log(near / 2), np.log(far * 2), len(hit)))
        return z

    def _move(self, points: Points, frame: Frame) -> Points:
        u, v = points.u, points.v
        K, width = frame.camera.K, frame.depth.shape[1]
        if self.translation != (0.0, 0.0):
            u, v = u + K[0, 0] * self.translation[0] / points.z, v + K[1, 1] * self.translation[1] / points.z
        if self.roll:
            c, s = np.cos(np.radians(self.roll)), np.sin(np.radians(self.roll))
            x, y = u - K[0, 2], v - K[1, 2]
            u, v = c * x - s * y + K[0, 2], s * x + c * y + K[1, 2]
        if self.sweep:
            u = u + self.sweep * (u / width)
        return points._replace(u=u + self.shift[0], v=v + self.shift[1])


CLEAN = Corruption()


def _beside(points: Points, frame: Frame, rng: np.random.Generator):
    """The depth of a pixel up to two away from each point; the point's own where nothing is known there."""
    height, width = frame.depth.shape
    du, dv = rng.integers(-2, 3, (2, len(points.z)))
    u = np.clip(np.rint(points.u).astype(np.intp) + du, 0, width - 1)
    v = np.clip(np.rint(points.v).astype(np.intp) + dv, 0, height - 1)
    other = frame.depth[v, u]
    return np.where(known(other), other, points.z).astype(np.float64)


def _clusters(points: Points, z, share: float, shape: tuple[int, int], rng: np.random.Generator):
    """Multiply patches of points by a common factor, as a mirror or a passer-by does, until ``share`` is hit."""
    count = max(round(share * len(z)), 1)
    patches = int(rng.integers(1, 5))
    z = z.copy()
    for one in rng.integers(len(z), size=patches):
        size = min(max(count // patches, 1), len(z))
        away = np.hypot(points.u - points.u[one], points.v - points.v[one])
        near = np.argpartition(away, size - 1)[:size]
        z[near] *= np.exp(rng.choice((-1.0, 1.0)) * rng.uniform(0.15, 0.7))
    return z
