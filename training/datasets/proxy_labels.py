"""Class numbers for GAM-Depth's semantic decoder, from whatever tells them; they make features see edges.

The paper takes those of a pretrained network. Here they come from a folder, from any function, from the renderer, or
from nothing: superpixels in a few clusters of colour and texture, which needs no training and no download. 0 is
unknown.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from training.datasets.video import VideoFrame
from training.synthetic.sequences import CLASSES

Labels = NDArray[np.int64]
_ITERATIONS = 8
_SURE = 3.0  # a superpixel farther from its cluster's centre than so many of the clusters' spreads is unknown


class ProxyLabels(Protocol):
    """``classes``: numbers run from 0 to ``classes`` - 1."""

    classes: int

    def fit(self, frames: Sequence[VideoFrame]) -> None:
        """Look at some frames of the videos before training; the same frames make the same labels."""
        ...

    def __call__(self, frame: VideoFrame) -> Labels:
        """Return class numbers (H, W) of the frame's image, in a size of their own choice."""
        ...


class RenderedLabels:
    """Those of the renderer; ``noise`` is the share of regions that get a wrong class, as a real segmenter's do."""

    def __init__(self, noise: float = 0.15):
        self.classes = len(CLASSES)
        self.noise = noise

    def fit(self, frames: Sequence[VideoFrame]) -> None:
        """Nothing is needed."""

    def __call__(self, frame: VideoFrame) -> Labels:
        """See ``ProxyLabels``; raises ValueError for a frame without labels."""
        if frame.label is None:
            raise ValueError(f"{frame.name} has no labels: it is not rendered")
        label = frame.label.astype(np.int64)
        rng = np.random.default_rng(list(frame.name.encode()))
        for kind in np.unique(label):
            count, region = cv2.connectedComponents((label == kind).astype(np.uint8))
            wrong = np.asarray(rng.random(count) < self.noise)
            value = rng.integers(1, self.classes, (int(count),))
            label = np.where(wrong[region] & (frame.label == kind), value[region], label)
        return label


class FolderLabels:
    """Images of class numbers under ``folder``: VIDEO/FRAME.png or FRAME.png for a frame named VIDEO/FRAME.

    8- or 16-bit, one channel, 0 to ``classes`` - 1; other values, and frames without an image, are unknown.
    """

    def __init__(self, folder: str, classes: int):
        self.folder = Path(folder)
        self.classes = classes
        if not self.folder.is_dir():
            raise FileNotFoundError(f"no folder of label images: {folder}")

    def fit(self, frames: Sequence[VideoFrame]) -> None:
        """Raise FileNotFoundError if none of ``frames`` has an image, which is a mistake in the folder's name."""
        if frames and not any(self._file(frame) for frame in frames):
            raise FileNotFoundError(f"{self.folder} has a label image for none of the frames, such as {frames[0].name}")

    def __call__(self, frame: VideoFrame) -> Labels:
        """See ``ProxyLabels``."""
        file = self._file(frame)
        if file is None:
            return np.zeros(frame.image.shape[:2], np.int64)
        values = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        if values is None or values.ndim != 2:
            raise ValueError(f"{file} is no image of one channel")
        return checked(values, self.classes)

    def _file(self, frame: VideoFrame) -> Path | None:
        for name in (frame.name, frame.name.rpartition("/")[2]):
            if (self.folder / f"{name}.png").is_file():
                return self.folder / f"{name}.png"
        return None


class CallableLabels:
    """What ``function`` says, named package.module.function or package.module:function.

    It is given an RGB image uint8 (H, W, 3) and returns whole numbers (h, w) from 0 to ``classes`` - 1. Imported in
    each worker when first used, so that a network in it may live on a device.
    """

    def __init__(self, function: str, classes: int):
        self.function = function
        self.classes = classes
        self._call: Any = None

    def fit(self, frames: Sequence[VideoFrame]) -> None:
        """Try the function on one frame: mistakes are told before training."""
        if frames:
            self(frames[0])
        self._call = None  # a network of its own for each worker

    def __call__(self, frame: VideoFrame) -> Labels:
        """See ``ProxyLabels``; raises ImportError, AttributeError, ValueError for what is no labels."""
        if self._call is None:
            module, _, name = self.function.replace(":", ".").rpartition(".")
            self._call = getattr(importlib.import_module(module), name)
        values = np.asarray(self._call(frame.image))
        if values.ndim != 2 or values.dtype.kind not in "iu":
            raise ValueError(f"{self.function} returned {values.dtype} {values.shape}, not whole numbers (h, w)")
        return checked(values, self.classes)


