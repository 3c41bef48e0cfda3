from __future__ import annotations

import pytest
import torch

from training.synthetic.textures import KINDS, random_texture


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_kind_is_seeded_and_has_structure(name):
    def make(seed):
        return KINDS[name](torch.Generator().manual_seed(seed), (0.1, 0.2, 0.3), (0.7, 0.5, 0.2), size=64)

    image = make(0)
    assert image.shape == (64, 64, 3)
    assert bool(torch.isfinite(image).all())
    assert float(image.min()) >= 0.0
    assert float(image.std()) > 0.003
    assert torch.equal(image, make(0))
    if name != "checks":
        assert not torch.equal(image, make(1))


def test_random_textures_differ():
    g = torch.Generator().manual_seed(0)
    images = [random_texture(g, 64) for _ in range(8)]
    assert len({round(float(image.mean()), 5) for image in images}) == 8
    assert all(float(image.min()) >= 0.0 and float(image.max()) <= 1.0 for image in images)
