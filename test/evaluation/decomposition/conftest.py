"""Three balls on a floor, seen from all around: exact depth and true ids by ray casting, no renderer."""

from __future__ import annotations

import numpy as np
import pytest

from depth_perception.frames import CameraModel, PosedDepth
from depth_perception.geometry.camera import rays

BALLS = {1: ((0.0, 0.0, 0.15), 0.15), 2: ((0.45, 0.1, 0.12), 0.12), 3: ((-0.1, 0.45, 0.1), 0.1)}


def look(eye, aim):
    ahead = (np.asarray(aim) - eye) / np.linalg.norm(np.asarray(aim) - eye)
    right = np.cross(ahead, (0, 0, 1.0))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(ahead, right), ahead], 1)
    pose[:3, 3] = eye
    return pose


def cast(camera, pose):
    d, o = rays(camera).astype(float) @ pose[:3, :3].T, pose[:3, 3]
    depth = np.where(d[..., 2] < 0, -o[2] / np.minimum(d[..., 2], -1e-9), np.nan)
    labels = np.zeros(camera.shape, np.int32)
    for number, (center, radius) in BALLS.items():
        off = o - np.asarray(center)
        a, b, c = (d * d).sum(-1), (d * off).sum(-1), (off * off).sum() - radius**2
        t = (-b - np.sqrt(np.maximum(b * b - a * c, 0))) / a
        hit = (b * b > a * c) & (t > 0) & ~(t > depth)
        depth[hit], labels[hit] = t[hit], number
    return depth.astype(np.float32), labels


@pytest.fixture(scope="session")
def balls():
    """Ten frames of 96 x 72 pixels with true labels."""
    camera = CameraModel.pinhole(90, 90, 47.5, 35.5, 96, 72)
    frames = []
    for k in range(10):
        angle = 2 * np.pi * k / 10
        pose = look(np.array([0.15 + 1.1 * np.cos(angle), 0.15 + 1.1 * np.sin(angle), 0.8]), (0.15, 0.15, 0.05))
        depth, labels = cast(camera, pose)
        image = np.full((72, 96, 3), 120, np.uint8)
        frames.append(PosedDepth(k, "camera", image, camera, depth, pose, labels))
    return frames


@pytest.fixture(scope="session")
def ball_sizes():
    """Center and radius of each ball by id, metres."""
    return BALLS
