from __future__ import annotations

import torch

from training.synthetic.noise import cell_values, fractal_noise, smoothstep, value_noise


def test_noise_is_seeded_bounded_and_seamless():
    first = fractal_noise(torch.Generator().manual_seed(5), 64)
    again = fractal_noise(torch.Generator().manual_seed(5), 64)
    other = fractal_noise(torch.Generator().manual_seed(6), 64)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert float(first.min()) == 0.0
    assert float(first.max()) == 1.0
    inside = (first[:, 1:] - first[:, :-1]).abs().max()
    assert (first[:, 0] - first[:, -1]).abs().max() <= 1.5 * inside
    assert (first[0] - first[-1]).abs().max() <= 1.5 * (first[1:] - first[:-1]).abs().max()


def test_stretched_noise_changes_faster_downwards():
    g = torch.Generator().manual_seed(1)
    streaks = value_noise(g, 64, (32, 2))
    assert streaks.diff(dim=0).abs().mean() > 5 * streaks.diff(dim=1).abs().mean()


def test_cells_wrap():
    g = torch.Generator().manual_seed(1)
    values = cell_values(g, torch.tensor([[0, 4, -4]]), torch.tensor([[1, 1, 1]]), 4, 3)
    assert values[0, 0] == values[0, 1] == values[0, 2]


def test_smoothstep():
    x = torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0])
    torch.testing.assert_close(smoothstep(0.0, 1.0, x), torch.tensor([0.0, 0.0, 0.5, 1.0, 1.0]))
    torch.testing.assert_close(smoothstep(1.0, 0.0, x), torch.tensor([1.0, 1.0, 0.5, 0.0, 0.0]))
