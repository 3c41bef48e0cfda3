"""The transformer between centres and cells: against a hand-written reference, and what it may depend on."""

from __future__ import annotations

import math

import pytest
import torch

from depth_perception.models.networks.token_transformer import Attention, TokenLayer, TokenTransformer, sine_position


def test_attention_is_the_textbook_formula():
    torch.manual_seed(0)
    layer = Attention(8, 2)
    queries, memory = torch.randn(1, 3, 8), torch.randn(1, 5, 8)
    q, k, v = layer.query(queries)[0], layer.key(memory)[0], layer.value(memory)[0]
    heads = []
    for part in (slice(0, 4), slice(4, 8)):
        weights = torch.softmax(q[:, part] @ k[:, part].T / math.sqrt(4), 1)
        heads.append(weights @ v[:, part])
    torch.testing.assert_close(layer(queries, memory)[0], layer.out(torch.cat(heads, 1)))


def test_attention_refuses_heads_that_do_not_fit():
    with pytest.raises(ValueError, match="10 channels do not split into 4 heads"):
        Attention(10, 4)


def test_queries_read_cells_and_cells_read_queries():
    torch.manual_seed(0)
    layer = TokenLayer(8, 2)
    queries, cells = torch.randn(1, 3, 8), torch.randn(1, 6, 8)
    before = layer(queries, cells)
    other_cells = layer(queries, cells + torch.randn_like(cells))
    other_queries = layer(queries + torch.randn_like(queries), cells)
    assert not torch.allclose(before[0], other_cells[0])
    assert not torch.allclose(before[1], other_queries[1])


def test_cells_without_a_position_are_a_set():
    torch.manual_seed(0)
    layers = TokenTransformer(8, 2, 2)
    queries, cells = torch.randn(1, 3, 8), torch.randn(1, 6, 8)
    order = torch.tensor([4, 2, 0, 5, 1, 3])
    plain, shuffled = layers(queries, cells), layers(queries, cells[:, order])
    torch.testing.assert_close(plain[0], shuffled[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(plain[1][:, order], shuffled[1], rtol=1e-4, atol=1e-5)


def test_positions_differ_and_keep_their_meaning_across_sizes():
    code = sine_position(4, 6, 16, torch.zeros(1))
    assert code.shape == (24, 16)
    distance = torch.cdist(code, code) + torch.eye(24) * 10
    assert distance.min() > 0.1
    # the middle of a 1 x 1 image is where the middle of a 3 x 3 one is
    torch.testing.assert_close(sine_position(1, 1, 16, code)[0], sine_position(3, 3, 16, code)[4])


def test_position_refuses_channels_it_cannot_divide():
    with pytest.raises(ValueError, match="multiple of 4"):
        sine_position(2, 2, 6, torch.zeros(1))


def test_gradients_reach_every_parameter():
    torch.manual_seed(0)
    layers = TokenTransformer(8, 2, 2)
    queries, cells = layers(torch.randn(2, 3, 8), torch.randn(2, 6, 8))
    (queries.square().sum() * 1.7 + (cells**3).sum()).backward()
    for name, parameter in layers.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
