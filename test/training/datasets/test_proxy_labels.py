from __future__ import annotations

import pickle
import sys
import types

import cv2
import numpy as np
import pytest

from depth_perception.frames import CameraModel
from training.datasets.proxy_labels import CallableLabels, ClusterLabels, FolderLabels, RenderedLabels, describe
from training.datasets.video import RenderedVideo, VideoFrame

CAMERA = CameraModel.pinhole(80, 80, 47.5, 35.5, 96, 72)


def scene(shift=0, name="walk/000"):
    """Red wall, grey floor, and a rough blue box: three things with nothing in common."""
    rng = np.random.default_rng(shift)
    image = np.full((72, 96, 3), (170, 60, 50), np.uint8)
    truth = np.ones((72, 96), int)
    image[48:], truth[48:] = 110, 2
    box = slice(18, 54), slice(20 + shift, 62 + shift)
    image[box], truth[box] = np.array((30, 60, 150)) + rng.normal(0, 20, (36, 42, 1)), 3
    image = np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)
    return VideoFrame(name, image, CAMERA), truth


def test_clusters_find_what_looks_alike_in_all_frames():
    labels = ClusterLabels(clusters=3, cells=120)
    labels.fit([scene(shift)[0] for shift in (0, 4, 8)])
    names = {}
    for shift in (2, 12, 24):
        frame, truth = scene(shift)
        found = labels(frame)
        assert found.shape == (72, 96)
        assert set(np.unique(found)) <= {0, 1, 2, 3}
        for thing in (1, 2, 3):
            values, counts = np.unique(found[truth == thing], return_counts=True)
            assert counts.max() > 0.85 * counts.sum(), "cells do not follow the edges"
            names.setdefault(thing, set()).add(int(values[counts.argmax()]))
    assert all(len(found) == 1 for found in names.values()), "a thing has another number in another frame"
    assert len(set.union(*names.values())) == 3


def test_clusters_repeat_and_travel_to_workers():
    frames = [scene(shift)[0] for shift in (0, 5)]
    first, again = ClusterLabels(4), ClusterLabels(4)
    for labels in (first, again):
        labels.fit(frames)
    assert np.array_equal(first(frames[0]), again(frames[0]))
    assert np.array_equal(pickle.loads(pickle.dumps(first))(frames[1]), first(frames[1]))
    with pytest.raises(RuntimeError, match="not fitted"):
        ClusterLabels()(frames[0])
    with pytest.raises(ValueError, match="need frames"):
        ClusterLabels().fit([])


def test_what_is_like_nothing_seen_before_is_unknown():
    labels = ClusterLabels(clusters=3, cells=120)
    labels.fit([scene(shift)[0] for shift in (0, 4, 8)])
    frame, _ = scene(0)
    frame.image[:30, 70:] = (0, 255, 0)
    assert (labels(frame)[4:26, 74:92] == 0).mean() > 0.8


def test_superpixels_keep_to_edges():
    frame, truth = scene()
    region, found = describe(frame.image, 120)
    assert found.shape == (region.max() + 1, 6)
    mixed = sum(min(np.bincount(truth[region == k], minlength=4)[1:].max(), 10**6) for k in range(len(found)))
    assert mixed / truth.size > 0.95


def test_rendered_labels_are_wrong_in_whole_regions(sequences):
    frame = RenderedVideo(sequences / "00000001.npz")[2]
    assert np.array_equal(RenderedLabels(0.0)(frame), frame.label)
    noisy = RenderedLabels(0.5)(frame)
    changed = noisy != frame.label
    assert 0 < changed.mean() < 1
    assert noisy.max() < RenderedLabels().classes
    # a wrong region is wrong all over
    for kind in np.unique(frame.label):
        count, region = cv2.connectedComponents((frame.label == kind).astype(np.uint8))
        assert all(len(np.unique(noisy[region == k])) == 1 for k in range(1, count))
    assert np.array_equal(noisy, RenderedLabels(0.5)(frame)), "the same frame, the same mistakes"
    with pytest.raises(ValueError, match="not rendered"):
        RenderedLabels()(scene()[0])


def test_images_of_a_folder_are_found_by_name(tmp_path):
    frame, truth = scene()
    (tmp_path / "walk").mkdir()
    values = truth.astype(np.uint8)
    values[0, 0] = 200
    cv2.imwrite(str(tmp_path / "walk" / "000.png"), values)
    labels = FolderLabels(str(tmp_path), 4)
    labels.fit([frame])
    found = labels(frame)
    assert found[0, 0] == 0, "no such class"
    assert np.array_equal(found[1:], truth[1:])
    missing = VideoFrame("walk/001", frame.image, CAMERA)
    assert (labels(missing) == 0).all()
    with pytest.raises(FileNotFoundError, match="none of the frames"):
        labels.fit([missing])
    with pytest.raises(FileNotFoundError, match="no folder"):
        FolderLabels(str(tmp_path / "nothing"), 4)
    cv2.imwrite(str(tmp_path / "walk" / "001.png"), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="one channel"):
        labels(missing)


def test_any_function_may_label(monkeypatch):
    module = types.ModuleType("my_segmenter")
    module.by_height = lambda image: np.arange(image.shape[0])[:, None] // 24 + np.zeros(image.shape[1], int)
    module.wrong = lambda image: np.zeros((4, 4))
    monkeypatch.setitem(sys.modules, "my_segmenter", module)
    frame, _ = scene()
    for name in ("my_segmenter:by_height", "my_segmenter.by_height"):
        labels = CallableLabels(name, 3)
        labels.fit([frame])
        assert labels(frame)[:, 0].tolist() == [0] * 24 + [1] * 24 + [2] * 24
    with pytest.raises(ValueError, match="whole numbers"):
        CallableLabels("my_segmenter:wrong", 3).fit([frame])
    with pytest.raises(ImportError):
        CallableLabels("no_such_module:function", 3).fit([frame])
