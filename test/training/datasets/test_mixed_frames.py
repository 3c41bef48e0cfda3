from __future__ import annotations

import numpy as np
import pytest
import torch

from training.datasets.label_mixing import LabelMixing
from training.datasets.mixed_frames import MixedData, MixedFrames
from training.datasets.rendered import frame_files, load_frame
from training.datasets.windows import WindowAugmentation

SIZE = (48, 64)


@pytest.fixture(scope="module")
def files(rendered):
    return frame_files(rendered, False)


def test_a_sample_is_the_frame_at_the_networks_size(files):
    sample = MixedFrames(files, SIZE, seed=0)[3]
    frame = load_frame(files[3])
    assert {k: tuple(v.shape) for k, v in sample.items()} == {
        "image": (3, *SIZE), "shown": (3, *SIZE), "K": (3, 3), "label": (1, *SIZE), "depth": (1, *SIZE)
    }  # fmt: skip
    assert torch.equal(sample["image"], sample["shown"])
    assert sample["image"].mean().item() == pytest.approx(frame.image.mean() / 255, abs=0.01)
    assert sample["K"][0, 0].item() == pytest.approx(frame.camera.K[0, 0] / 2, rel=1e-5)
    assert sample["depth"].max().item() == pytest.approx(frame.depth.max(), rel=0.1)


def test_the_label_is_the_depth_with_a_scale_and_shift_of_its_own_and_always_the_same(files):
    frames = MixedFrames(files, SIZE)
    found = set()
    for index in range(6):
        first, second = frames[index], frames[index]
        assert torch.equal(first["label"], second["label"])
        known = first["depth"] > 0
        assert torch.equal(known, first["label"] > 0)
        x, y = first["depth"][known].numpy(), first["label"][known].numpy()
        scale, shift = np.polyfit(x, y, 1)
        assert y == pytest.approx(scale * x + shift, rel=1e-3, abs=1e-3)
        found.add((round(scale, 3), round(shift, 3)))
    assert len(found) == 6


def test_mirroring_keeps_depth_label_and_camera_together(files):
    plain = MixedFrames(files, SIZE)[1]
    other = MixedFrames(files, SIZE, augmentation=WindowAugmentation(mirror=1.0, colors=0.0))[1]
    for name in ("image", "depth", "label"):
        assert torch.equal(other[name], plain[name].flip(2))
    assert (other["K"][0, 2] + plain["K"][0, 2]).item() == pytest.approx(SIZE[1] - 1, abs=1e-4)


def test_a_part_is_what_a_longer_lens_sees(files):
    plain = MixedFrames(files, SIZE)[1]
    seen = [MixedFrames(files, SIZE, seed=k, zoom=0.5)[1] for k in range(8)]
    focal = [sample["K"][0, 0].item() / plain["K"][0, 0].item() for sample in seen]
    assert all(0.99 <= f <= 2.05 for f in focal)
    assert max(focal) > 1.5
    assert len({round(sample["K"][0, 2].item(), 1) for sample in seen}) > 4
    for sample in seen:
        # a point keeps its place in space: the same rays at the same depths, from another part of the picture
        rows, columns = torch.nonzero(sample["depth"][0] > 0)[50]
        x = (columns - sample["K"][0, 2]) / sample["K"][0, 0]
        y = (rows - sample["K"][1, 2]) / sample["K"][1, 1]
        column = int(torch.round(x * plain["K"][0, 0] + plain["K"][0, 2]))
        row = int(torch.round(y * plain["K"][1, 1] + plain["K"][1, 2]))
        near = plain["depth"][0, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        assert (near / sample["depth"][0, rows, columns] - 1).abs().min() < 0.05


def test_colours_change_in_what_is_shown_alone(files):
    sample = MixedFrames(files, SIZE, augmentation=WindowAugmentation(mirror=0.0, colors=1.0))[1]
    assert not torch.equal(sample["image"], sample["shown"])
    assert torch.equal(sample["image"], MixedFrames(files, SIZE)[1]["image"])


def test_batches_have_the_networks_size_and_held_out_frames_stay_out(rendered):
    config = {"height": 64, "width": 96}
    data = MixedData(str(rendered), config, LabelMixing(exact=1.0), batch_size=4, workers=0, epoch=8, validation=6)
    data.trainer = None
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape == (4, 3, 64, 96)
    assert torch.equal(batch["label"], batch["depth"])
    assert len(data.train_dataloader()) == 2
    held_out = data.val_dataloader().dataset
    assert len(held_out) == 6
    assert not set(held_out.files) & set(frame_files(rendered, False))
