"""Batches for training and validation, made of rendered frames."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from torch.utils.data import DataLoader

from depth_perception.models import families
from training.datasets.rendered import Augmentation, RenderedFrames, collate, frame_files


class RenderedData(lightning.LightningDataModule):
    """Frames of ``folder``, prepared for ``family`` with ``config`` (settings that differ from the defaults).

    ``overrides`` hold for the data alone: samples of a batch must have one size, so nothing may be coarsened.
    ``crop`` is (height, width) in pixels, multiples of 32. ``workers`` processes prepare samples; ``epoch`` is how many
    samples count as one epoch, whatever the number of frames.
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
    ):
        super().__init__()
        self.folder = folder
        self.method = families.method(family, families.configuration(family, {**(config or {}), **(overrides or {})}))
        self.crop = crop
        self.batch_size = batch_size
        self.workers = workers
        self.epoch = epoch
        self.validation = validation
        self.augmentation = augmentation or Augmentation()

    def train_dataloader(self) -> DataLoader:
        """Return shuffled, augmented samples of the frames that are for training."""
        frames = RenderedFrames(frame_files(self.folder, False), self.method, self.crop, self.augmentation)
        sampler = torch.utils.data.RandomSampler(frames, replacement=True, num_samples=self.epoch)
        return self._loader(frames, sampler=sampler, drop_last=True)

    def val_dataloader(self) -> DataLoader:
        """Return the same samples of held-out frames every time."""
        files = frame_files(self.folder, True)[: self.validation]
        return self._loader(RenderedFrames(files, self.method, self.crop, seed=1))

    def _loader(self, frames: RenderedFrames, **options: Any) -> DataLoader:
        return DataLoader(
            frames,
            self.batch_size,
            num_workers=self.workers,
            collate_fn=collate,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=self.workers > 0,
            **options,
        )
