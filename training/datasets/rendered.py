"""Rendered frames from a folder, each seen by another random sensor every time it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from depth_perception.evaluation.sensors import Frame, Scan, SecondView, random_sensor
from depth_perception.frames import CameraModel
from depth_perception.models.completer import check_inputs
from depth_perception.models.learned import Method
from training.datasets.augment import displace, recolor

BLOCK = 20  # frames in a row that are trained on or held out together: whole worlds
HELD_OUT_SHARE = 50  # of so many blocks one is never trained on


@dataclass(frozen=True)
class Augmentation:
    """Chances of what may happen to a frame; ``misaligned`` moves colour against depth by up to ``pixels``."""

    mirror: float = 0.5
    colors: bool = True
    misaligned: float = 0.4
    pixels: float = 1.5
    without_image: float = 0.03
    without_camera: float = 0.1


def load_frame(path: Path) -> Frame:
    """Read one frame; depth in metres, 0 where nothing was hit. Recorded ones have no second view."""
    with np.load(path) as file:
        image, second = file["image"], None
        camera = CameraModel(image.shape[1], image.shape[0], file["K"])
        if "second_depth" in file:
            second = SecondView(np.nan_to_num(file["second_depth"]), file["T_camera_second"])
        ring = file.get("ring")
        return Frame(image, np.nan_to_num(file["depth"]), camera, second, ring)


def frame_files(folder: Path | str, held_out: bool) -> list[Path]:
    """List the frames of ``folder`` that are for training or held out, by their number.

    Frames of one world have neighbouring numbers, so whole stretches are held out: 0 to 19, 1000 to 1019 and so on.
    Raises FileNotFoundError if there are none.
    """
    files = sorted(Path(folder).glob("*.npz"))
    if not files:
        raise FileNotFoundError(
            f"no rendered frames (*.npz) in {folder}; make some with python -m training.synthetic.frames"
        )
    chosen = [f for f in files if (int(f.stem) // BLOCK % HELD_OUT_SHARE == 0) == held_out]
    if not chosen:
        which = "held out" if held_out else "to train on"
        raise FileNotFoundError(
            f"none of the {len(files)} frames in {folder} is {which}: of each {BLOCK * HELD_OUT_SHARE} numbers the "
            f"first {BLOCK} are held out; render more with python -m training.synthetic.frames"
        )
    return chosen


def mirrored(frame: Frame) -> Frame:
    """Swap left and right of the views, the camera and the place of the second one."""
    k = frame.camera.K.copy()
    k[0, 2] = frame.camera.width - 1 - k[0, 2]
    camera = CameraModel(frame.camera.width, frame.camera.height, k)
    second = frame.second
    if second is not None:
        # mirroring the picture moves the principal point of both views, so points mirror in x
        flip = np.diag([-1.0, 1.0, 1.0, 1.0])
        second = SecondView(second.depth[:, ::-1].copy(), flip @ second.T_camera_second @ flip)
    ring = None if frame.ring is None else frame.ring[:, ::-1].copy()
    return Frame(frame.image[:, ::-1].copy(), frame.depth[:, ::-1].copy(), camera, second, ring)


class RenderedFrames(Dataset):
    """One sample per frame file: what ``Method.prepare`` makes of a scan of it, and the truth.

    ``crop`` (height, width) is cut at random after the scan. With ``seed`` fixed the sample depends on nothing but the
    index (for validation); otherwise every draw is new.
    """

    def __init__(
        self,
        files: list[Path],
        method: Method,
        crop: tuple[int, int],
        augmentation: Augmentation | None = None,
        scan: Callable[[Frame, np.random.Generator], Scan] | None = None,
        seed: int | None = None,
    ):
        self.files = files
        self.method = method
        self.crop = crop
        self.augmentation = augmentation
        self.scan = scan or (lambda frame, rng: random_sensor(rng).scan(frame, rng))
        self.seed = seed

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.files)

    def __getitem__(self, index: int) -> dict[str, Tensor | tuple[Tensor, ...]]:
        """Return ``sample`` of a frame, drawn as ``seed`` says."""
        if self.seed is None:
            return self.sample(index, np.random.default_rng(int(torch.randint(0, 2**62, (1,)))))
        return self.sample(index, np.random.default_rng([self.seed, index]))

    def sample(self, index: int, rng: np.random.Generator) -> dict[str, Tensor | tuple[Tensor, ...]]:
        """Return inputs (C, h, w) each, scale (1, 1, 1), depth, sparse, inlier (1, h, w); see ``collate``."""
        frame = load_frame(self.files[index])
        for _ in range(8):
            image, depth, scan, camera = self._draw(frame, rng)
            checked, sparse = check_inputs(image, scan.sparse, None)
            if sparse.any():
                break
        else:  # a view of the sky: any point will do
            sparse, depth = np.full(self.crop, 5.0, np.float32), np.zeros(self.crop, np.float32)
            checked, scan, camera = None, Scan(sparse, np.ones_like(sparse)), None
        prepared = self.method.prepare(checked, sparse, camera)
        inlier = np.where(sparse > 0, np.nan_to_num(scan.inlier, nan=1.0), -1.0).astype(np.float32)
        return {
            "inputs": tuple(torch.from_numpy(np.ascontiguousarray(x[0])) for x in prepared.inputs),
            "scale": torch.full((1, 1, 1), prepared.scale),
            "depth": torch.from_numpy(np.ascontiguousarray(depth, np.float32))[None],
            "sparse": torch.from_numpy(np.ascontiguousarray(sparse))[None],
            "inlier": torch.from_numpy(inlier)[None],
        }

    def _draw(self, frame: Frame, rng: np.random.Generator):
        options = self.augmentation
        if options is not None and rng.random() < options.mirror:
            frame = mirrored(frame)
        if options is not None and rng.random() < options.misaligned:
            # before the scan: a corner is found in the image, and its depth read where that lies wrong
            frame = replace(frame, image=displace(frame.image, rng, options.pixels))
        scan = self.scan(frame, rng)
        height, width = self.crop
        top = int(rng.integers(frame.depth.shape[0] - height + 1))
        left = int(rng.integers(frame.depth.shape[1] - width + 1))
        window = slice(top, top + height), slice(left, left + width)
        image: np.ndarray | None = frame.image[window]
        if options is not None and image is not None:
            if options.colors:
                image = recolor(image, rng)
            if rng.random() < options.without_image:
                image = None
        k = frame.camera.K.copy()
        k[:2, 2] -= (left, top)
        known = options is None or rng.random() >= options.without_camera
        camera = CameraModel(width, height, k) if known else None
        return image, frame.depth[window], Scan(scan.sparse[window].copy(), scan.inlier[window].copy()), camera


def collate(samples: list[dict]) -> dict[str, Tensor | tuple[Tensor, ...]]:
    """Stack samples into a batch."""
    batch: dict[str, Tensor | tuple[Tensor, ...]] = {
        key: torch.stack([s[key] for s in samples]) for key in samples[0] if key != "inputs"
    }
    batch["inputs"] = tuple(torch.stack(parts) for parts in zip(*(s["inputs"] for s in samples)))
    return batch
