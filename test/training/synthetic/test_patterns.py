from __future__ import annotations

import pytest
import torch

from training.synthetic.worlds.patterns import KINDS


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_pattern_is_seeded_and_has_structure(name):
    def make(seed):
        return KINDS[name](torch.Generator().manual_seed(seed), (0.1, 0.2, 0.3), (0.7, 0.5, 0.2), size=64)

    image = make(0)
    assert image.shape == (64, 64, 3)
    assert float(image.std()) > 0.003
    assert -0.05 < float(image.min()) < float(image.max()) < 1.5
    assert torch.equal(image, make(0))
    assert not torch.equal(image, make(1))
