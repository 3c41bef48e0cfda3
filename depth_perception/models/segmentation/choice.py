"""Segmenters by name: the built-in one, an installed library's, or a module of the user's own.

``builtin``; ``torchvision``, ``transformers`` or ``ultralytics``, each with ``:MODEL`` for another model of theirs;
``MODULE`` or ``MODULE:NAME``, a callable ``segment(image, depth, camera)``. Nothing is imported before it is asked
for, and none of the libraries is needed otherwise. Their models may download weights on first use, as they always do.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, FloatImage

Segment = Callable[[NDArray[np.uint8], FloatImage, CameraModel], NDArray[np.int32]]


class SegmenterError(ValueError):
    """A segmenter cannot be had, or what it returned is no label image."""


LIBRARIES: dict[str, tuple[str, str]] = {  # name: its module here, its default model
    "torchvision": ("depth_perception.models.segmentation.by_torchvision", "maskrcnn_resnet50_fpn_v2"),
    "transformers": (
        "depth_perception.models.segmentation.by_transformers",
        "facebook/mask2former-swin-tiny-coco-instance",
    ),
    "ultralytics": ("depth_perception.models.segmentation.by_ultralytics", "yolo11n-seg.pt"),
}


def load_segmenter(setting: str = "builtin", device: str = "cpu") -> Segment:
    """Return ``segment(image, depth, camera) -> int32 (h, w)`` for a setting; see the module for what that may be.

    Raises SegmenterError naming the setting if its library or module is missing or cannot load the model.
    """
    name, _, rest = setting.partition(":")
    if name == "builtin":
        from depth_perception.models.segmentation.geometric import GeometricSegmenter

        return GeometricSegmenter().segment
    if name in LIBRARIES:
        module, default = LIBRARIES[name]
        return checked(importlib.import_module(module).load(rest or default, device), setting)
    own = getattr(_imported(name, setting), rest or "segment", None)
    if not callable(own):
        raise SegmenterError(f"segmenter: {setting!r}: module {name} has no callable {rest or 'segment'}")
    return checked(own, setting)


def library(name: str) -> ModuleType:
    """Import a library that the user may have installed; raises SegmenterError saying how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        top = name.partition(".")[0]
        raise SegmenterError(f"segmenter: {top} is not installed ({error}); try: pip install {top}") from error


def _imported(name: str, setting: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        known = ", ".join(["builtin", *LIBRARIES])
        raise SegmenterError(
            f"segmenter: {setting!r} is none of {known}, and no module {name} can be imported: {error}"
        ) from error


def checked(segment: Segment, setting: str) -> Segment:
    """Return ``segment`` with its answers held against the image: shape, and whole numbers as int32."""

    def with_check(image: NDArray[np.uint8], depth: FloatImage, camera: CameraModel) -> NDArray[np.int32]:
        labels = np.asarray(segment(image, depth, camera))
        if labels.shape != image.shape[:2]:
            raise SegmenterError(f"segmenter: {setting!r} returned {labels.shape} for an image {image.shape[:2]}")
        if labels.dtype.kind not in "iub":
            raise SegmenterError(f"segmenter: {setting!r} returned {labels.dtype}, expected whole numbers")
        return labels.astype(np.int32)

    return with_check


def labels_from_masks(masks: NDArray, scores: NDArray, shape: tuple[int, int], least: float) -> NDArray[np.int32]:
    """Return int32 labels of ``shape`` from masks (n, h, w) with scores (n,): where masks overlap the surer one counts.

    Masks of another size are enlarged to ``shape``; values of 0.5 and more belong. Masks surer than ``least`` are
    numbered from 1 on, the surest first; all else is 0.
    """
    import cv2

    out = np.zeros(shape, np.int32)
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    order = order[np.asarray(scores, np.float64)[order] >= least]
    for number, index in reversed(list(enumerate(order, 1))):
        mask = np.asarray(masks[index], np.float32)
        if mask.shape != shape:
            mask = np.asarray(cv2.resize(mask, shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
        out[mask >= 0.5] = number
    return out
