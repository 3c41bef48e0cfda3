"""Single rendered frames with labels as a mixture of data sets gives them, and the truth beside to judge by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from depth_perception.models import families
from training.datasets.data import Batches
from training.datasets.jitter import Jitter
from training.datasets.label_mixing import LabelMixing
from training.datasets.rendered import frame_files, load_frame
from training.datasets.windows import View, WindowAugmentation


class MixedFrames(Dataset):
    """One sample for each frame file (see ``training.synthetic.frames``), at the size (height, width) of the network.

    Float32 ``image`` and ``shown`` (3, h, w) in [0, 1], as taken and with changed colours; ``K`` (3, 3); ``label``
    (1, h, w), ``mixing`` of the depth, always the same for a frame; ``depth`` (1, h, w) in metres, to judge by and not
    to learn from. Unknown depths are 0. With ``seed`` fixed the sample depends on the index alone. ``zoom`` below 1
    cuts a part out of each picture, at any place and at least so wide: cameras of longer lenses, looking elsewhere.
    """

    def __init__(
        self,
        files: list[Path],
        size: tuple[int, int],
        mixing: LabelMixing | None = None,
        augmentation: WindowAugmentation | None = None,
        seed: int | None = None,
        zoom: float = 1.0,
    ):
        if not 0 < zoom <= 1:
            raise ValueError(f"zoom is a share above 0 of the picture's side, got {zoom}")
        self.files = files
        self.zoom = zoom
        self.size = size
        self.mixing = mixing or LabelMixing()
        self.augmentation = augmentation
        self.seed = seed

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.files)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return ``sample``, drawn as ``seed`` says."""
        seed = int(torch.randint(0, 2**62, (1,))) if self.seed is None else [self.seed, index]
        return self.sample(index, np.random.default_rng(seed))

    def sample(self, index: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Return one frame; see the class."""
        frame = load_frame(self.files[index])
        view = View.fitted(frame.camera, self.size)
        if self.zoom < 1:
            view = view.zoomed(rng.uniform(self.zoom, 1), *rng.random(2))
        camera = view.camera(frame.camera)
        K = camera.K.astype(np.float32)
        image, depth = view.image(frame.image), view.nearest(frame.depth, frame.depth.shape)
        label = self.mixing(depth, np.random.default_rng([7, int(self.files[index].stem)])).depth
        chances = self.augmentation or WindowAugmentation(0, 0)
        if rng.random() < chances.mirror:
            image, depth, label = (np.ascontiguousarray(x[:, ::-1]) for x in (image, depth, label))
            K[0, 2] = camera.width - 1 - K[0, 2]
        shown = Jitter.draw(rng)(image) if rng.random() < chances.colors else image
        return {
            "image": _tensor(image),
            "shown": _tensor(shown),
            "K": torch.from_numpy(K),
            "label": torch.from_numpy(label)[None],
            "depth": torch.from_numpy(depth.astype(np.float32))[None],
        }


class MixedData(Batches):
    """Batches of the frames in ``folder``, of which a part is held out, see ``frame_files``.

    ``config``: the network's settings that differ from the defaults; its size is that of the samples. ``zoom``: of
    training alone, see ``MixedFrames``. ``epoch``: samples that count as one. With a seed, a run sees the same samples
    in the same order on any number of workers, and after an interruption.
    """

    def __init__(
        self,
        folder: str,
        config: dict[str, Any] | None = None,
        mixing: LabelMixing | None = None,
        batch_size: int = 8,
        workers: int = 1,
        epoch: int = 4_000,
        validation: int = 128,
        augmentation: WindowAugmentation | None = None,
        zoom: float = 1.0,
    ):
        super().__init__(batch_size, workers, epoch)
        self.zoom = zoom
        self.folder = folder
        chosen = families.configuration("monocular", config)
        self.size = (chosen.height, chosen.width)
        self.mixing = mixing
        self.validation = validation
        self.augmentation = augmentation or WindowAugmentation()

    def train_dataloader(self) -> DataLoader:
        """Return augmented samples of the frames that are for training."""
        frames = MixedFrames(frame_files(self.folder, False), self.size, self.mixing, self.augmentation, zoom=self.zoom)
        return self.onward(frames)

    def val_dataloader(self) -> DataLoader:
        """Return the same samples of held-out frames every time."""
        files = frame_files(self.folder, True)[: self.validation]
        return self.loader(MixedFrames(files, self.size, self.mixing, seed=1))


def _tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255
