from __future__ import annotations

import json

import numpy as np
import pytest

from training.learning import extraction
from training.learning.choice import EACH_ANOTHER_LOOK
from training.learning.extraction import ExtractionSettings, extract
from training.learning.frame_files import INDEX, FrameFolder, read_frame, shrink_depth


@pytest.fixture(scope="module")
def chosen(moving, tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames") / "moving"
    return folder, extract(moving, folder, ExtractionSettings())


def test_frames_are_written_with_all_that_is_known(chosen, camera):
    folder, found = chosen
    frames = FrameFolder(folder)
    assert found.images == found.considered == 26
    assert found.world == "odom"
    assert found.has_truth
    assert len(frames.entries) + found.still == 26
    assert 18 <= len(frames.entries) <= 26
    entry = frames.entries[2]
    frame = read_frame(frames.path(entry.name))
    assert frame.image.shape == (*camera.shape, 3)
    assert np.count_nonzero(frame.depth) == entry.points > 300
    assert frame.T_world_camera is not None
    assert frame.truth is not None
    assert frame.ring.max() == 15
    assert entry.parallax > 0.016


def test_a_second_time_nothing_is_read(chosen, moving, monkeypatch):
    folder, found = chosen
    monkeypatch.setattr(extraction, "RecordedLooks", None)
    assert extract(moving, folder, ExtractionSettings()) == found


def test_what_was_killed_goes_on_to_the_same_frames(chosen, moving, tmp_path, monkeypatch):
    folder, found = chosen
    seen = []

    def killed(done, total):
        seen.append(done)
        if done == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(moving, tmp_path / "x", ExtractionSettings(), killed)
    index = tmp_path / "x" / INDEX
    before = len(index.read_text().splitlines())
    assert 2 <= before < len(FrameFolder(folder).entries)
    with index.open("a") as file:
        file.write('{"name": "0000')  # half a line
    again = extract(moving, tmp_path / "x", ExtractionSettings())
    assert again == found
    assert FrameFolder(tmp_path / "x").entries == FrameFolder(folder).entries


def test_frames_of_another_recording_are_not_mixed_in(chosen, moving, bags):
    folder, _ = chosen
    with pytest.raises(ValueError, match="chosen otherwise"):
        extract(moving, folder, ExtractionSettings(rate=5))


def test_large_pictures_are_made_smaller_with_their_camera(moving, tmp_path):
    extract(moving, tmp_path, ExtractionSettings(width=80, frames=2))
    frame = read_frame(FrameFolder(tmp_path).path("000001"))
    assert frame.image.shape == (60, 80, 3)
    assert frame.camera.K[0, 0] == pytest.approx(70)
    assert frame.truth.shape == frame.depth.shape == (60, 80)
    sparse = frame.sparse()
    assert np.median(np.abs(sparse.depth - frame.truth[sparse.rows, sparse.columns])) < 0.02


def test_it_stops_at_the_most_frames(moving, tmp_path):
    assert extract(moving, tmp_path, ExtractionSettings(frames=2)).full
    assert len(FrameFolder(tmp_path).entries) == 2


def test_a_still_camera_gives_one_frame(bags, pose, tmp_path):
    found = extract(bags("still", [pose()] * 6), tmp_path, ExtractionSettings(choice=EACH_ANOTHER_LOOK))
    assert (found.considered, found.still) == (6, 5)
    assert len(FrameFolder(tmp_path).entries) == 1
    assert json.loads((tmp_path / "extraction.json").read_text())["still"] == 5


def test_of_points_on_one_pixel_the_nearest_stays():
    depth = np.zeros((8, 8), np.float32)
    ring = np.full((8, 8), -1, np.int16)
    depth[0, 0], depth[1, 1], depth[6, 6] = 5, 2, 7
    ring[0, 0], ring[1, 1], ring[6, 6] = 1, 2, 3
    small, rings = shrink_depth(depth, (4, 4), ring)
    assert small[0, 0] == 2
    assert rings[0, 0] == 2
    assert small[3, 3] == 7
    assert np.count_nonzero(small) == 2
