from __future__ import annotations

import lightning
import numpy as np
import pytest
import torch

from depth_perception.evaluation.sensors import Scan
from training.datasets.data import Onward, RenderedData


def data(folder, **settings) -> RenderedData:
    options = {"overrides": {"step": 2, "dense": 0}, "crop": (64, 96), "batch_size": 4, "workers": 0, "epoch": 16}
    return RenderedData(str(folder), "refiner", **{**options, **settings})


def same(a: dict, b: dict) -> bool:
    return torch.equal(a["inputs"][0], b["inputs"][0]) and torch.equal(a["depth"], b["depth"])


def test_batches_hold_what_losses_need(rendered):
    loader = data(rendered).train_dataloader()
    assert len(loader) == 4
    batch = next(iter(loader))
    assert batch["inputs"][0].shape[0::2] == (4, 32)  # a cell is two pixels wide
    assert batch["depth"].shape == batch["sparse"].shape == batch["inlier"].shape == (4, 1, 64, 96)
    assert batch["scale"].shape == (4, 1, 1, 1)
    assert ((batch["sparse"] > 0) == (batch["inlier"] >= 0)).all()


def test_a_seed_fixes_all_samples_whatever_the_number_of_workers(rendered):
    def batches(seed, workers):
        lightning.seed_everything(seed, workers=True, verbose=False)
        torch.rand(workers + 1)  # what else draws random numbers must not matter
        return list(data(rendered, workers=workers).train_dataloader())

    alone, helped, other = batches(1, 0), batches(1, 2), batches(2, 0)
    assert all(same(a, b) for a, b in zip(alone, helped))
    assert not any(same(a, b) for a, b in zip(alone, other))
    assert not same(alone[0], alone[1])


def test_an_interrupted_run_goes_on_with_new_samples(rendered):
    lightning.seed_everything(1, verbose=False)
    whole = data(rendered)
    expected = list(whole.train_dataloader())[2:]
    resumed = data(rendered)
    resumed._seen = lambda: 8  # two batches of four
    found = list(resumed.train_dataloader())
    assert all(same(a, b) for a, b in zip(expected, found))
    assert len(found) == 4


def test_numbers_go_on_from_epoch_to_epoch():
    seen = [0]
    sampler = Onward(3, lambda: seen[0])
    first = list(sampler)
    seen[0] = 3
    assert first + list(sampler) == [0, 1, 2, 3, 4, 5]
    assert len(sampler) == 3


def test_validation_is_the_same_every_time_and_without_augmentation(rendered):
    made = data(rendered, validation=5)
    first = list(made.val_dataloader())
    torch.rand(3)
    again = list(made.val_dataloader())
    assert sum(len(b["depth"]) for b in first) == 5
    assert all(same(a, b) for a, b in zip(first, again))


def test_a_sensor_of_ones_own(rendered):
    def one_point(frame, rng):
        sparse = np.full_like(frame.depth, 4)
        return Scan(sparse, np.ones_like(sparse))

    batch = next(iter(data(rendered, scan=one_point).train_dataloader()))
    assert (batch["sparse"] == 4).all()


def test_an_unknown_family_is_told(rendered):
    with pytest.raises(ValueError, match="unknown family"):
        RenderedData(str(rendered), "guesser")
