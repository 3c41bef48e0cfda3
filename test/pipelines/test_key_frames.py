import numpy as np
import pytest

from depth_perception.pipelines.key_frames import KeyFrames, KeyFrameSettings, SeenVoxels, most_redundant


def pose(x=0.0, degrees=0.0):
    T = np.eye(4)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    T[:2, :2] = [[c, -s], [s, c]]
    T[0, 3] = x
    return T


def wall(start, count=200):
    return np.stack([start + np.arange(count) * 0.05, np.zeros(count), np.ones(count)], axis=1) + 0.01


NONE = np.zeros(200, np.int32)


@pytest.fixture
def chosen():
    frames = KeyFrames(KeyFrameSettings(distance=0.2, angle=15.0, new_surface=0.2, new_labels=0.3))
    assert frames.reason(pose(), wall(0), NONE) == "first"
    frames.keep(pose(), wall(0), NONE)
    return frames


def test_motion_is_measured_to_the_nearest_kept_pose(chosen):
    assert chosen.reason(pose(0.19), wall(0), NONE) == ""
    assert chosen.reason(pose(0.21), wall(0), NONE) == "motion"
    assert chosen.reason(pose(0, 16), wall(0), NONE) == "motion"
    chosen.keep(pose(0.4), wall(0), NONE)
    # back where the first frame was, after another one: nothing new
    assert chosen.reason(pose(0.02), wall(0), NONE) == ""


def test_new_surface_and_new_labels_count_without_motion(chosen):
    assert chosen.reason(pose(), wall(1.0), NONE) == ""  # 10 % new
    assert chosen.reason(pose(), wall(3.0), NONE) == "surface"
    some = NONE.copy()
    some[:20] = 7
    assert chosen.reason(pose(), wall(0), some) == "labels"
    chosen.keep(pose(), wall(0), some)
    some[:20] = 9  # another number for the same object
    assert chosen.reason(pose(), wall(0), some) == ""


def test_voxels_are_bounded_and_the_longest_unseen_go():
    seen = SeenVoxels(0.05, memory=300)
    for start in (0.0, 10.0, 20.0):
        seen.add(wall(start))
        seen.add(wall(0.0))
    assert len(seen) == 300
    assert seen.novelty(wall(0.0)) == 0.0
    assert seen.novelty(wall(10.0)) == 1.0
    assert 0.0 < seen.novelty(wall(20.0)) < 1.0


def test_negative_places_are_told_apart():
    seen = SeenVoxels(0.05, memory=100)
    seen.add(np.array([[-0.01, 0, 0]]))
    assert seen.novelty(np.array([[0.01, 0, 0]])) == 1.0
    assert seen.novelty(np.array([[-0.02, 0.01, 0.01]])) == 0.0


def test_the_most_redundant_is_the_older_of_the_two_nearest():
    poses = np.stack([pose(0.0), pose(1.0), pose(2.0), pose(2.1), pose(2.1, 60)])
    assert most_redundant(poses) == 2
    assert most_redundant(poses[:1]) == 0