class ClusterLabels:
    """Superpixels in ``clusters`` groups of like colour and texture, learned from the videos' own frames.

    SLIC (Achanta et al., PAMI 2012) at about ``cells`` superpixels an image; each is described by the mean of its Lab
    colours, their spread, its gradients and how high it stands. Superpixels like none of the groups are unknown.
    """

    def __init__(self, clusters: int = 12, cells: int = 200, seed: int = 0):
        self.classes = clusters + 1
        self.cells = cells
        self.seed = seed
        self._centers: NDArray[np.float64] | None = None
        self._shift, self._scale = np.zeros(6), np.ones(6)
        self._reach = np.inf

    def fit(self, frames: Sequence[VideoFrame]) -> None:
        """Find the groups; raises ValueError without frames."""
        if not frames:
            raise ValueError("clusters need frames to be learned from")
        found = np.concatenate([describe(frame.image, self.cells)[1] for frame in frames])
        self._shift, self._scale = found.mean(0), found.std(0) + 1e-6
        found = (found - self._shift) / self._scale
        groups = min(self.classes - 1, len(found))
        self._centers, _ = kmeans2(found, groups, minit="++", seed=np.random.default_rng(self.seed))
        nearest = np.linalg.norm(found[:, None] - self._centers, axis=2).min(1)
        self._reach = _SURE * float(np.median(nearest)) + 1e-6

    def __call__(self, frame: VideoFrame) -> Labels:
        """See ``ProxyLabels``; raises RuntimeError before ``fit``."""
        if self._centers is None:
            raise RuntimeError("clusters are not fitted yet")
        region, found = describe(frame.image, self.cells)
        distance = np.linalg.norm(((found - self._shift) / self._scale)[:, None] - self._centers, axis=2)
        group = np.where(distance.min(1) <= self._reach, distance.argmin(1) + 1, 0)
        return np.asarray(group[region], np.int64)


def describe(image: NDArray[np.uint8], cells: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the superpixel of every pixel (H, W) and, of each superpixel, what it looks like (n, 6)."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    size = max(4, round((image.shape[0] * image.shape[1] / cells) ** 0.5))
    slic = cv2.ximgproc.createSuperpixelSLIC(cv2.GaussianBlur(lab, (3, 3), 0), cv2.ximgproc.SLICO, size, 10.0)
    slic.iterate(_ITERATIONS)
    slic.enforceLabelConnectivity(25)
    region = np.asarray(slic.getLabels(), np.int32)
    flat, count = region.reshape(-1), slic.getNumberOfSuperpixels()
    pixels = np.maximum(np.bincount(flat, minlength=count), 1)

    def mean(values: NDArray) -> NDArray[np.float64]:
        return np.bincount(flat, values.reshape(-1).astype(np.float64), count) / pixels

    grey = lab[..., 0].astype(np.float32)
    edges = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    light = mean(grey)
    spread = np.sqrt(np.maximum(mean(grey * grey) - light * light, 0))
    height = np.arange(image.shape[0], dtype=np.float64)[:, None] / image.shape[0]
    parts = (light, mean(lab[..., 1]), mean(lab[..., 2]), spread, mean(edges), mean(height + 0 * grey))
    return region, np.stack(parts, 1)


def checked(values: NDArray, classes: int) -> Labels:
    """Return whole numbers (h, w) with all that is no class set to 0."""
    values = values.astype(np.int64)
    return np.where((values >= 0) & (values < classes), values, 0)
