"""Batches of video windows for training and validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader

from depth_perception.models import families
from depth_perception.models.monocular import network_size
from training.datasets.data import Batches
from training.datasets.proxy_labels import ProxyLabels
from training.datasets.video import FolderSource, Video, VideoSource, spread
from training.datasets.windows import OFFSETS, VideoWindows, WindowAugmentation

_FITTED_ON = 48  # frames that labels may look at before training


class VideoData(Batches):
    """Windows of the videos in ``folder``: rendered sequences (*.npz), or pictures with their camera's calibration.

    See ``FolderSource``; a part is held out. ``source`` takes the place of the folder, for videos from elsewhere.
    ``config``: the network's settings that
    differ from the defaults; windows get the size it works at for the first video's camera. ``offsets``, ``stride``:
    see ``VideoWindows``. ``labels``: where proxy labels come from; None teaches no semantics. ``segments``: cut
    pictures for the co-planarity loss. ``epoch``: samples that count as one. With a seed, a run sees the same samples
    in the same order on any number of workers, and after an interruption.
    """

    def __init__(
        self,
        folder: str = "",
        config: dict[str, Any] | None = None,
        offsets: tuple[int, ...] = OFFSETS,
        stride: int = 1,
        labels: ProxyLabels | None = None,
        segments: bool = False,
        batch_size: int = 8,
        workers: int = 1,
        epoch: int = 4_000,
        validation: int = 128,
        augmentation: WindowAugmentation | None = None,
        source: VideoSource | None = None,
    ):
        super().__init__(batch_size, workers, epoch)
        if not folder and source is None:
            raise ValueError("videos come from a folder or from a source: name one of the two")
        self.source = source or FolderSource(folder)
        self.config = families.configuration("monocular", config)
        self.offsets = tuple(offsets)
        self.stride = stride
        self.labels = labels
        self.classes = labels.classes if labels else 0
        self.segments = segments
        self.validation = validation
        self.augmentation = augmentation or WindowAugmentation()

    def train_dataloader(self) -> DataLoader:
        """Return augmented windows of the videos that are for training."""
        videos = self.source.videos(False)
        if self.labels is not None:
            self.labels.fit(spread(videos, _FITTED_ON))
        segments = "color" if self.segments else ""
        windows = VideoWindows(
            videos, self._size(videos), self.offsets, self.stride, self.labels, segments, self.augmentation
        )
        return self.onward(windows)

    def val_dataloader(self) -> DataLoader:
        """Return the same windows of held-out videos every time, with the planes that the renderer knows."""
        videos = self.source.videos(True)
        windows = VideoWindows(videos, self._size(videos), self.offsets, self.stride, None, "true", None, seed=1)
        count = min(self.validation, len(windows))
        chosen = torch.linspace(0, len(windows) - 1, count).round().long().unique().tolist()
        return self.loader(torch.utils.data.Subset(windows, chosen))

    def _size(self, videos: Sequence[Video]) -> tuple[int, int]:
        return network_size(videos[0][0].camera.shape, (self.config.height, self.config.width))
