from __future__ import annotations

import cv2
import numpy as np
import pytest

from depth_perception.evaluation.sensors import Frame, SecondView
from depth_perception.frames import CameraModel

WIDTH, HEIGHT, FOCAL = 320, 240, 250.0
CAMERA = CameraModel.pinhole(FOCAL, FOCAL, 159.5, 119.5, WIDTH, HEIGHT)
BOX, WALL = 2.0, 6.0  # metres
LEFT, RIGHT, TOP, BOTTOM = 120, 200, 80, 180  # pixels of the box in the camera


def box_seen_from(x: float) -> np.ndarray:
    """A flat box before a wall, from ``x`` metres right of the camera; everything moves by focal * x / depth."""
    depth = np.full((HEIGHT, WIDTH), WALL, np.float32)
    move = round(FOCAL * x / BOX)
    depth[TOP:BOTTOM, LEFT - move : RIGHT - move] = BOX
    return depth


@pytest.fixture
def frame() -> Frame:
    """Checkered box before a grey wall, without a second view."""
    image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    squares = np.kron(np.indices((10, 8)).sum(0) % 2, np.ones((10, 10), int))
    image[TOP:BOTTOM, LEFT:RIGHT] = (60 + 140 * squares)[..., None]
    return Frame(cv2.GaussianBlur(image, (3, 3), 0), box_seen_from(0.0), CAMERA)


@pytest.fixture
def shifted_frame(frame) -> Frame:
    """The same with a LiDAR 0.2 m to the right of the camera."""
    T = np.eye(4)
    T[0, 3] = 0.2
    return Frame(frame.image, frame.depth, CAMERA, SecondView(box_seen_from(0.2), T))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
