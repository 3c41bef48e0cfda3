import numpy as np

from depth_perception.models.decomposition.agreement import join


def clusters_of(masks):
    """Join regions by what views (n, regions) show, each with numbers of its own, 0 for nothing."""
    same, both = np.zeros((2, len(masks[0]), len(masks[0])))
    for view in np.asarray(masks):
        thing = view > 0
        both += thing[:, None] & thing
        same += (view[:, None] == view) & thing[:, None]
    return join(same, both, np.ones(len(same)), len(masks))


def test_a_wrong_view_is_outvoted():
    cluster = clusters_of([[1, 1, 2, 2], [7, 7, 4, 4], [3, 3, 3, 3], [1, 5, 2, 2], [2, 2, 1, 1]])
    assert cluster[0] == cluster[1] != cluster[2] == cluster[3]


def test_what_one_view_alone_shows_is_not_enough_among_many():
    assert len(set(clusters_of([[1, 1], [1, 0], [0, 1], [0, 0]]).tolist())) == 2
    assert len(set(clusters_of([[1, 1]]).tolist())) == 1, "but all there is where there is one view"


def test_sides_that_are_never_seen_together_join_through_the_one_between():
    front, back = [[1, 1, 0]] * 4, [[0, 2, 2]] * 4
    assert len(set(clusters_of(front + back).tolist())) == 1


def test_many_equal_regions_join_quickly_and_completely():
    views = np.repeat(np.arange(1, 11), 60)[None].repeat(5, 0)
    cluster = clusters_of(views)
    assert len(set(cluster.tolist())) == 10
    assert all(len(set(cluster[60 * k : 60 * k + 60].tolist())) == 1 for k in range(10))


def test_nothing_joins_nothing():
    assert join(np.zeros((0, 0)), np.zeros((0, 0)), np.zeros(0), 3).tolist() == []
