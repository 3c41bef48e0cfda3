"""Windows of video: a target frame, its neighbours in time, and what else is known about the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from depth_perception.frames import CameraModel
from depth_perception.geometry.camera import crop_and_bin, resize
from depth_perception.geometry.transforms import invert
from depth_perception.models.monocular import shrink
from training.datasets.jitter import Jitter
from training.datasets.proxy_labels import ProxyLabels
from training.datasets.segments import color_segments, true_planes
from training.datasets.video import Video, VideoFrame

OFFSETS = (-2, -1, 1, 2)
_MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])


@dataclass(frozen=True)
class WindowAugmentation:
    """Chances that a whole window is mirrored, and that its colours are changed, those of all frames alike."""

    mirror: float = 0.5
    colors: float = 0.5


@dataclass(frozen=True)
class View:
    """The part of a camera's pictures that is used, and the size it gets: crop (left, top, width, height), then size.

    Both keep the pixels square; ``size`` is (height, width).
    """

    crop: tuple[int, int, int, int]
    size: tuple[int, int]

    @classmethod
    def fitted(cls, camera: CameraModel, size: tuple[int, int]) -> View:
        """Return the largest middle part of the camera's pictures that has the proportion of ``size``."""
        scale = min(camera.height / size[0], camera.width / size[1])
        height, width = min(camera.height, round(scale * size[0])), min(camera.width, round(scale * size[1]))
        return cls(((camera.width - width) // 2, (camera.height - height) // 2, width, height), size)

    def zoomed(self, share: float, across: float, down: float) -> View:
        """Return the view of a part ``share`` as wide, at ``across`` and ``down`` in [0, 1] of the room there is."""
        left, top, width, height = self.crop
        narrow, low = max(1, round(share * width)), max(1, round(share * height))
        corner = left + round(across * (width - narrow)), top + round(down * (height - low))
        return View((*corner, narrow, low), self.size)

    def camera(self, camera: CameraModel) -> CameraModel:
        """Return the camera that takes such pictures."""
        return resize(crop_and_bin(camera, *self.crop), self.size[1], self.size[0])

    def image(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return colours (h, w, 3), as the network gets them on a robot."""
        return shrink(np.ascontiguousarray(self._cut(image)), *self.size)

    def nearest(self, values: NDArray, shape: tuple[int, int]) -> NDArray:
        """Return what must not be mixed, such as class numbers; ``values`` (h, w[, c]) span pictures of ``shape``."""
        if values.shape[:2] != shape:
            values = cv2.resize(values.astype(np.float32), shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        cut = np.ascontiguousarray(self._cut(values), np.float32)
        return cv2.resize(cut, self.size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)

    def _cut(self, values: NDArray) -> NDArray:
        left, top, width, height = self.crop
        return values[top : top + height, left : left + width]


class VideoWindows(Dataset):
    """One sample for every frame of ``videos`` that has neighbours at all ``offsets`` times ``stride``.

    A sample holds float32 ``frames`` and ``shown`` (N, 3, h, w) in [0, 1], the target first and then the sources in the
    order of ``offsets``, as they were taken and with changed colours; ``K`` (3, 3); ``depth`` (1, h, w) in metres, 0
    unknown; int64 ``label`` and ``segment`` (h, w), 0 unknown or none; ``directions`` (6, 3), 0 if unknown; ``poses``
    T_source_target (N - 1, 4, 4) in metres, 0 if unknown.

    ``labels``: where labels come from, None for none. ``segments``: "color" cuts the picture for the co-planarity
    loss, "true" finds the planes the renderer knows, for scoring, "" none. With ``seed`` fixed, the sample depends on
    the index alone.
    """

    def __init__(
        self,
        videos: Sequence[Video],
        size: tuple[int, int],
        offsets: Sequence[int] = OFFSETS,
        stride: int = 1,
        labels: ProxyLabels | None = None,
        segments: str = "",
        augmentation: WindowAugmentation | None = None,
        seed: int | None = None,
    ):
        if 0 in offsets or len(set(offsets)) != len(offsets) or not offsets:
            raise ValueError(f"sources need different places in time other than the target's 0, got {tuple(offsets)}")
        if segments not in ("", "color", "true"):
            raise ValueError(f"segments must be color, true or empty, got {segments!r}")
        self.size = size
        self.offsets = tuple(offsets)
        self.stride = stride
        self.labels = labels
        self.segments = segments
        self.augmentation = augmentation
        self.seed = seed
        before, after = -min(*offsets, 0) * stride, max(*offsets, 0) * stride
        self.places = [(video, k) for video in videos for k in range(before, len(video) - after)]
        if not self.places:
            raise ValueError(
                f"none of {len(videos)} videos is long enough: a window takes {before + after + 1} frames in a row"
            )

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.places)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return ``sample``, drawn as ``seed`` says."""
        seed = int(torch.randint(0, 2**62, (1,))) if self.seed is None else [self.seed, index]
        return self.sample(index, np.random.default_rng(seed))

    def sample(self, index: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Return one window; see the class."""
        video, place = self.places[index]
        target = video[place]
        view = View.fitted(target.camera, self.size)
        sources = [video[place + offset * self.stride] for offset in self.offsets]
        images = np.stack([view.image(frame.image) for frame in (target, *sources)])  # (N, h, w, 3)
        poses = np.stack([_motion(target, source) for source in sources])
        camera = view.camera(target.camera)
        arrays = self._about(target, view, camera, images[0])
        K, directions = camera.K.copy(), arrays.pop("directions")
        chances = self.augmentation or WindowAugmentation(0, 0)
        if rng.random() < chances.mirror:
            images = images[:, :, ::-1]
            arrays = {name: values[..., ::-1] for name, values in arrays.items()}
            K[0, 2] = camera.width - 1 - K[0, 2]
            directions, poses = directions * (-1, 1, 1), _MIRROR @ poses @ _MIRROR
        shown = images
        if rng.random() < chances.colors:
            jitter = Jitter.draw(rng)
            # one tall picture, so that contrast has one middle for all
            shown = jitter(np.ascontiguousarray(images.reshape(-1, *images.shape[2:]))).reshape(images.shape)
        out = {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in arrays.items()}
        out["frames"] = _tensor(images)
        out["shown"] = out["frames"] if shown is images else _tensor(shown)
        out["K"] = torch.from_numpy(K.astype(np.float32))
        out["directions"] = torch.from_numpy(directions.astype(np.float32))
        out["poses"] = torch.from_numpy(poses.astype(np.float32))
        return out

    def _about(self, frame: VideoFrame, view: View, camera: CameraModel, image: NDArray) -> dict[str, NDArray]:
        """Return what is known of the target, at the network's size."""
        shape = frame.camera.shape
        depth = np.zeros(self.size, np.float32) if frame.depth is None else view.nearest(frame.depth, shape)
        label = np.zeros(self.size) if self.labels is None else view.nearest(self.labels(frame), shape)
        segment = np.zeros(self.size, np.int32)
        if self.segments == "color":
            segment = color_segments(image)
        elif self.segments and frame.normal is not None and frame.label is not None:
            normal, kind = view.nearest(frame.normal, shape), view.nearest(frame.label, shape)
            segment = true_planes(depth, normal, kind, camera)
        directions = np.zeros((6, 3)) if frame.directions is None else frame.directions
        return {
            "depth": depth[None],
            "label": label.astype(np.int64),
            "segment": segment.astype(np.int64),
            "directions": directions,
        }


def _motion(target: VideoFrame, source: VideoFrame) -> NDArray[np.float64]:
    """Return T_source_target (4, 4), zeros if one of the poses is unknown."""
    if target.T_world_camera is None or source.T_world_camera is None:
        return np.zeros((4, 4))
    return invert(source.T_world_camera) @ target.T_world_camera


def _tensor(images: NDArray[np.uint8]) -> Tensor:
    """(N, h, w, 3) uint8 to (N, 3, h, w) float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, 3, 1))).float() / 255
