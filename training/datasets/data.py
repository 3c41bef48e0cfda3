"""Batches for training and validation, made of rendered frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from depth_perception.evaluation.sensors import Frame, Scan
from depth_perception.models import families
from training.datasets.rendered import Augmentation, RenderedFrames, collate, frame_files


class Drawn(Protocol):
    """Samples that are drawn anew each time."""

    def __len__(self) -> int:
        """Number of things they are drawn from."""
        ...

    def sample(self, index: int, rng: np.random.Generator) -> dict:
        """Return one of thing ``index``."""
        ...


class Stream(Dataset):
    """Samples without end: number n of a run is one frame seen by one sensor, whoever prepares it and whenever."""

    def __init__(self, frames: Drawn, seed: int):
        self.frames = frames
        self.seed = seed

    def __len__(self) -> int:
        """Number of frames they are drawn from."""
        return len(self.frames)

    def __getitem__(self, number: int) -> dict:
        """Return sample ``number``, as ``frames`` draws it."""
        rng = np.random.default_rng([self.seed, number])
        return self.frames.sample(int(rng.integers(len(self.frames))), rng)


class Onward(Sampler[int]):
    """The next ``count`` numbers after those already seen, as ``seen()`` tells at the start of an epoch.

    A run that was killed thus goes on with new samples and not with those it began with.
    """

    def __init__(self, count: int, seen: Callable[[], int]):
        self.count = count
        self.seen = seen

    def __len__(self) -> int:
        """Samples of an epoch."""
        return self.count

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers."""
        start = self.seen()
        return iter(range(start, start + self.count))


class Batches(lightning.LightningDataModule):
    """What all data share: batches of ``batch_size`` samples that ``workers`` processes prepare.

    ``epoch``: samples that count as one. ``joined``: how samples become a batch, by default stacked by name.
    """

    def __init__(self, batch_size: int, workers: int, epoch: int, joined: Callable[[list], Any] | None = None):
        super().__init__()
        self.batch_size = batch_size
        self.workers = workers
        self.epoch = epoch
        self.joined = joined

    def onward(self, frames: Drawn) -> DataLoader:
        """Return an epoch of samples drawn anew, after those that the task in training has seen."""
        stream = Stream(frames, torch.initial_seed() % 2**63)
        return self.loader(stream, sampler=Onward(self.epoch, self._seen), drop_last=True)

    def loader(self, samples: Dataset, **options: Any) -> DataLoader:
        """Return batches of ``samples``, in their order unless ``options`` of the loader say otherwise."""
        return DataLoader(
            samples,
            self.batch_size,
            num_workers=self.workers,
            collate_fn=self.joined,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=self.workers > 0,
            **options,
        )

    def _seen(self) -> int:
        return int(getattr(self.trainer.lightning_module, "samples", 0)) if self.trainer else 0


class RenderedData(Batches):
    """Frames of ``folder``, prepared for ``family`` with ``config`` (settings that differ from the defaults).

    ``overrides`` hold for the data alone: samples of a batch must have one size, so nothing may be coarsened.
    ``crop`` is (height, width) in pixels, multiples of 32. ``workers`` processes prepare samples; ``epoch`` is how many
    samples count as one epoch, whatever the number of frames. ``scan`` draws what a sensor sees, by default the mix of
    ``random_sensor``. With a seed (``seed_everything``) and the same frames, a run sees the same samples in the same
    order on any number of workers and processes, and after an interruption.
    """

    def __init__(
        self,
        folder: str,
        family: str,
        config: dict[str, Any] | None = None,
        overrides: dict[str, Any] | None = None,
        crop: tuple[int, int] = (224, 320),
        batch_size: int = 16,
        workers: int = 1,
        epoch: int = 8_000,
        validation: int = 256,
        augmentation: Augmentation | None = None,
        scan: Callable[[Frame, np.random.Generator], Scan] | None = None,
    ):
        super().__init__(batch_size, workers, epoch, collate)
        self.folder = folder
        self.method = families.method(family, families.configuration(family, {**(config or {}), **(overrides or {})}))
        self.crop = crop
        self.validation = validation
        self.augmentation = augmentation or Augmentation()
        self.scan = scan

    def train_dataloader(self) -> DataLoader:
        """Return augmented samples of the frames that are for training."""
        files = frame_files(self.folder, False)
        frames = RenderedFrames(files, self.method, self.crop, self.augmentation, self.scan)
        return self.onward(frames)

    def val_dataloader(self) -> DataLoader:
        """Return the same samples of held-out frames every time."""
        files = frame_files(self.folder, True)[: self.validation]
        return self.loader(RenderedFrames(files, self.method, self.crop, None, self.scan, seed=1))
