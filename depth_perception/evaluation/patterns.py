"""Seeded sparsity patterns: which measured pixels a completer gets, and which it is scored on.

A pattern is written ``base`` or ``base+corruption``. Bases: ``64``, ``16``, ``8`` LiDAR lines, ``5%`` of the
measured pixels, or a number of random points (``500``, ``150``). Corruptions: ``outliers`` replaces 5 % of the points,
``shift`` moves all of them 4 pixels to the right, ``noise`` multiplies by 1 + 0.02 N(0, 1).
"""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, FloatImage

DEFAULT_PATTERNS = ("64", "16", "8", "5%", "500", "150", "64+outliers", "500+outliers", "64+shift", "500+noise")
LINE_COUNTS = (64, 32, 16, 8)
CORRUPTIONS = ("outliers", "shift", "noise")
OUTLIER_SHARE, SHIFT_PIXELS, NOISE_SHARE = 0.05, 4, 0.02
AZIMUTH_STEP = np.radians(0.2)  # spacing of shots along a simulated line, that of a spinning LiDAR at 10 Hz


class Sample(NamedTuple):
    """``sparse`` float32 (H, W) metres with 0 = none; ``held_out`` bool (H, W): the pixels to score on."""

    sparse: FloatImage
    held_out: NDArray[np.bool_]


def parse(pattern: str) -> tuple[str, str, float, str | None]:
    """Split a pattern into (its text, kind, number, corruption); kind is lines, share or points.

    Raises ValueError naming the text and what is understood.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)(?:\+(\w+))?", pattern)
    if not match or (match[3] and match[3] not in CORRUPTIONS) or float(match[1]) <= 0:
        raise ValueError(
            f"pattern {pattern!r} is not understood: write lines ({', '.join(map(str, LINE_COUNTS))}), a share (5%) or "
            f"a number of points (500), then optionally + and one of {', '.join(CORRUPTIONS)}"
        )
    number = float(match[1])
    if match[2]:
        return pattern, "share", number / 100, match[3]
    return pattern, ("lines" if number in LINE_COUNTS else "points"), number, match[3]


def sample(
    pattern: str,
    truth: FloatImage,
    camera: CameraModel | None = None,
    rings: NDArray[np.int32] | None = None,
    seed: int = 0,
) -> Sample | None:
    """Draw the points of ``pattern`` from ``truth`` (H, W) metres with 0 unknown; the same seed gives the same bytes.

    Real ``rings`` (H, W) are used for lines where given: every (64 / n)-th ring, and of all 64 a random fifth of the
    points is held out. Without rings lines of equal elevation are simulated over the image. Returns None where the
    pattern does not fit: a share of the pixels of an image of which fewer than a tenth are measured.
    """
    _, kind, number, corruption = parse(pattern)
    valid = np.isfinite(truth) & (truth > 0)
    rng = np.random.default_rng([seed, zlib.crc32(pattern.split("+")[0].encode())])
    if kind == "lines":
        chosen = (
            _ring_lines(int(number), rings, valid, rng) if rings is not None else _lines(int(number), valid, camera)
        )
    elif kind == "share" and valid.mean() < 0.1:
        return None
    else:
        count = min(round(number * valid.sum()) if kind == "share" else int(number), int(valid.sum()))
        chosen = np.zeros(valid.shape, bool)
        chosen.flat[rng.choice(np.flatnonzero(valid), count, replace=False)] = True
    sparse = np.where(chosen, truth, np.float32(0)).astype(np.float32)
    held_out = valid & ~chosen
    if corruption is not None:
        rng = np.random.default_rng([seed, zlib.crc32(corruption.encode())])
        sparse = {"outliers": add_outliers, "noise": add_noise, "shift": lambda s, _: shift(s)}[corruption](sparse, rng)
    return Sample(sparse, held_out)


def add_outliers(sparse: FloatImage, rng: np.random.Generator, share: float = OUTLIER_SHARE) -> FloatImage:
    """Replace ``share`` of the points by depths spread evenly in logarithm: half the nearest to twice the farthest.

    Nearest and farthest are the 2nd and 98th percentile of the given points.
    """
    out = sparse.copy()
    where = np.flatnonzero(sparse > 0)
    hit = rng.choice(where, round(share * len(where)), replace=False)
    if len(hit):
        near, far = np.percentile(sparse.flat[where], (2, 98))
        out.flat[hit] = np.exp(rng.uniform(np.log(near / 2), np.log(far * 2), len(hit)))
    return out


def add_noise(sparse: FloatImage, rng: np.random.Generator, share: float = NOISE_SHARE) -> FloatImage:
    """Multiply every point by 1 + ``share`` N(0, 1), kept positive."""
    factor = 1 + share * rng.standard_normal(sparse.shape)
    return (sparse * np.maximum(factor, 0.05)).astype(np.float32)


def shift(sparse: FloatImage, pixels: int = SHIFT_PIXELS) -> FloatImage:
    """Move all points to the right, as a wrong extrinsic calibration does; points leaving the image are lost."""
    out = np.zeros_like(sparse)
    if pixels < sparse.shape[1]:
        out[:, pixels:] = sparse[:, : sparse.shape[1] - pixels]
    return out


def _ring_lines(count, rings, valid, rng):
    step = max(64 // count, 1)
    if step == 1:
        return valid & (rng.random(valid.shape) >= 0.2)
    return valid & (rings >= 0) & (rings % step == step // 2)


def _lines(count, valid, camera):
    """Pixels on ``count`` cones of equal elevation, the shots 0.2 degrees of azimuth apart."""
    height, width = valid.shape
    if camera is None:  # no calibration: a common lens, about 60 degrees wide
        camera = CameraModel.pinhole(0.87 * width, 0.87 * width, (width - 1) / 2, (height - 1) / 2, width, height)
    x = (np.arange(width) - camera.K[0, 2]) / camera.K[0, 0]
    y = (np.arange(height) - camera.K[1, 2]) / camera.K[1, 1]
    elevation = np.arctan2(y[:, None], np.hypot(1.0, x)[None, :])
    low, high = elevation.min(), elevation.max()
    line = np.floor((elevation - low) / max(high - low, 1e-9) * count - 0.5)  # cones in the middle of equal steps
    on_line = np.zeros(valid.shape, bool)
    on_line[1:] = (line[1:] != line[:-1]) & (line[1:] >= 0)
    shot = np.floor(np.arctan(x) / AZIMUTH_STEP)
    fires = np.ones(width, bool)
    fires[1:] = shot[1:] != shot[:-1]
    return valid & on_line & fires[None, :]
