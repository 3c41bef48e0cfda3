"""A table seen from above at an angle, with boxes and balls on it: depth and true labels by ray casting."""

from __future__ import annotations

import numpy as np
import pytest

from depth_perception.frames import CameraModel
from depth_perception.geometry.camera import rays


class Table:
    """Camera 0.9 m above a table, looking 45 degrees down; x to the right, y ahead, z up, origin on the table ahead."""

    def __init__(self, width=160, height=120):
        self.camera = CameraModel.pinhole(0.9 * width, 0.9 * width, (width - 1) / 2, (height - 1) / 2, width, height)
        s = np.sqrt(0.5)
        # columns: right, down, ahead of the camera in the world
        self.rotation = np.array([[1, 0, 0], [0, -s, s], [0, -s, -s]]).T.T
        self.origin = np.array([0.0, -0.9, 0.9])
        directions = rays(self.camera).astype(float) @ self.rotation.T
        self.directions = directions
        t = -self.origin[2] / directions[..., 2]
        self.depth = np.where(t > 0, t, np.inf)
        self.labels = np.zeros(self.camera.shape, np.int32)
        self.image = np.full((*self.camera.shape, 3), 150, np.uint8)
        self.count = 0

    def _put(self, t, color):
        self.count += 1
        hit = t < self.depth
        self.depth[hit], self.labels[hit], self.image[hit] = t[hit], self.count, color
        return self

    def box(self, low, high, color=(200, 40, 40)):
        with np.errstate(divide="ignore", invalid="ignore"):
            a, b = ((np.asarray(side) - self.origin) / self.directions for side in (low, high))
        near, far = np.minimum(a, b).max(-1), np.maximum(a, b).min(-1)
        return self._put(np.where((near <= far) & (near > 0), near, np.inf), color)

    def ball(self, center, radius, color=(40, 40, 200)):
        d, o = self.directions, self.origin - np.asarray(center)
        a, b, c = (d * d).sum(-1), (d * o).sum(-1), (o * o).sum() - radius**2
        root = b * b - a * c
        return self._put(np.where(root >= 0, (-b - np.sqrt(np.maximum(root, 0))) / a, np.inf), color)

    def depth_image(self, noise=0.0, seed=0):
        rng = np.random.default_rng(seed)
        depth = np.where(np.isfinite(self.depth), self.depth, np.nan)
        return (depth * (1 + noise * rng.normal(size=depth.shape))).astype(np.float32)


@pytest.fixture
def table():
    return Table()
