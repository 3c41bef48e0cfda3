"""LiDARs: spinning ones whose rings have one elevation each, and solid-state ones that scan rows or rosettes.

They measure from their own place where the frame has a second view, so that background shows between foreground pixels
as it does on a robot; else from the camera's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depth_perception.evaluation.sensors.scan import Frame, Points, known

ROWS = 480  # rings told per so many image rows give the same spacing in smaller images

FIELDS = (
    (-24.8, 2.0),  # Velodyne HDL-64E
    (-30.7, 10.7),  # Velodyne HDL-32E
    (-15.0, 15.0),  # Velodyne VLP-16
    (-25.0, 15.0),  # Velodyne VLS-128, Hesai Pandar64
    (-22.5, 22.5),  # Ouster OS1
    (-45.0, 45.0),  # Ouster OS0
    (-16.0, 15.0),  # Hesai XT32
)
"""Elevations of the lowest and the highest ring in degrees, from the makers' data sheets."""


@dataclass(frozen=True)
class Spinning:
    """``rings`` lasers turning about an upright axis.

    ``field``: elevation of the lowest and highest ring in degrees, or None for rings in the middle of equal steps over
    ``span`` of the image's own field. ``azimuth_step``: degrees between shots, or, if None, ``azimuth_pixels`` in the
    middle of the image. ``mounting``: roll, pitch and yaw of the LiDAR against the camera, degrees. ``crowding`` > 1
    puts rings closer in the middle. ``per_rows``: ``rings`` are meant for an image of 480 rows and scaled to the
    actual one. ``reach``: least and greatest range in metres.
    """

    rings: int
    field: tuple[float, float] | None = None
    span: float = 1.0
    azimuth_step: float | None = 0.2
    azimuth_pixels: float = 2.0
    mounting: tuple[float, float, float] = (0.0, 0.0, 0.0)
    crowding: float = 1.0
    per_rows: bool = False
    reach: tuple[float, float] = (0.1, 200.0)

    def draw(self, frame: Frame, rng: np.random.Generator) -> Points:
        """Shoot all rays that may fall into the image; ``ring`` counts from the lowest."""
        K = frame.camera.K
        height, width = frame.depth.shape
        rings = max(round(self.rings * height / ROWS), 3) if self.per_rows else self.rings
        rotation = rotation_matrix(self.mounting)
        steps = (np.arange(rings) + 0.5) / rings * 2 - 1  # middles of equal steps over -1..1
        if self.field is None:
            low, high = _elevation_span(K, height, width)
            low, high = _narrowed(low, high, self.span)
        else:
            low, high = np.radians(self.field)
            steps = np.linspace(-1, 1, rings)
        steps = np.sign(steps) * np.abs(steps) ** self.crowding
        elevation = (low + high) / 2 + steps * (high - low) / 2
        step = np.radians(self.azimuth_step) if self.azimuth_step else self.azimuth_pixels / K[0, 0]
        left, right = np.arctan2(-K[0, 2] - 1, K[0, 0]) - 0.15, np.arctan2(width - K[0, 2], K[0, 0]) + 0.15
        azimuth = np.arange(left, right, step)
        phase = rng.random(rings) * step  # lasers do not fire at one time
        azimuth = azimuth[None, :] + phase[:, None]
        across = np.cos(elevation)[:, None]
        directions = np.stack(
            [
                across * np.sin(azimuth),
                np.broadcast_to(-np.sin(elevation)[:, None], azimuth.shape),
                across * np.cos(azimuth),
            ]
        ).reshape(3, -1)
        ring = np.repeat(np.arange(rings), azimuth.shape[1])
        return cast(frame, rotation @ directions, ring, self.reach)


