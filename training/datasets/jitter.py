"""Colour jitter that several frames share: brightness, contrast, saturation and hue, in random order."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Jitter:
    """One draw. ``brightness``, ``contrast`` and ``saturation`` are factors, ``hue`` turns of the colour circle.

    ``order``: which of the four comes first, second and so on.
    """

    brightness: float
    contrast: float
    saturation: float
    hue: float
    order: tuple[int, ...] = (0, 1, 2, 3)

    @classmethod
    def draw(cls, rng: np.random.Generator, amount: float = 0.2, hue: float = 0.1) -> Jitter:
        """Draw factors between 1 - ``amount`` and 1 + ``amount`` and a hue of up to ``hue``, as monodepth2 does."""
        brightness, contrast, saturation = (float(x) for x in rng.uniform(1 - amount, 1 + amount, 3))
        order = tuple(int(k) for k in rng.permutation(4))
        return cls(brightness, contrast, saturation, float(rng.uniform(-hue, hue)), order)

    def __call__(self, image: Image) -> Image:
        """Return RGB uint8 (H, W, 3) with changed colours. Contrast is about the image's own mean grey."""
        out = image.astype(np.float32)
        for step in self.order:
            if step == 0:
                out = out * np.float32(self.brightness)
            elif step == 1:
                mean = cv2.cvtColor(out, cv2.COLOR_RGB2GRAY).mean()
                out = mean + np.float32(self.contrast) * (out - mean)
            elif step == 2:
                grey = cv2.cvtColor(out, cv2.COLOR_RGB2GRAY)[..., None]
                out = grey + np.float32(self.saturation) * (out - grey)
            else:
                hsv = cv2.cvtColor(out * np.float32(1 / 255), cv2.COLOR_RGB2HSV)
                hsv[..., 0] = (hsv[..., 0] + np.float32(360 * self.hue)) % 360
                out = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * np.float32(255)
            np.clip(out, 0, 255, out=out)
        return np.asarray(np.rint(out), np.uint8)
