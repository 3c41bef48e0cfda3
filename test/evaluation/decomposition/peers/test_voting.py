from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from depth_perception.evaluation.decomposition.label_corruption import LabelCorruption, corrupt
from depth_perception.evaluation.decomposition.peers.given import Given
from depth_perception.evaluation.decomposition.peers.split_sdf import SplitSdf
from depth_perception.evaluation.decomposition.peers.voting import Voting

VOTING = Voting(voxel=0.02)


def test_shuffled_numbers_are_put_together(balls, ball_sizes, scores, off):
    frames = corrupt(balls, np.random.default_rng(0), LabelCorruption())
    for method in (VOTING, SplitSdf(VOTING)):
        found = method.decompose(frames)
        score, matches = scores(found, balls)
        assert score.matched == 3
        assert score.sq > 0.85
        assert score.false == score.missed == score.switches == 0
        for thing, number in matches.items():
            assert off(found.meshes[number], ball_sizes[thing]) < 0.015


def test_labels_as_given_fail_once_numbers_are_shuffled(balls, scores):
    right, _ = scores(Given(0.03).decompose(balls), balls)
    assert right.pq == 1.0
    shuffled = corrupt(balls, np.random.default_rng(0), LabelCorruption())
    wrong, _ = scores(Given(0.03).decompose(shuffled), balls)
    assert wrong.pq < 0.1
    assert wrong.switches > 20


def test_a_thing_missed_in_some_frames_and_split_in_one_is_found(balls, scores):
    frames = [replace(f, labels=f.labels.copy()) for f in balls]
    for k in (2, 5, 6):
        frames[k].labels[frames[k].labels == 2] = 0
    own = np.argwhere(frames[4].labels == 1)
    left = own[own[:, 1] < np.median(own[:, 1])]
    frames[4].labels[tuple(left.T)] = 9
    score, _ = scores(VOTING.decompose(frames), balls)
    assert score.matched == 3
    assert score.false == 0


def test_a_mask_over_two_things_does_not_join_them_for_ever(balls, scores):
    frames = [replace(f, labels=f.labels.copy()) for f in balls]
    frames[6].labels[frames[6].labels == 3] = 1
    score, _ = scores(VOTING.decompose(frames), balls)
    assert score.matched == 3


def test_overlap_by_union_is_not_won_by_a_larger_neighbor(balls, scores):
    frames = [replace(f, labels=f.labels.copy()) for f in balls]
    frames[3].labels[frames[3].labels == 3] = 1  # which shows a side of it for the first time
    plain, _ = scores(replace(VOTING, by_union=False, overlap=0.3).decompose(frames), balls)
    union, _ = scores(VOTING.decompose(frames), balls)
    assert union.matched == 3
    assert union.pq > plain.pq


def test_small_things_are_left_out(balls, scores):
    score, _ = scores(replace(VOTING, least=10_000).decompose(balls), balls)
    assert score.matched == 0
    assert score.false == 0


def test_labels_are_needed(balls):
    with pytest.raises(ValueError, match="labels"):
        VOTING.decompose([replace(balls[0], labels=None)])
