from __future__ import annotations

import numpy as np
import pytest

from depth_perception.evaluation.decomposition.label_corruption import (
    CORRUPTIONS,
    LabelCorruption,
    corrupt,
    corrupt_labels,
    merged,
    missed,
    neighbors,
    ragged,
    shuffled,
    split,
)
from depth_perception.frames import CameraModel, PosedDepth


def squares():
    """Thing 1 touches 2; 3 stands alone; a column is unknown."""
    labels = np.zeros((60, 80), np.int32)
    labels[10:30, 10:25], labels[10:30, 25:40], labels[40:55, 50:70] = 1, 2, 3
    labels[:, 79] = -1
    return labels


def rng(seed=0):
    return np.random.default_rng(seed)


def same_partition(a, b):
    pairs = np.unique(np.stack([a.ravel(), b.ravel()], 1), axis=0)
    return len(pairs) == len(np.unique(a)) == len(np.unique(b))


def test_shuffling_changes_numbers_and_nothing_else():
    labels = squares()
    one, two = shuffled(labels, rng(0)), shuffled(labels, rng(1))
    assert same_partition(labels, one)
    assert not np.array_equal(one, two)
    np.testing.assert_array_equal(one == 0, labels == 0)
    np.testing.assert_array_equal(one == -1, labels == -1)


def test_splitting_makes_parts_of_one_thing_only():
    labels = squares()
    out = split(labels, rng(), 1.0)
    assert len(np.unique(out)) > len(np.unique(labels))
    for part in np.unique(out[out > 0]):
        assert len(np.unique(labels[out == part])) == 1
    np.testing.assert_array_equal(split(labels, rng(), 0.0), labels)


def test_only_things_that_touch_are_merged():
    assert neighbors(squares()) == {1: {2}, 2: {1}}
    out = merged(squares(), rng(), 1.0)
    assert len(np.unique(out[squares() > 0])) == 2
    assert (out[squares() == 3] == 3).all()


def test_missed_things_become_background():
    out = missed(squares(), rng(), 1.0)
    assert set(np.unique(out)) == {-1, 0}
    share = np.mean([len(np.unique(missed(squares(), rng(k), 0.3))) for k in range(200)])
    assert share == pytest.approx(2 + 3 * 0.7, abs=0.15)


def test_ragged_borders_stay_near_and_insides_stay_whole():
    labels = squares()
    out = ragged(labels, rng(), 1.0)
    changed = out != labels
    assert changed.mean() > 0.01
    inside = np.zeros(labels.shape, bool)
    inside[16:24, 15:20] = True
    assert not changed[inside].any()
    assert not changed[44:51, 56:64].any()


def test_the_same_seed_spoils_alike_and_strength_grows():
    labels = squares()
    how = CORRUPTIONS["usual"]
    np.testing.assert_array_equal(corrupt_labels(labels, rng(4), how), corrupt_labels(labels, rng(4), how))

    def kept(name):  # share of things found again as one segment with an overlap above one half
        hits = []
        for seed in range(40):
            out = corrupt_labels(labels, rng(seed), CORRUPTIONS[name])
            for thing in (1, 2, 3):
                own = labels == thing
                ids, counts = np.unique(out[own], return_counts=True)
                best = out == ids[counts.argmax()]
                hits.append(ids[counts.argmax()] > 0 and (own & best).sum() / (own | best).sum() > 0.5)
        return np.mean(hits)

    assert kept("shuffled") == 1.0
    assert kept("light") > kept("usual") > kept("strong")


def test_off_is_off():
    np.testing.assert_array_equal(corrupt_labels(squares(), rng(), LabelCorruption(shuffle=False)), squares())


def test_frames_keep_all_but_their_labels():
    camera = CameraModel.pinhole(50, 50, 39.5, 29.5, 80, 60)
    image, depth = np.zeros((60, 80, 3), np.uint8), np.ones((60, 80), np.float32)
    frame = PosedDepth(5, "camera", image, camera, depth, np.eye(4), squares())
    one, two = corrupt([frame, frame], rng(), CORRUPTIONS["shuffled"])
    assert one.depth is depth
    assert one.stamp == 5
    assert not np.array_equal(one.labels, two.labels)
    np.testing.assert_array_equal(frame.labels, squares())
    with pytest.raises(ValueError, match="frame 1"):
        corrupt([frame, PosedDepth(5, "camera", image, camera, depth, np.eye(4))], rng(), CORRUPTIONS["light"])
