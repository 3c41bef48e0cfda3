import numpy as np

from depth_perception.frames import ObjectSurface, OrientedBox, TriangleMesh
from depth_perception.pipelines.decomposition import Snapshot
from depth_perception.pipelines.object_changes import ChangeFeed

MESH = TriangleMesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32))
BOX = OrientedBox(np.zeros(3), np.eye(3), np.ones(3))


def snapshot(*objects, merged=None, world="1"):
    """Objects as (id, revision[, confidence[, category]])."""
    made = []
    for number, revision, *rest in objects:
        sure, category = [*rest, *(0.9, "")[len(rest) :]]
        made.append(ObjectSurface(number, MESH, BOX, sure, 0, 1, category, revision))
    return Snapshot(tuple(made), merged or {}, world)


def ids(changes):
    return [surface.id for surface in changes.objects]


def test_only_what_changed_is_told():
    feed = ChangeFeed()
    first = feed.changes(snapshot((1, 1), (2, 1)))
    assert (ids(first), first.is_complete) == ([1, 2], True)
    assert not feed.changes(snapshot((1, 1, 0.95), (2, 1)))  # another confidence alone is no news
    changed = feed.changes(snapshot((1, 1), (2, 2), (3, 1)))
    assert (ids(changed), changed.removed, changed.is_complete) == ([2, 3], (), False)
    assert ids(feed.changes(snapshot((1, 1, 0.9, "cup"), (2, 2), (3, 1)))) == [1]


def test_what_is_gone_and_where_it_went():
    feed = ChangeFeed()
    feed.changes(snapshot((1, 1), (2, 1), (3, 1)))
    changes = feed.changes(snapshot((1, 2), merged={2: 1, 9: 1}))
    assert (ids(changes), changes.removed, changes.merged) == ([1], (2, 3), {2: 1})
    assert not feed.changes(snapshot((1, 2), merged={2: 1, 9: 1}))


def test_everything_is_told_in_another_world_and_to_the_new():
    feed = ChangeFeed()
    feed.changes(snapshot((1, 1)))
    assert feed.changes(snapshot((1, 1), world="2")).is_complete
    feed.forget()
    again = feed.changes(snapshot((1, 1), world="2"))
    assert (ids(again), again.is_complete) == ([1], True)


def test_unsure_objects_are_not_there():
    feed = ChangeFeed()
    assert ids(feed.changes(snapshot((1, 1, 0.2), (2, 1, 0.8)), 0.5)) == [2]
    assert ids(feed.changes(snapshot((1, 1, 0.6), (2, 1, 0.8)), 0.5)) == [1]
    assert feed.changes(snapshot((1, 1, 0.6), (2, 1, 0.1)), 0.5).removed == (2,)
