"""Depth of a still scene must not flicker: what was known of it a moment ago is carried along and averaged in.

Each pixel runs a Kalman filter on the logarithm of its depth, as errors of depth grow with it. The last result is moved
into the view of now by the camera's known motion; without one it is used where the image has not changed. What differs
by more than it usually does is new: there the frame of now stands alone, so that a step of depth has no lag.

How much frames usually differ is measured, because a model's deviation is no guide to it: most of its error is the same
in each frame. That part is no smaller in an average, and the deviation given out keeps it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, FloatImage
from depth_perception.geometry.transforms import invert
from depth_perception.pipelines.parameters import Value
from depth_perception.pipelines.still_image import StillImage
from depth_perception.pipelines.view_change import Layers, largest_flow, moved_layers

NANOSECONDS = 1_000_000_000
_NOISE_AT_FIRST = 0.3  # of the claimed deviation changes from frame to frame, until that has been measured
_NOISE_BOUNDS = (0.01, 1.5)
_LEARNING = 0.2
_REGION = 5  # pixels; over so many a smaller step shows
_COHERENCE_AT_FIRST = 0.5  # of a difference is left in the mean over a region, until that has been measured
_LEAST_COHERENCE = 1 / _REGION  # white noise
_NO_FLOW = 0.25  # pixels that all of the image must have moved before it is worth resampling it


@dataclass(frozen=True)
class StreamingSettings:
    """``memory`` [s]: how long a still scene is averaged over; raises ValueError unless positive.

    ``gate``: what differs from the last result by more than so many usual differences is new. ``longest_gap`` [s]:
    after a longer pause nothing of the past is used.
    """

    enabled: bool = False
    memory: float = 0.5
    gate: float = 3.0
    longest_gap: float = 1.0

    def __post_init__(self) -> None:
        """Check."""
        for name in ("memory", "gate", "longest_gap"):
            if not getattr(self, name) > 0:
                raise ValueError(f"streaming.{name} must be above 0, got {getattr(self, name)}")

    @classmethod
    def from_parameters(cls, values: Mapping[str, Value]) -> StreamingSettings:
        """Pick the settings out of the values of a parameter table."""
        return cls(
            enabled=bool(values["streaming.enabled"]),
            memory=float(values["streaming.memory"]),
            gate=float(values["streaming.gate"]),
        )


class Streaming:
    """The state of one camera's depth across frames. Not for several threads at once."""

    def __init__(self, settings: StreamingSettings | None = None):
        self.settings = settings or StreamingSettings(enabled=True)
        self.noise, self.coherence = _NOISE_AT_FIRST, _COHERENCE_AT_FIRST
        self.resets: dict[str, int] = {}
        self._still = StillImage()
        self._layers: Layers | None = None
        self._camera: CameraModel | None = None
        self._stamp = 0
        self._pending: NDArray[np.float64] = np.eye(4)  # motion since the view that the layers are in

    def reset(self, reason: str) -> None:
        """Forget the past."""
        self.resets[reason] = self.resets.get(reason, 0) + 1
        self.noise, self.coherence = _NOISE_AT_FIRST, _COHERENCE_AT_FIRST
        self._still.clear()
        self._layers = None

    def update(
        self,
        depth: FloatImage,
        deviation: FloatImage,
        image: NDArray[np.uint8],
        camera: CameraModel,
        stamp: int,
        T_now_last: NDArray[np.float64] | None = None,
    ) -> tuple[FloatImage, FloatImage]:
        """Return depth and deviation (H, W) of the frame at ``stamp`` [ns] with the past averaged in.

        ``depth`` and ``deviation`` float32 (H, W) in one unit, NaN where unknown, which stays unknown; ``image`` RGB
        (H, W, 3). ``T_now_last`` (4, 4) maps points of the last frame's camera into this one's, in the same unit; None
        if that is not known.
        """
        gap = (stamp - self._stamp) / NANOSECONDS if self._layers is not None else 0.0
        if self._layers is not None and (reason := self._break(camera, gap)):
            self.reset(reason)
        # looked at in any case, so that it knows the image when the motion is not known next time
        same = self._still.changed(image)
        with np.errstate(invalid="ignore", divide="ignore"):
            log, relative = np.log(depth), np.square(deviation / depth)
        prior = self._prior(T_now_last, same, log)
        if prior is None:
            fresh = np.minimum(self.noise**2, 1) * relative
            self._layers, self._camera, self._stamp = Layers(log, fresh, relative - fresh), camera, stamp
            self._pending = np.eye(4)
            return depth, deviation
        layers, changed, warped = prior
        fused, output = self._fuse(log, relative, layers, changed, gap)
        # what is not known now may be known again in the next frame, unless it has been moved anew every time
        keep = fused if warped else Layers(*(np.where(np.isfinite(log), a, b) for a, b in zip(fused, layers)))
        self._layers, self._camera, self._stamp = keep, camera, stamp
        with np.errstate(invalid="ignore"):
            result = np.exp(fused.log)
            return result.astype(np.float32), (result * np.sqrt(output)).astype(np.float32)

    def _break(self, camera: CameraModel, gap: float) -> str:
        """Return why the past is of no use, empty if it is."""
        assert self._camera is not None
        if camera is not self._camera and (
            camera.shape != self._camera.shape or not np.array_equal(camera.K, self._camera.K)
        ):
            return "camera"
        if gap <= 0:
            return "time_jump"
        return "gap" if gap > self.settings.longest_gap else ""

    def _prior(
        self, T: NDArray[np.float64] | None, same: NDArray[np.bool_] | None, log: FloatImage
    ) -> tuple[Layers, NDArray[np.bool_] | None, bool] | None:
        """Return the past as seen from here, where it is of no use, and whether it was resampled; None without any."""
        if self._layers is None or self._camera is None:
            return None
        if T is None:
            self._pending = np.eye(4)
            return None if same is None else (self._layers, same, False)
        # motion too small to resample for adds up until it is worth it: resampling each time would blur
        self._pending = np.asarray(T, np.float64) @ self._pending
        if largest_flow(self._pending, self._camera, self._layers.log) < _NO_FLOW:
            return self._layers, None, False
        moved = moved_layers(self._layers, self._pending, self._camera, log)
        self._pending = np.eye(4)
        return moved, None, True

    def _fuse(
        self, log: FloatImage, relative: FloatImage, past: Layers, changed: NDArray[np.bool_] | None, gap: float
    ) -> tuple[Layers, FloatImage]:
        """Return the new state and the relative variance to give out."""
        settings = self.settings
        fresh = np.minimum(self.noise**2, 1) * relative  # the part of the variance that is another one in each frame
        lasting = relative - fresh
        difference = log - past.log
        with np.errstate(invalid="ignore", divide="ignore"):
            usual = np.sqrt(fresh + past.fresh)
            score = difference / usual
        known = np.isfinite(score)
        if changed is not None:
            known &= ~changed
        # the mean over a region: noise averages out there, a step does not
        filled = np.where(known, score, 0).astype(np.float32)
        size = (_REGION, _REGION)
        support = cv2.blur(known.astype(np.float32), size)
        region = np.abs(cv2.blur(filled, size)) / np.maximum(support, 1e-3)
        alike = (np.abs(filled) < settings.gate) & (region < settings.gate * self.coherence)
        self._learn(score, region, known)
        known &= alike
        least = np.float32(1 - math.exp(-gap / settings.memory))
        with np.errstate(invalid="ignore", divide="ignore"):
            gain = np.maximum(past.fresh / (past.fresh + fresh), least)
        gain = np.where(known, gain, np.float32(1))
        rest = 1 - gain
        mixed = np.where(known, past.log + gain * difference, log)
        fresh = np.where(known, rest**2 * past.fresh + gain**2 * fresh, fresh)
        lasting = np.where(known, rest * past.lasting + gain * lasting, lasting)
        output = np.minimum(fresh + lasting, np.maximum(relative, 0))
        return Layers(mixed.astype(np.float32), fresh.astype(np.float32), lasting.astype(np.float32)), output

    def _learn(self, score: FloatImage, region: FloatImage, known: NDArray[np.bool_]) -> None:
        """Adapt ``noise`` and ``coherence``, from every fourth row and column; medians do not see what moves."""
        some = known[::4, ::4]
        if np.count_nonzero(some) < 50:
            return
        factor = 1.4826 * float(np.median(np.abs(score[::4, ::4][some])))
        left = 1.4826 * float(np.median(region[::4, ::4][some])) / max(factor, 1e-6)
        low, high = _NOISE_BOUNDS
        # a cut to another scene must not pass for noise
        self.noise = float(np.clip(self.noise * np.clip(factor, 0.5, 2.0) ** _LEARNING, low, high))
        self.coherence += _LEARNING * (float(np.clip(left, _LEAST_COHERENCE, 1)) - self.coherence)


def motion_between(
    T_fixed_last: NDArray[np.float64] | None, T_fixed_now: NDArray[np.float64] | None
) -> NDArray[np.float64] | None:
    """Return T_now_last (4, 4) from two poses of the camera in a world that stands still; None if one is not known."""
    if T_fixed_last is None or T_fixed_now is None:
        return None
    return np.asarray(invert(T_fixed_now) @ T_fixed_last, np.float64)