@dataclass(frozen=True)
class SolidState:
    """No spinning parts: a beam steered along a ``path``.

    ``rosette`` (two turning prisms, as Livox), ``lissajous`` (a mirror swinging about two axes) or ``rows`` (a mirror
    sweeping line after line, forth and back). ``count`` shots per 640x480 image area over a field of ``span`` of the
    image's width and height.
    """

    count: float
    path: str = "rosette"
    span: float = 0.9
    mounting: tuple[float, float, float] = (0.0, 0.0, 0.0)
    reach: tuple[float, float] = (0.1, 200.0)

    def draw(self, frame: Frame, rng: np.random.Generator) -> Points:
        """Shoot along the path, from a random moment on."""
        K = frame.camera.K
        height, width = frame.depth.shape
        count = max(round(self.count * frame.depth.size / (640 * 480)), 8)
        t = np.arange(count) / count
        a, b = rng.random(2) * 2 * np.pi
        if self.path == "rosette":
            petals = max(np.sqrt(count) / 4, 3.0)
            one, two = 2 * np.pi * petals * 1.37 * t + a, -2 * np.pi * petals * t + b
            x, y = (np.cos(one) + np.cos(two)) / 2, (np.sin(one) + np.sin(two)) / 2
        elif self.path == "lissajous":
            swings = max(np.sqrt(count) / 3, 3.0)
            x, y = np.sin(2 * np.pi * swings * t + a), np.sin(2 * np.pi * swings * 0.7183 * t + b)
        else:
            lines = max(round(np.sqrt(count * height / width) / 2), 2)
            y = np.floor(t * lines) / lines * 2 - 1 + 1 / lines
            x = np.sign(np.pi - a) * (2 * np.abs(t * lines % 2 - 1) - 1)
        u = (width - 1) / 2 + x * self.span * (width - 1) / 2
        v = (height - 1) / 2 + y * self.span * (height - 1) / 2
        directions = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones(count)])
        return cast(frame, rotation_matrix(self.mounting) @ directions, None, self.reach)


def cast(
    frame: Frame, directions: NDArray[np.float64], ring: NDArray[np.intp] | None, reach: tuple[float, float]
) -> Points:
    """Return what rays (3, n) of any length, in the frame of the second view (or the camera), hit within ``reach``.

    A ray is moved to the middle of its pixel, so that depth and direction fit together.
    """
    K = frame.camera.K
    source = frame.depth if frame.second is None else frame.second.depth
    height, width = source.shape
    x, y, z = directions
    with np.errstate(divide="ignore", invalid="ignore"):
        u = np.floor(K[0, 0] * x / z + K[0, 2] + 0.5)
        v = np.floor(K[1, 1] * y / z + K[1, 2] + 0.5)
    seen = np.flatnonzero((z > 0) & (u >= 0) & (u < width) & (v >= 0) & (v < height))
    u, v = u[seen], v[seen]
    depth = source[v.astype(np.intp), u.astype(np.intp)].astype(np.float64)
    x, y = (u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1]
    distance = depth * np.sqrt(1 + x * x + y * y)
    hit = known(depth) & (distance >= reach[0]) & (distance <= reach[1])
    u, v, depth, x, y, seen = u[hit], v[hit], depth[hit], x[hit], y[hit], seen[hit]
    ring = None if ring is None else ring[seen]
    if frame.second is None:
        return Points(u, v, depth, ring)
    T = frame.second.T_camera_second
    x, y, z = T[:3, :3] @ np.stack([x * depth, y * depth, depth]) + T[:3, 3:]
    front = z > 0.05
    x, y, z = x[front], y[front], z[front]
    u, v = K[0, 0] * x / z + K[0, 2], K[1, 1] * y / z + K[1, 2]
    return Points(u, v, z, None if ring is None else ring[front])


def rotation_matrix(degrees: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return the rotation (3, 3) by roll about z, then pitch about x, then yaw about y of an optical frame."""
    (cr, sr), (cp, sp), (cy, sy) = ((np.cos(a), np.sin(a)) for a in np.radians(degrees))
    roll = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    pitch = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    return yaw @ pitch @ roll


def _elevation_span(K, height: int, width: int) -> tuple[float, float]:
    """Elevations in radians, up positive, of the lowest and highest pixel of the image's middle column."""
    return -np.arctan2(height - 1 - K[1, 2], K[1, 1]), np.arctan2(K[1, 2], K[1, 1])


def _narrowed(low: float, high: float, span: float) -> tuple[float, float]:
    middle, half = (low + high) / 2, span * (high - low) / 2
    return middle - half, middle + half
