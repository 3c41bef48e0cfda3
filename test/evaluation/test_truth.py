from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from depth_perception.evaluation.truth import TOLERANCE, FolderTruth, TopicTruth, TruthError, read_depth

SECOND = 1_000_000_000


def message(stamp):
    seconds, rest = divmod(stamp, SECOND)
    return SimpleNamespace(header=SimpleNamespace(stamp=SimpleNamespace(sec=seconds, nanosec=rest)))


def test_topic_is_matched_by_stamp_and_read_lazily():
    read = []

    def messages():
        for index in range(1000):
            read.append(index)
            yield message(index * SECOND)

    truth = TopicTruth(messages())
    assert truth.message(3 * SECOND).header.stamp.sec == 3
    assert len(read) < 10
    assert truth.message(5 * SECOND + TOLERANCE // 2).header.stamp.sec == 5
    assert truth.message(6 * SECOND + SECOND // 2) is None
    assert truth.message(5 * SECOND).header.stamp.sec == 5  # a little behind is fine
    assert truth.message(900 * SECOND).header.stamp.sec == 900
    assert truth.message(3 * SECOND) is None  # long forgotten
    assert truth.message(5000 * SECOND) is None


def write(path, millimetres):
    cv2.imwrite(str(path), np.array(millimetres, np.uint16))


def test_folder_by_stamp(tmp_path):
    stamp = 1_700_000_000_000_000_000
    write(tmp_path / f"{stamp}.png", [[1500, 0]])
    truth = FolderTruth(tmp_path, [stamp, stamp + SECOND])
    np.testing.assert_array_equal(truth.depth(stamp + 10), [[1.5, np.nan]])
    assert truth.depth(stamp + SECOND) is None


def test_folder_by_order(tmp_path):
    for index, value in enumerate([1000, 2000, 3000]):
        write(tmp_path / f"frame_{index:03}.png", [[value]])
    truth = FolderTruth(tmp_path, [30 * SECOND, 10 * SECOND, 20 * SECOND])
    assert [truth.depth(s * SECOND)[0, 0] for s in (10, 20, 30)] == [1.0, 2.0, 3.0]


def test_folder_of_another_length_is_refused(tmp_path):
    write(tmp_path / "a.png", [[1]])
    with pytest.raises(TruthError, match="1 depth pictures for 2 images"):
        FolderTruth(tmp_path, [1, 2])


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(TruthError, match="no depth pictures"):
        FolderTruth(tmp_path, [1])


def test_scale_and_floating_point_files(tmp_path):
    write(tmp_path / "a.png", [[512, 0]])
    np.testing.assert_array_equal(read_depth(tmp_path / "a.png", 1 / 256), [[2.0, np.nan]])
    np.save(tmp_path / "b.npy", np.array([[2.5, -1.0, np.inf]]))
    np.testing.assert_array_equal(read_depth(tmp_path / "b.npy", 1 / 256), [[2.5, np.nan, np.nan]])


def test_unusable_files_are_named(tmp_path):
    cv2.imwrite(str(tmp_path / "c.png"), np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(TruthError, match=r"c\.png: not a depth picture"):
        read_depth(tmp_path / "c.png")
    cv2.imwrite(str(tmp_path / "d.png"), np.zeros((2, 2), np.uint8))
    with pytest.raises(TruthError, match="8-bit"):
        read_depth(tmp_path / "d.png")
