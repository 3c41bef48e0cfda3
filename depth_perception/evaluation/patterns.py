"""Seeded sparsity patterns: which measured pixels a completer gets, and which it is scored on.

A pattern is written ``base``, ``base-40``, ``base+corruption`` or ``base-40+corruption``.

Bases: ``64``, ``32``, ``16``, ``8``, ``4`` LiDAR lines; ``5%`` of the measured pixels; another number for so many
random points (``500``); ``corners500`` for so many image corners; ``tof`` for a grid of 40 x 30 time-of-flight zones;
``holes`` for a stereo camera's depth image. ``-40`` takes away 40 % of the points and one line in four. Corruptions:
``outliers`` and ``outliers10`` replace 5 and 10 % of the points, ``shift2``, ``shift`` and ``shift8`` move all of them
2, 4 and 8 pixels to the right, ``noise`` multiplies by 1 + 0.02 N(0, 1), ``noisy`` by half of that, replacing 3 %.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_perception.evaluation import sensors
from depth_perception.frames import CameraModel, FloatImage

DEFAULT_PATTERNS = ("64", "16", "8", "5%", "500", "150", "64+outliers", "500+outliers", "64+shift", "500+noise")
CLEAN_PATTERNS = (
    *("64", "32", "16", "8", "4"),
    *("10%", "5%", "1%", "0.1%", "0.03%"),
    *("1500", "500", "150"),
    *("corners1500", "corners500", "corners150"),
    *("tof", "holes"),
)
LINE_COUNTS = (64, 32, 16, 8, 4)
OUTLIER_SHARE, SHIFT_PIXELS, NOISE_SHARE = 0.05, 4, 0.02
THINNED, LOST, RING_PERIOD = "-40", 0.4, 4
AZIMUTH_STEP = np.radians(0.2)  # spacing of shots along a simulated line, that of a spinning LiDAR at 10 Hz
FEWEST_MEASURED = {"share": 0.1, "tof": 0.3, "holes": 0.3}  # share of pixels without which these make no sense
FEWEST_CORNERS = 10

# of a street most would lie beyond such limits, and filling holes is the question, not seeing farther
_GRID = sensors.TimeOfFlight(40, 30, limit=10.0, least_share=0.95)
_HOLES = sensors.Stereo(limit=10.0, least_share=0.95)
_SNAP = 3  # pixels between an image corner and the measured pixel that gives its depth


class Sample(NamedTuple):
    """``sparse`` float32 (H, W) metres with 0 = none; ``held_out`` bool (H, W): the pixels to score on."""

    sparse: FloatImage
    held_out: NDArray[np.bool_]


class Parsed(NamedTuple):
    """What a pattern says: ``kind`` is lines, share, points, corners, tof or holes."""

    base: str
    kind: str
    number: float
    thinned: bool
    corruption: str | None


def parse(pattern: str) -> Parsed:
    """Split a pattern into its parts; raises ValueError naming the text and what is understood."""
    match = re.fullmatch(r"((corners)?(\d+(?:\.\d+)?)(%?)|tof|holes)(-40)?(?:\+(\w+))?", pattern)
    number = float(match[3] or 1) if match else 0.0
    if not match or (match[6] and match[6] not in CORRUPTIONS) or number <= 0 or (match[2] and match[4]):
        raise ValueError(
            f"pattern {pattern!r} is not understood: write lines ({', '.join(map(str, LINE_COUNTS))}), a share (5%), a "
            "number of points (500) or of corners (corners500), tof or holes, then optionally -40, then optionally "
            f"+ and one of {', '.join(CORRUPTIONS)}"
        )
    if match[3] is None:
        kind = match[1]
    elif match[4]:
        kind, number = "share", number / 100
    elif match[2]:
        kind = "corners"
    else:
        kind = "lines" if number in LINE_COUNTS else "points"
    return Parsed(match[1], kind, number, bool(match[5]), match[6])


def sample(
    pattern: str,
    truth: FloatImage,
    camera: CameraModel | None = None,
    rings: NDArray[np.int32] | None = None,
    seed: int = 0,
    image: NDArray[np.uint8] | None = None,
) -> Sample | None:
    """Draw the points of ``pattern`` from ``truth`` (H, W) metres with 0 unknown; the same seed gives the same bytes.

    Real ``rings`` (H, W) are used for lines where given: every (64 / n)-th ring, and of all 64 a random fifth of the
    points is held out. Without rings lines of equal elevation are simulated over the image. Corruptions and ``-40``
    change the points and not what is scored. Returns None where the pattern does not fit: a share, a grid or holes in
    an image that is measured at too few pixels (``FEWEST_MEASURED``); corners or holes without an ``image`` (H, W, 3);
    too few corners.
    """
    what = parse(pattern)
    valid = np.isfinite(truth) & (truth > 0)
    if valid.mean() < FEWEST_MEASURED.get(what.kind, 0):
        return None
    if what.kind in ("corners", "holes") and image is None:
        return None
    rng = np.random.default_rng([seed, zlib.crc32(what.base.encode())])
    line = None
    if what.kind in ("share", "points"):
        sparse = _only(_points(what, valid, rng), truth)
    elif what.kind == "lines":
        chosen, line = _lines(int(what.number), rings, valid, camera, rng)
        sparse = _only(chosen, truth)
    else:
        sparse = _measured(what, truth, valid, camera, image, rng)
    if what.kind == "corners" and np.count_nonzero(sparse) < FEWEST_CORNERS:
        return None
    held_out = valid & ~(sparse > 0)
    if what.thinned:
        sparse = thin(sparse, np.random.default_rng([seed, zlib.crc32(THINNED.encode())]), line)
    if what.corruption is not None:
        rng = np.random.default_rng([seed, zlib.crc32(what.corruption.encode())])
        sparse = _SPOIL[what.corruption](sparse, rng)
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


def thin(sparse: FloatImage, rng: np.random.Generator, line: NDArray[np.integer] | None = None) -> FloatImage:
    """Lose 40 % of the points and, of numbered lines ``line`` (H, W), one in four of those that have points."""
    keep = rng.random(sparse.shape) >= LOST
    if line is not None:
        used = np.unique(line[sparse > 0])
        keep &= ~np.isin(line, used[int(rng.integers(RING_PERIOD)) :: RING_PERIOD])
    return np.where(keep, sparse, np.float32(0))


_SPOIL: dict[str, Callable[[FloatImage, np.random.Generator], FloatImage]] = {
    "outliers": add_outliers,
    "outliers10": lambda sparse, rng: add_outliers(sparse, rng, 0.10),
    "shift": lambda sparse, rng: shift(sparse),
    "shift2": lambda sparse, rng: shift(sparse, 2),
    "shift8": lambda sparse, rng: shift(sparse, 8),
    "noise": add_noise,
    "noisy": lambda sparse, rng: add_outliers(add_noise(sparse, rng, 0.01), rng, 0.03),
}
CORRUPTIONS = tuple(_SPOIL)


def _only(chosen, truth) -> FloatImage:
    return np.where(chosen, truth, np.float32(0)).astype(np.float32)


def _points(what: Parsed, valid, rng):
    count = round(what.number * valid.sum()) if what.kind == "share" else int(what.number)
    chosen = np.zeros(valid.shape, bool)
    chosen.flat[rng.choice(np.flatnonzero(valid), min(count, int(valid.sum())), replace=False)] = True
    return chosen


def _measured(what: Parsed, truth, valid, camera, image, rng) -> FloatImage:
    """What a simulated device measures of the known pixels."""
    device: sensors.sensor.Pattern = _GRID if what.kind == "tof" else _HOLES
    if what.kind == "corners":
        device = sensors.Corners(what.number, exact=True, snap=_SNAP)
    height, width = truth.shape
    colors = np.zeros((height, width, 3), np.uint8) if image is None else image
    frame = sensors.Frame(colors, np.where(valid, truth, np.float32(0)), camera or _common_lens(height, width))
    sparse = sensors.Sensor(device).scan(frame, rng).sparse
    return np.where(valid, sparse, np.float32(0))


def _lines(count, rings, valid, camera, rng):
    """Return the pixels on ``count`` lines, and the number of the line of each pixel."""
    if rings is None:
        return _simulated_lines(count, valid, camera)
    step = max(64 // count, 1)
    if step == 1:
        return valid & (rng.random(valid.shape) >= 0.2), rings
    return valid & (rings >= 0) & (rings % step == step // 2), rings


def _common_lens(height: int, width: int) -> CameraModel:
    """Where there is no calibration: a lens about 60 degrees wide."""
    return CameraModel.pinhole(0.87 * width, 0.87 * width, (width - 1) / 2, (height - 1) / 2, width, height)


def _simulated_lines(count, valid, camera):
    """Pixels on ``count`` cones of equal elevation, the shots 0.2 degrees of azimuth apart."""
    height, width = valid.shape
    if camera is None:
        camera = _common_lens(height, width)
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
    return valid & on_line & fires[None, :], line.astype(np.int32)
