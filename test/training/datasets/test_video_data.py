from __future__ import annotations

import types

import cv2
import numpy as np
import pytest
import torch

from training.datasets.proxy_labels import ClusterLabels
from training.datasets.video import RenderedVideo
from training.datasets.video_data import VideoData

CONFIG = {"height": 64, "width": 96}


def data(folder, **settings):
    made = VideoData(str(folder), CONFIG, **{"offsets": (-1, 1), "batch_size": 2, "workers": 0, "epoch": 6, **settings})
    made.trainer = types.SimpleNamespace(lightning_module=types.SimpleNamespace(samples=0))
    return made


def test_batches_are_whole_and_repeat_with_the_seed(sequences):
    torch.manual_seed(4)
    made = data(sequences, labels=ClusterLabels(4, 60), segments=True)
    first, again = (list(made.train_dataloader()) for _ in range(2))
    assert len(first) == 3
    assert first[0]["frames"].shape == (2, 3, 3, 64, 96)
    assert made.classes == 5
    assert first[0]["label"].max() > 0
    assert first[0]["segment"].max() > 0
    assert all(torch.equal(a[k], b[k]) for a, b in zip(first, again) for k in a)
    made.trainer.lightning_module.samples = 4
    assert torch.equal(next(iter(made.train_dataloader()))["frames"], first[2]["frames"]), "goes on where it was"


def test_validation_is_of_other_videos_unchanged(sequences):
    made = data(sequences, validation=4)
    held = list(made.val_dataloader())
    assert sum(len(b["K"]) for b in held) == 4
    assert all(torch.equal(b["frames"], b["shown"]) for b in held)
    assert held[0]["depth"].max() > 0
    trained = torch.cat([b["frames"][:, 0] for b in data(sequences).train_dataloader()])
    for picture in torch.cat([b["frames"][:, 0] for b in held]):
        assert (trained - picture).abs().flatten(1).mean(1).min() > 0.01


def test_videos_may_come_from_elsewhere(sequences):
    class Mine:
        def videos(self, held_out):
            return [RenderedVideo(sequences / ("00000002.npz" if held_out else "00000000.npz"))]

    made = VideoData(config=CONFIG, offsets=(-1, 1), batch_size=2, workers=0, epoch=2, source=Mine())
    assert sum(len(b["K"]) for b in made.val_dataloader()) == 6
    assert isinstance(VideoData("x", source=Mine()).source, Mine)
    with pytest.raises(ValueError, match="a folder or from a source"):
        VideoData()


def test_pictures_of_any_size_will_do(tmp_path):
    rng = np.random.default_rng(0)
    for name, shape in (("a", (90, 160)), ("b", (120, 160))):
        (tmp_path / name).mkdir()
        for k in range(8):
            cv2.imwrite(str(tmp_path / name / f"{k}.png"), rng.integers(0, 255, (*shape, 3), np.uint8))
        np.savetxt(tmp_path / name / "K.txt", [[100, 0, 79.5], [0, 100, shape[0] / 2 - 0.5], [0, 0, 1]])
    made = data(tmp_path)
    batch = next(iter(made.train_dataloader()))
    assert batch["frames"].shape == (2, 3, 3, 64, 96)  # 16 to 9 at as many pixels as the network is made for
    assert (batch["depth"] == 0).all()
    assert (batch["label"] == 0).all()
    with pytest.raises(FileNotFoundError, match="no folder"):
        data(tmp_path / "nothing").train_dataloader()
