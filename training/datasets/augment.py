"""What cameras do to colours, and what mountings do to the match of colour and depth. NumPy and OpenCV, seeded."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def recolor(image: Image, rng: np.random.Generator) -> Image:
    """Return RGB uint8 (H, W, 3) with changed gain, white balance, contrast, gamma, saturation, noise and blur."""
    light = image.astype(np.float32) * np.float32(1 / 255)
    if rng.random() < 0.8:
        light = np.power(light, np.float32(np.exp(rng.normal(0, 0.25))))
        light *= (np.exp(rng.normal(0, 0.2)) * np.exp(rng.normal(0, 0.08, 3))).astype(np.float32)
        mean = np.float32(light.mean())
        light = mean + (light - mean) * np.float32(np.exp(rng.normal(0, 0.2)))
    if rng.random() < 0.4:
        gray = light.mean(2, keepdims=True)
        light = gray + (light - gray) * np.float32(0.0 if rng.random() < 0.4 else rng.uniform(0, 1.6))
    if rng.random() < 0.3:
        light = np.asarray(cv2.GaussianBlur(light, (5, 5), float(rng.uniform(0.3, 1.4))), np.float32)
    if rng.random() < 0.5:
        light = light + rng.standard_normal(light.shape, np.float32) * np.float32(rng.uniform(0, 0.04))
    return np.asarray(np.clip(light * 255, 0, 255), np.uint8)


def displace(image: Image, rng: np.random.Generator, pixels: float) -> Image:
    """Move the image under its depth by up to ``pixels`` in each direction, edges repeated."""
    shift = rng.uniform(-pixels, pixels, 2)
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    size = (image.shape[1], image.shape[0])
    return np.asarray(cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE), np.uint8)
