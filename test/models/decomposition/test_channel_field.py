import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from depth_perception.models.decomposition.channel_field import ChannelField
from depth_perception.models.decomposition.grid import NodeGrid

GRID = NodeGrid.cover((0, 0, 0), (1, 1, 1), 0.1, 10_000)


def field(width=4):
    out = ChannelField(GRID, 4, width)
    out.allocate(torch.arange(300), torch.full((300, 3), 90.0))
    return out


def test_nodes_get_one_row_each_and_colours_are_averaged():
    out = field()
    out.allocate(torch.tensor([5, 5, 299, 300]), torch.tensor([[120.0] * 3, [150.0] * 3, [90.0] * 3, [10.0] * 3]))
    assert len(out.node_of) == 301
    assert sorted(out.node_of.tolist()) == list(range(301))
    rows = out.row_of[out.node_of].tolist()
    assert rows == list(range(301))
    at = GRID.points(torch.tensor([5, 300, 1000]))
    assert out.colors(at)[:, 0].tolist() == [120, 10, 128], "the mean, the only one, and grey where nothing was seen"


def test_logits_are_the_sum_of_both_levels():
    out = field()
    out.fine[:300] = torch.arange(300.0)[:, None] * torch.tensor([1.0, 0.0, 0.0, -1.0])
    out.coarse[:, 1] = 7.0
    logits, share = out.logits(GRID.points(torch.tensor([12, 34])))
    np.testing.assert_allclose(logits, [[12, 7, 0, -12], [34, 7, 0, -34]], atol=1e-3)
    np.testing.assert_allclose(share, 1.0, atol=1e-5)
    np.testing.assert_allclose(out.node_logits()[34], [34, 7, 0, -34], atol=1e-3)
    assert float(out.logits(torch.tensor([[0.95, 0.95, 0.95]]))[1]) == 0.0


def test_setting_logits_leaves_the_coarse_level_alone():
    out = field()
    out.coarse.copy_(torch.rand(out.coarse.shape))
    wide = out.coarse.clone()
    wanted = torch.rand(3, 4)
    out.set_logits(torch.tensor([1, 200, 7]), wanted)
    np.testing.assert_allclose(out.node_logits()[[1, 200, 7]], wanted, atol=1e-6)
    assert torch.equal(out.coarse, wide)


def test_new_channels_lose_everywhere():
    out = field()
    out.fine[:300] = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
    before = out.node_logits().argmax(1)
    out.widen(9)
    assert out.width == 9
    assert torch.equal(out.node_logits().argmax(1), before)
    out.widen(3)
    assert out.width == 9


def test_steps_go_down_and_stay_within_the_limit():
    out = field()
    gradient = {"fine": torch.zeros_like(out.fine), "coarse": torch.zeros_like(out.coarse)}
    gradient["fine"][3, 2] = 5.0
    out.step(gradient, 0.1, 1.0)
    assert float(out.fine[3, 2]) == pytest.approx(-0.1, rel=1e-3)
    assert int((out.fine != 0).sum()) == 1, "rows without a gradient stay"
    for _ in range(50):
        out.step(gradient, 0.1, 1.0)
    assert float(out.fine[3, 2]) == -1.0


def test_tables_grow_without_losing_what_they_hold():
    out = field()
    out.fine[7] = 3.0
    out.allocate(torch.arange(1331).repeat(1), torch.zeros(1331, 3))
    big = NodeGrid.cover((0, 0, 0), (1, 1, 1), 0.05, 10_000)
    other = ChannelField(big, 4, 2)
    other.fine[7] = 3.0
    other.allocate(torch.arange(9000), torch.zeros(9000, 3))
    assert len(other.fine) >= 9000
    assert other.fine[7].tolist() == [3.0, 3.0]
    assert other.moments["fine"].reshape(2, *other.fine.shape).shape[1] == len(other.fine)
