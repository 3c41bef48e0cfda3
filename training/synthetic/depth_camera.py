"""What a depth camera makes of exact depth: noise that grows with distance and slant, holes, ragged edges."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, FloatImage


@dataclass(frozen=True)
class DepthCamera:
    """Axial noise as measured on a structured-light camera: ``near`` + ``far`` (z - 0.4 m)^2 metres.

    That formula and its numbers are those of Nguyen, Izadi and Lovell, Modeling Kinect Sensor Noise for Improved 3D
    Reconstruction and Tracking (3DIMPVT 2012), section 3. ``lateral``: pixels by which what is seen wanders;
    ``slant``: cosine to the surface below which nothing comes back; ``edge_holes``: chance of a pixel at a step in
    depth to be lost; ``step``: disparity resolution, metres of depth a square metre; ``limit`` metres.
    """

    near: float = 0.0012
    far: float = 0.0019
    lateral: float = 0.5
    slant: float = 0.12
    edge_holes: float = 0.4
    step: float = 0.001
    limit: float = 8.0


def measure(
    depth: FloatImage, normal: NDArray, camera: CameraModel, sensor: DepthCamera, rng: np.random.Generator
) -> tuple[FloatImage, FloatImage]:
    """Return float32 (h, w) metres and their standard deviations, both NaN where nothing is measured.

    ``depth`` (h, w) metres, NaN where nothing is; ``normal`` (h, w, 3) in the camera's frame.
    """
    height, width = depth.shape
    rows, columns = np.mgrid[:height, :width]
    wander = rng.normal(0.0, sensor.lateral, (2, height, width))
    r = np.clip(np.rint(rows + wander[0]), 0, height - 1).astype(np.intp)
    c = np.clip(np.rint(columns + wander[1]), 0, width - 1).astype(np.intp)
    # lateral noise matters at edges; inside surfaces it would only add the slope once more
    known = np.isfinite(depth)
    filled = np.where(known, depth, np.float32(1e3)).astype(np.float32)
    wide = np.ones((3, 3), np.uint8)
    edge = cv2.dilate(filled, wide) > 1.03 * cv2.erode(filled, wide)
    seen = np.where(edge, depth[r, c], depth)
    x = (columns - camera.K[0, 2]) / camera.K[0, 0]
    y = (rows - camera.K[1, 2]) / camera.K[1, 1]
    facing = np.abs(normal[..., 0] * x + normal[..., 1] * y + normal[..., 2]) / np.sqrt(1 + x * x + y * y)
    sigma = sensor.near + sensor.far * np.square(np.maximum(seen - 0.4, 0))
    sigma = sigma * (1 + 0.5 * np.clip(1 / np.maximum(facing, 0.1) - 1, 0, 6))
    # neighbours share part of their error, as they come from one matching window
    fresh = rng.normal(size=(2, height, width)).astype(np.float32)
    shared = cv2.GaussianBlur(fresh[0], (0, 0), 1.2)
    noise = 0.6 * fresh[1] + 0.8 * shared / max(float(shared.std()), 1e-6)
    out = seen + sigma * noise
    if sensor.step > 0:
        out = 1 / (np.rint(1 / (np.maximum(out, 0.05) * sensor.step)) * sensor.step)
    lost = ~np.isfinite(seen) | (facing < sensor.slant) | (seen > sensor.limit)
    lost |= edge & (rng.random(depth.shape) < sensor.edge_holes)
    values = np.where(lost, np.nan, out).astype(np.float32)
    return values, np.where(lost, np.nan, sigma).astype(np.float32)
