from __future__ import annotations

import numpy as np
import pytest
import torch

from depth_perception.evaluation.sensors import Frame
from depth_perception.frames import CameraModel, SparseDepth
from depth_perception.models import families
from training.datasets.recorded import (
    GivenShare,
    RecordedFrames,
    RecordedSource,
    frames_of,
    held_rings,
    part,
    stretches,
    widened,
)
from training.datasets.rendered import load_frame
from training.datasets.windows import VideoWindows
from training.learning.frame_files import FrameEntry, FrameFolder, frame_arrays

CAMERA = CameraModel.pinhole(60.0, 60.0, 47.5, 31.5, 96, 64)


def entry(index, stretch=0, pose=True):
    return FrameEntry(f"{index:06d}", index, stretch, 0.02, 0.02, 99, 300, pose, False, index + 1, 0, 0, stretch)


def points(rng, count=600):
    rows, columns = np.arange(2, 62, 4).repeat(count // 15), rng.integers(0, 96, count // 15 * 15)
    at, first = np.unique(rows * 96 + columns, return_index=True)
    depth = (2 + rows[first] / 64).astype(np.float32)
    ring = (rows[first] // 4).astype(np.int32)
    return SparseDepth((64, 96), rows[first].astype(np.int32), columns[first].astype(np.int32), depth, at, ring)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twenty frames of one recording, with a cut before the eleventh and no pose in the fifth."""
    folder, rng = tmp_path_factory.mktemp("recorded"), np.random.default_rng(0)
    frames = FrameFolder(folder / "bag")
    (folder / "bag").mkdir()
    for index in range(20):
        pose = np.eye(4)
        pose[0, 3] = 0.1 * index
        image = rng.integers(0, 255, (64, 96, 3)).astype(np.uint8)
        known = pose if index != 4 else None
        frames.add(
            entry(index, int(index >= 10), index != 4), frame_arrays(image, CAMERA, known, index, points(rng), None)
        )
    return folder


@pytest.mark.parametrize(
    ("count", "least", "sizes"), [(100, 1, (72, 8, 20)), (20, 4, (12, 4, 4)), (9, 1, (6, 1, 2)), (3, 1, (1, 1, 1))]
)
def test_the_end_scores_and_what_is_before_it_checks(count, least, sizes):
    parts = [part(count, which, least=least) for which in ("train", "check", "score")]
    assert tuple(map(len, parts)) == sizes
    assert [i for p in parts for i in p] == list(range(count))


def test_another_recording_scores_whole():
    assert list(part(5, "score", held_out=1)) == [0, 1, 2, 3, 4]
    assert not len(part(5, "train", held_out=1))


def test_stretches_end_at_cuts_and_at_unknown_places():
    entries = [entry(0), entry(1), entry(2, 1), entry(3, 1, pose=False), entry(4, 1)]
    assert [[e.stamp for e in s] for s in stretches(entries)] == [[0, 1], [2, 3, 4]]
    assert [[e.stamp for e in s] for s in stretches(entries, posed=True)] == [[0, 1], [2], [4]]


def test_windows_know_the_motion_and_cross_no_cut(folder):
    videos = RecordedSource(str(folder), posed=True).part("train")
    assert [len(v) for v in videos] == [4, 5, 4]  # 14 to train on, without the fifth, cut before the eleventh
    windows = VideoWindows(videos, (64, 96), (-1, 1))
    assert len(windows) == 2 + 3 + 2
    sample = windows[0]
    assert np.allclose(sample["poses"][0, :3, 3], [0.1, 0, 0], atol=1e-6)  # the one before stands to the left
    assert (sample["depth"] > 0).float().mean() > 0.3


def test_points_can_be_kept_from_who_learns_from_video_alone(folder):
    assert RecordedSource(str(folder), points=False).part("train")[0][0].depth is None


def test_points_are_widened_and_the_nearest_wins():
    depth = np.zeros((5, 7), np.float32)
    depth[2, 2], depth[2, 4] = 5, 3
    wide = widened(depth)
    assert wide[2, 2] == 5
    assert wide[1, 3] == 3
    assert wide[1, 1] == 5
    assert wide[2, 6] == 0


def test_a_share_of_the_points_is_given(folder):
    frame = load_frame(frames_of(folder, "train")[0])
    shares, rng = [], np.random.default_rng(0)
    for _ in range(30):
        scan = GivenShare(0.5, 0.9, rings=0)(frame, rng)
        assert (frame.depth[scan.sparse > 0] == scan.sparse[scan.sparse > 0]).all()
        shares.append(np.count_nonzero(scan.sparse) / np.count_nonzero(frame.depth))
    assert 0.4 < min(shares) < 0.6
    assert 0.8 < max(shares) < 1


def test_whole_rings_are_held_out(folder):
    frame = load_frame(frames_of(folder, "train")[0])
    scan = GivenShare(rings=1)(frame, np.random.default_rng(0))
    held = (frame.depth > 0) & (scan.sparse == 0)
    assert held.any()
    assert not set(frame.ring[held]) & set(frame.ring[scan.sparse > 0])


def test_one_ring_of_every_few_is_held():
    ring = np.arange(20).reshape(4, 5)
    counts = {held_rings(ring, np.random.default_rng(seed)).sum() for seed in range(20)}
    assert counts <= {4, 5, 6, 7, 10}
    assert len(counts) > 1


def test_what_is_given_is_no_label_and_nothing_is_said_about_whether_it_is_right(folder):
    method = families.method("refiner", families.configuration("refiner", {"widths": [8, 8], "step": 2, "dense": 0}))
    frames = RecordedFrames(frames_of(folder, "train"), method, (64, 96), scan=GivenShare(), seed=1)
    sample = frames[0]
    given, asked = sample["sparse"] > 0, sample["depth"] > 0
    assert bool(given.any())
    assert bool(asked.any())
    assert not bool((given & asked).any())
    assert bool((sample["inlier"] == -1).all())


def test_mirroring_takes_rings_along(folder):
    from training.datasets.rendered import mirrored

    frame = load_frame(frames_of(folder, "train")[0])
    other = mirrored(frame)
    assert isinstance(other, Frame)
    assert (other.ring[:, ::-1] == frame.ring).all()


def test_an_empty_folder_says_where_frames_come_from(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"training\.learn"):
        frames_of(tmp_path, "train")


def test_measured_depth_goes_into_a_batch_as_numbers(folder):
    videos = RecordedSource(str(folder)).part("check")
    sample = VideoWindows(videos, (64, 96), (1,))[0]
    assert sample["depth"].dtype == torch.float32
