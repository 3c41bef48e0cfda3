import numpy as np
import pytest

from depth_perception.models.decomposition import consensus
from depth_perception.models.decomposition.consensus import find_consensus
from depth_perception.models.decomposition.key_frame import LabelledPoints, inner_pixels


def image(parts, seed=0):
    """A view: ``parts`` maps a label to the places it shows."""
    numbers = sorted(parts)
    places = np.concatenate([np.asarray(parts[n]) for n in numbers])
    groups = np.repeat(np.arange(len(numbers)), [len(parts[n]) for n in numbers]).astype(np.int32)
    order = np.random.default_rng(seed).permutation(len(places))
    points = np.zeros((len(places), 3), np.float32)
    labels = np.array(numbers, np.int32)
    return LabelledPoints(points, groups[order], labels, np.ones(len(places), bool)), places[order]


def objects_of(parts_of_views):
    """Return, for each view, what each of its labels says most for (0 background), and how many objects there are."""
    views = [image(parts, k) for k, parts in enumerate(parts_of_views)]
    found = consensus_of(views)
    out = [
        {int(label): int(said.argmax()) for label, said in zip(view[0].labels, evidence)}
        for view, evidence in zip(views, found.evidence)
    ]
    return out, found.objects


def consensus_of(views):
    return find_consensus([v[0] for v in views], [v[1] for v in views], [v[1] // 5 for v in views], 5)


A, B, C, FLOOR = range(0, 40), range(100, 140), range(200, 240), range(1000, 1200)


def test_masks_of_one_thing_are_one_object_whatever_their_numbers():
    views, count = objects_of([{0: FLOOR, 1: A, 2: B, 3: C}, {0: FLOOR, 7: A, 1: C, 2: B}, {0: FLOOR, 3: B, 9: A}])
    assert count == 3
    assert views[0][1] == views[1][7] == views[2][9]
    assert views[0][2] == views[1][2] == views[2][3]
    assert views[0][3] == views[1][1]
    assert len({views[0][1], views[0][2], views[0][3]}) == 3
    assert views[0][0] == 0


def test_views_that_overlap_little_are_joined_through_those_between():
    sides = [range(20 * k, 20 * k + 50) for k in range(6)]
    views, count = objects_of([{0: FLOOR, k + 1: side} for k, side in enumerate(sides)])
    assert count == 1
    assert {views[k][k + 1] for k in range(6)} == {1}


def test_a_mask_over_two_things_speaks_for_neither_against_the_other():
    parts = [{1: A, 2: B, 3: C}, {2: A, 1: B}, {5: [*A, *B], 4: C}, {3: A, 4: B, 1: C}, {4: A, 1: B}]
    views = [image(p, k) for k, p in enumerate(parts)]
    found = consensus_of(views)
    assert found.objects == 3
    said = found.evidence[2][list(views[2][0].labels).index(5)]
    first, second = (int(found.evidence[0][k].argmax()) for k in (0, 1))
    assert said[first] == pytest.approx(said[second], abs=0.05)
    assert said[first] > 2
    assert said.min() < 1.0
    names, _ = objects_of(parts)
    assert names[0][1] == names[1][2] == names[3][3] == names[4][4]


def test_pieces_that_single_views_cut_off_join_the_whole():
    views, count = objects_of([{1: A}, {1: A[:20], 2: A[20:]}, {1: A}, {3: A}, {1: A[:15], 4: A[15:]}, {2: A}])
    assert count == 1
    assert set(views[1].values()) | set(views[4].values()) == {1}


def test_things_that_are_always_apart_stay_apart():
    views, count = objects_of([{1: A[:20], 2: A[20:]}] * 4)
    assert count == 2
    assert views[0][1] != views[0][2]


def test_views_that_miss_a_thing_do_not_speak_against_it():
    views, count = objects_of([{0: FLOOR, 1: A}, {0: [*FLOOR, *A]}, {0: FLOOR, 2: A}, {0: [*FLOOR, *A]}])
    assert count == 1
    assert views[0][1] == views[2][2] == 1


def test_a_view_that_misses_a_thing_gives_it_nothing_of_what_is_around():
    views = [image(p, k) for k, p in enumerate([{0: FLOOR, 1: A}, {0: [*FLOOR, *A]}, {0: FLOOR, 2: A}])]
    missed = consensus_of(views).evidence[1][0]
    assert missed[0] > missed[1] > 1.0


def test_a_border_that_has_no_mask_of_its_own_is_no_object():
    between = range(300, 312)
    left, right = {1: [*A, *between], 2: B}, {1: A, 2: [*B, *between]}
    assert objects_of([left, right] * 3)[1] == 2


def test_things_never_seen_together_are_two():
    views, count = objects_of([{1: A}, {1: B}, {1: A}, {1: B}])
    assert count == 2
    assert views[0][1] == views[2][1] != views[1][1]


def test_regions_beyond_the_most_that_are_joined_find_their_object(monkeypatch):
    monkeypatch.setattr(consensus, "_MOST_REGIONS", 12)
    views, count = objects_of([{0: FLOOR, k + 1: A, k + 2: B, k + 3: C} for k in range(4)])
    assert count == 3
    assert views[0][1] == views[1][2] == views[3][4] > 0


def test_nothing_gives_nothing():
    assert find_consensus([], [], [], 5).objects == 0
    assert objects_of([{0: FLOOR}])[1] == 0
    assert objects_of([{0: FLOOR, 1: range(3)}])[1] == 0, "too small"


def test_inner_pixels_keep_away_from_borders():
    labels = np.zeros((12, 12), np.int32)
    labels[:, 6:] = 3
    inner = inner_pixels(labels)
    assert inner[:, :4].all()
    assert not inner[:, 4:8].any()
    assert inner[:, 8:].all()
