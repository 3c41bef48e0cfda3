"""What is compared: our estimators, and rows that say what their figures are worth.

Below stand answers that do not look at the image. ``constant`` is the same depth everywhere; ``ground-plane`` a level
camera over a floor with a wall ahead; ``mean depth`` the mean measured depth of other frames of the same recording,
which no robot has beforehand. Above stands our completion given a few measured points of the frame itself.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from depth_perception.evaluation.real_data import RealFrame
from depth_perception.frames import FloatImage, ScaleKind
from depth_perception.models import zoo

POINTS = 50  # that completion is given
AHEAD = 5.0  # the wall of the ground-plane prior, in heights of the camera above the floor
BESIDE = 8  # other frames of a recording whose depth is averaged
_VIEW = 60.0  # degrees across, where no camera is known


class Answer(NamedTuple):
    """``depth`` (H, W) in the method's unit; ``given`` bool (H, W): pixels of the truth that it was told, or None."""

    depth: FloatImage
    given: np.ndarray | None = None


class Method(NamedTuple):
    """``predict(frame, others)`` answers one frame; ``others`` are further frames of its recording.

    ``is_ours``: an estimator. ``is_metric``: it claims metres. ``trained_on``: recordings that its training has seen.
    """

    name: str
    version: str
    predict: Callable[[RealFrame, Sequence[RealFrame]], Answer]
    is_ours: bool = False
    is_metric: bool = False
    trained_on: tuple[str, ...] = ()

    def has_seen(self, recording: str) -> bool:
        """Tell whether it was trained on a recording whose name holds this one: sevenscenes_kitchen is the kitchen."""
        return any(recording in name for name in self.trained_on)


def constant(frame: RealFrame, others: Sequence[RealFrame] = ()) -> Answer:
    """Return 1 everywhere."""
    return Answer(np.ones(frame.truth.shape, np.float32))


def ground_plane(frame: RealFrame, others: Sequence[RealFrame] = ()) -> Answer:
    """Return depth in heights of a level camera above a floor, with a wall ``AHEAD`` heights away."""
    height, width = frame.truth.shape
    K = None if frame.camera is None else frame.camera.K
    focal = 0.5 * width / np.tan(np.radians(_VIEW / 2)) if K is None else K[1, 1]
    horizon = (height - 1) / 2 if K is None else K[1, 2]
    below = np.arange(height) - horizon
    depth = np.minimum(focal / np.maximum(below, 1e-6), AHEAD)
    return Answer(np.repeat(depth[:, None], width, 1).astype(np.float32))


def mean_depth(frame: RealFrame, others: Sequence[RealFrame] = ()) -> Answer:
    """Return the mean of log depth at each pixel over ``others``, brought to this frame's size.

    Where none of them measured anything it is the nearest pixel where one did; without others it is constant.
    """
    height, width = frame.truth.shape
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for other in others:
        truth = cv2.resize(other.truth, (width, height), interpolation=cv2.INTER_NEAREST)
        known = truth > 0
        total[known] += np.log(truth[known])
        count += known
    seen = count > 0
    if not seen.any():
        return constant(frame)
    log = np.where(seen, total / np.maximum(count, 1), 0)
    _, labels = cv2.distanceTransformWithLabels(
        (~seen).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    of_label = np.zeros(labels.max() + 1)
    of_label[labels[seen]] = log[seen]
    filled = cv2.GaussianBlur(of_label[labels], (0, 0), max(width / 64, 1))
    return Answer(np.exp(filled).astype(np.float32))


def completion(name: str, points: int = POINTS) -> Method:
    """Return a completer of ours that is told ``points`` measured pixels, drawn alike for all methods."""
    completer = zoo.load(name)

    def predict(frame: RealFrame, others: Sequence[RealFrame] = ()) -> Answer:
        known = np.flatnonzero(frame.truth > 0)
        drawn = np.random.default_rng(zlib.crc32(frame.name.encode())).choice(known, min(points, len(known)), False)
        given = np.zeros(frame.truth.shape, bool)
        given.flat[drawn] = True
        sparse = np.where(given, frame.truth, np.float32(0))
        return Answer(completer.infer(frame.image, sparse, frame.camera).depth, given)

    return Method(f"{name}, {points} points", completer.version, predict, is_metric=True)


def estimator(name: str) -> Method:
    """Return one of ours, NAME or NAME@FILE; raises what ``zoo.load_estimator`` raises.

    The version tells one training from the next by its file.
    """
    kind, _, path = name.partition("@")
    file = Path(path) if path else zoo.weight_file(kind) if kind in zoo.ESTIMATORS else None
    loaded = zoo.load_estimator(kind, file=path or None)
    training = zoo.describe(kind, path or None).training or {}
    version = loaded.version + (f"+{zlib.crc32(file.read_bytes()):08x}" if file is not None and file.is_file() else "")

    def predict(frame: RealFrame, others: Sequence[RealFrame] = ()) -> Answer:
        return Answer(loaded.infer(frame.image, frame.camera).depth)

    label = f"{kind}@{Path(path).stem}" if path and Path(path).stem != kind else kind
    trained_on = tuple(str(each) for each in training.get("recordings", ()))
    return Method(label, version, predict, True, loaded.scale is ScaleKind.METRIC, trained_on)


REFERENCES: dict[str, Callable[[RealFrame, Sequence[RealFrame]], Answer]] = {
    "constant": constant,
    "ground-plane": ground_plane,
    "mean depth": mean_depth,
}
NEEDS_OTHERS = "mean depth"
_VERSION = "1"  # of the references; another one is measured anew


def load(estimators: Sequence[str], completer: str = zoo.DEFAULT_WITHOUT_WEIGHTS) -> list[Method]:
    """Return the estimators, then the references from below, then completion with a few points."""
    found = [estimator(name) for name in estimators]
    found += [Method(name, _VERSION, predict) for name, predict in REFERENCES.items()]
    return [*found, completion(completer)]
