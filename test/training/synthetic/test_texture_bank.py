from __future__ import annotations

import torch

from training.synthetic.texture_bank import TextureBank


def bank():
    g = torch.Generator().manual_seed(0)
    return TextureBank.bake([torch.rand((16, 16, 3), generator=g) for _ in range(3)])


def sample(b, index, u, v, footprint=0.0):
    one = torch.ones(1)
    return b.sample(torch.tensor([index]), one * u, one * v, one * footprint)[0]


def test_texel_centres_give_texels_and_the_pattern_repeats():
    b = bank()
    texels = b.texels.view(3, -1, 3)[1, : 16 * 16].view(16, 16, 3)
    for row, column in ((0, 0), (3, 7), (15, 15)):
        u, v = (column + 0.5) / 16, (row + 0.5) / 16
        torch.testing.assert_close(sample(b, 1, u, v), texels[row, column], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(sample(b, 1, u - 3, v + 2), texels[row, column], rtol=1e-4, atol=1e-4)


def test_bilinear_between_texels_across_the_seam():
    b = bank()
    texels = b.texels.view(3, -1, 3)[2, : 16 * 16].view(16, 16, 3)
    middle = (texels[4, 15] + texels[4, 0]) / 2
    torch.testing.assert_close(sample(b, 2, 0.0, 4.5 / 16), middle, rtol=1e-4, atol=1e-4)


def test_large_footprint_gives_the_mean():
    b = bank()
    mean = b.texels.view(3, -1, 3)[0, : 16 * 16].mean(0)
    torch.testing.assert_close(sample(b, 0, 0.3, 0.8, footprint=5.0), mean, rtol=1e-4, atol=1e-4)
    assert len(b) == 3
    assert b.per_texture == 16 * 16 + 8 * 8 + 4 * 4 + 2 * 2 + 1
