from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from training.datasets.label_mixing import LabelMixing, MixedLabels

DEPTH = np.array([[1.0, 2.0, 4.0], [3.0, np.nan, 0.0]], np.float32)
KNOWN = np.isfinite(DEPTH) & (DEPTH > 0)


def draws(mixing, count=300):
    rng = np.random.default_rng(0)
    return [mixing(DEPTH, rng) for _ in range(count)]


def test_a_label_is_the_depth_scaled_and_shifted_and_positive():
    for label in draws(LabelMixing()):
        assert label.depth[KNOWN] == pytest.approx(label.scale * DEPTH[KNOWN] + label.shift, rel=1e-5)
        assert (label.depth[KNOWN] > 0).all()
        assert (label.depth[~KNOWN] == 0).all()


def test_scales_and_shifts_fill_their_range():
    labels = draws(LabelMixing(factor=3.0, lowest=0.5, highest=0.4))
    scales, shifts = (np.array(x) for x in zip(*((label.scale, label.shift / label.scale) for label in labels)))
    assert 1 / 3 < scales.min() < 0.36
    assert 2.8 < scales.max() < 3
    assert abs(np.log(scales).mean()) < 0.1
    assert -0.5 < shifts.min() < -0.47  # half of the nearest, 1
    assert 0.97 < shifts.max() < 1.0  # 0.4 of the median, 2.5


def test_shares_of_kinds():
    labels = draws(LabelMixing(exact=0.2, scaled=0.3))
    exact = np.mean([label.scale == 1 and label.shift == 0 for label in labels])
    scaled = np.mean([label.scale != 1 and label.shift == 0 for label in labels])
    assert exact == pytest.approx(0.2, abs=0.07)
    assert scaled == pytest.approx(0.3, abs=0.07)


def test_nothing_known_stays_nothing():
    label = LabelMixing()(np.full((2, 2), np.nan, np.float32), np.random.default_rng(0))
    assert (label.depth == 0).all()


@pytest.mark.parametrize("wrong", [{"exact": 0.7, "scaled": 0.4}, {"factor": 0.5}, {"lowest": 1.0}, {"highest": -1.0}])
def test_what_can_draw_no_label_is_refused(wrong):
    with pytest.raises(ValueError, match=r"must|shares"):
        LabelMixing(**wrong)


class Samples(Dataset):
    def __init__(self):
        self.depth = torch.from_numpy(np.nan_to_num(DEPTH))[None]

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return {"depth": self.depth, "image": torch.full((3, 2, 3), float(index))}


def test_samples_keep_all_but_the_label():
    mixed = MixedLabels(Samples(), seed=3)
    assert len(mixed) == 3
    sample = mixed[1]
    assert set(sample) == {"depth", "image"}
    assert sample["image"].unique().tolist() == [1]
    assert sample["depth"].shape == (1, 2, 3)
    assert not torch.equal(sample["depth"], mixed.samples.depth)
    assert mixed.samples.depth[0, 0].tolist() == [1, 2, 4]  # not written into


def test_a_seed_fixes_the_label_of_each_sample():
    fixed, again, new = MixedLabels(Samples(), seed=3), MixedLabels(Samples(), seed=3), MixedLabels(Samples())
    assert torch.equal(fixed[0]["depth"], again[0]["depth"])
    assert torch.equal(fixed[0]["depth"], fixed[0]["depth"])
    assert not torch.equal(fixed[0]["depth"], fixed[1]["depth"])
    assert not torch.equal(new[0]["depth"], new[0]["depth"])
