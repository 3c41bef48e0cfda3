"""What cameras do to colours, and what mountings do to the match of colour and depth. NumPy and OpenCV, seeded."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def recolor(image: Image, rng: np.random.Generator) -> Image:
    """Return RGB uint8 (H, W, 3) with changed gain, white balance, contrast, gamma, saturation, noise and blur."""
    if rng.random() < 0.8:
        grey = np.arange(256, dtype=np.float32)[:, None] * np.float32(1 / 255)  # one curve a channel
        curve = np.power(grey, np.float32(np.exp(rng.normal(0, 0.25))))
        curve = curve * (np.exp(rng.normal(0, 0.2)) * np.exp(rng.normal(0, 0.08, 3))).astype(np.float32)
        middle = float(image[::8, ::8].mean()) / 255
        curve = middle + (curve - middle) * np.float32(np.exp(rng.normal(0, 0.2)))
        table = np.clip(curve * 255, 0, 255).astype(np.uint8)[None]  # (1, 256, 3)
        image = np.asarray(cv2.LUT(image, table), np.uint8)
    if rng.random() < 0.4:
        keep = 0.0 if rng.random() < 0.4 else float(rng.uniform(0, 1.6))
        image = np.asarray(cv2.transform(image, keep * np.eye(3) + (1 - keep) / 3), np.uint8)
    if rng.random() < 0.3:
        image = np.asarray(cv2.GaussianBlur(image, (5, 5), float(rng.uniform(0.3, 1.4))), np.uint8)
    if rng.random() < 0.5:
        noise = rng.integers(-128, 128, image.shape, np.int8)  # even; what matters is its strength
        strength = float(rng.uniform(0, 10)) / 74  # 74: standard deviation of the above
        image = np.asarray(cv2.add(image, noise * np.float32(strength), dtype=cv2.CV_8U), np.uint8)
    return image


def displace(image: Image, rng: np.random.Generator, pixels: float) -> Image:
    """Move the image under its depth by up to ``pixels`` in each direction, edges repeated."""
    shift = rng.uniform(-pixels, pixels, 2)
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    size = (image.shape[1], image.shape[0])
    return np.asarray(cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE), np.uint8)
