from __future__ import annotations

import numpy as np
import torch

from depth_perception.evaluation.decomposition.decomposed import object_region
from depth_perception.evaluation.decomposition.fields import (
    FieldSettings,
    HashField,
    field_values,
    label_images,
    optimizer_of,
    samples_of,
)

SMALL = FieldSettings(levels=3, coarse=0.3, fine=0.05, log2_table=10, width=16)


def test_the_field_is_continuous_across_cells_and_the_same_for_a_seed():
    field = HashField(np.zeros(3), 2, SMALL, seed=3)
    points = torch.rand(200, 3)
    cell = SMALL.fine
    at = torch.tensor([[3 * cell - 1e-5, 0.11, 0.13], [3 * cell + 1e-5, 0.11, 0.13]])
    a, b = field(at)
    torch.testing.assert_close(a, b, atol=1e-4, rtol=0)
    torch.testing.assert_close(HashField(np.zeros(3), 2, SMALL, seed=3)(points), field(points))
    assert not torch.equal(HashField(np.zeros(3), 2, SMALL, seed=4)(points), field(points))


def test_the_field_learns_where_things_are():
    torch.set_num_threads(1)
    field = HashField(np.zeros(3), 1, SMALL)
    optimizer = optimizer_of(field, 5e-3)
    points = torch.rand(600, 3)
    inside = ((points - 0.5).norm(dim=1) < 0.35).float()[:, None]
    for _ in range(60):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(field(points), inside)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert ((field(points) > 0) == (inside > 0)).float().mean() > 0.95


def test_half_of_what_is_drawn_is_spread_over_the_labels(balls):
    low, high = object_region(balls)
    frame = samples_of(balls, low, high)[0]
    assert frame.groups == 4
    _, labels = frame.draw(4000, np.random.default_rng(0))
    share = np.bincount(labels.numpy(), minlength=4) / 4000
    whole = np.bincount(frame.labels.numpy(), minlength=4) / len(frame.labels)
    np.testing.assert_allclose(share, 0.5 * whole + 0.5 / 4, atol=0.03)


def test_answers_are_asked_inside_the_box_only(balls):
    low, high = object_region(balls)
    image = label_images(balls[:1], low, high, lambda points: np.full(len(points), 5))[0]
    assert (image[balls[0].labels > 0] == 5).mean() > 0.97
    assert (image == 0).any()
    assert field_values(HashField(low, 2, SMALL), np.zeros((0, 3))).size == 0
