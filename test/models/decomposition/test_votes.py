import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from depth_perception.models.decomposition.channel_field import ChannelField
from depth_perception.models.decomposition.grid import NodeGrid
from depth_perception.models.decomposition.key_frame import LabelledPoints
from depth_perception.models.decomposition.votes import SURE, add_evidence, channels_for, logits_of_votes

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


def heard_from(frame, says):
    votes, heard = torch.zeros(GRID.size, says.shape[1]), torch.zeros(GRID.size)
    add_evidence(field(), frame, says, votes, heard)
    return votes, heard


def test_points_speak_at_the_nodes_around_them():
    frame = seen([[0.5, 0.5, 0.53], [0.2, 0.2, 0.2]], [1, 0], [0, 4])
    votes, heard = heard_from(frame, np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 2.0]], np.float32))
    node = int(GRID.index(np.array([[0.5, 0.5, 0.5]]))[0])
    np.testing.assert_allclose(votes[node], [0.0, 0.35, 1.4], atol=1e-4)
    np.testing.assert_allclose(votes[node + 1], [0.0, 0.15, 0.6], atol=1e-4)
    assert float(heard[node]) == pytest.approx(0.7, abs=1e-4)
    assert float(heard.sum()) == pytest.approx(2.0, abs=1e-3)


def test_many_points_of_a_frame_speak_no_louder_than_one():
    frame = seen([[0.5, 0.5, 0.5]] * 4, [1, 1, 1, 0], [0, 4])
    votes, heard = heard_from(frame, np.array([[1.0, 0.0], [0.0, 2.0]], np.float32))
    node = int(GRID.index(np.array([[0.5, 0.5, 0.5]]))[0])
    np.testing.assert_allclose(votes[node], [0.25, 1.5], atol=1e-4)
    assert float(heard[node]) == pytest.approx(1.0, abs=1e-4)


def test_logits_follow_the_evidence_and_end_somewhere():
    votes, heard = torch.zeros(GRID.size, 3), torch.zeros(GRID.size)
    votes[700], heard[700] = torch.tensor([3.0, 4.0, 0.0]), 2.0
    logits = logits_of_votes(field(), votes, heard)
    assert int(logits[700].argmax()) == 1
    assert float(logits[700].max()) == 0.0
    assert float(logits[700, 0]) == pytest.approx(-1.0, abs=0.3)
    votes[700], heard[700] = torch.tensor([0.0, 300.0, 0.0]), 100.0
    logits = logits_of_votes(field(), votes, heard)
    assert float(logits.min()) == -SURE


def test_places_without_votes_follow_those_around():
    votes, heard = torch.zeros(GRID.size, 3), torch.zeros(GRID.size)
    middle = GRID.index(np.array([[0.5, 0.5, 0.5]]))[0]
    votes[middle - 1] = votes[middle + 1] = torch.tensor([0.0, 0.0, 20.0])
    heard[middle - 1] = heard[middle + 1] = 8.0
    logits = logits_of_votes(field(), votes, heard)
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
