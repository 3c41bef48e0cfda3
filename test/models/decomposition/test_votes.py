import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from depth_perception.models.decomposition.channel_field import ChannelField
from depth_perception.models.decomposition.grid import NodeGrid
from depth_perception.models.decomposition.key_frame import LabelledPoints
from depth_perception.models.decomposition.votes import SURE, channels_for, collect_votes, logits_of_votes

GRID = NodeGrid.cover((0, 0, 0), (1, 1, 1), 0.1, 10_000)


def field():
    out = ChannelField(GRID, 4, 4)
    out.allocate(torch.arange(GRID.size), torch.zeros(GRID.size, 3))
    return out


def seen(points, groups, labels):
    points = np.asarray(points, np.float32)
    return LabelledPoints(
        points, np.asarray(groups, np.int32), np.asarray(labels, np.int32), np.ones(len(points), bool)
    )


def test_points_vote_at_the_nodes_around_them():
    frame = seen([[0.5, 0.5, 0.53], [0.5, 0.5, 0.5], [0.2, 0.2, 0.2]], [1, 0, 2], [0, 4, 9])
    votes = collect_votes(field(), [frame], [np.array([0, 2, -1])], 3)
    node = int(GRID.index(np.array([[0.5, 0.5, 0.5]]))[0])
    np.testing.assert_allclose(votes[node], [1.0, 0.0, 0.7], atol=1e-4)
    np.testing.assert_allclose(votes[node + 1], [0.0, 0.0, 0.3], atol=1e-4)
    assert float(votes.sum()) == pytest.approx(2.0, abs=1e-3), "-1 has no vote"


def test_logits_are_shares_and_some_object_speaks_against_none():
    out = field()
    votes = torch.zeros(GRID.size, 3)
    votes[700] = torch.tensor([5.0, 4.0, 0.0])
    silent = torch.zeros(GRID.size)
    assert int(logits_of_votes(out, votes, silent)[700].argmax()) == 0
    silent[700] = 4.0
    logits = logits_of_votes(out, votes, silent)
    assert int(logits[700].argmax()) == 1
    assert float(logits[700].max()) == 0.0
    assert float(logits.min()) >= -SURE
    assert float(logits[700, 0]) == pytest.approx(np.log(5 / 8), abs=0.1)


def test_places_without_votes_follow_those_around():
    votes = torch.zeros(GRID.size, 3)
    middle = GRID.index(np.array([[0.5, 0.5, 0.5]]))[0]
    votes[middle - 1] = votes[middle + 1] = torch.tensor([0.0, 0.0, 20.0])
    logits = logits_of_votes(field(), votes, torch.zeros(GRID.size))
    assert int(logits[middle].argmax()) == 2
    assert int(logits[0].argmax()) == 0, "where nobody speaks there is no object"


def test_objects_keep_the_channel_that_has_most_of_them():
    votes = torch.zeros(30, 4)
    votes[:10, 1] = votes[10:20, 2] = votes[20:26, 3] = 1.0
    owner = torch.tensor([3] * 9 + [1] * 13 + [0] * 8)
    known = torch.ones(30, dtype=torch.bool)
    assert channels_for(votes, owner, known, 8).tolist() == [0, 3, 1, 2]
    assert channels_for(votes, owner, ~known, 8).tolist() == [0, 1, 2, 3], "the largest first"
    assert channels_for(votes, owner.clamp_max(2), known, 3).tolist().count(-1) == 1, "there are not enough"


def test_a_channel_that_something_else_has_is_not_taken():
    votes = torch.zeros(30, 2)
    votes[:10, 1] = 1.0
    owner = torch.tensor([0] * 10 + [1] * 20)
    assert channels_for(votes, owner, torch.ones(30, dtype=torch.bool), 8).tolist() == [0, 2]
