from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depth_perception.frames import DepthPrediction, ScaleKind
from training.datasets import tracked as module
from training.datasets.tracked import TrackedSource, tracked
from training.datasets.video import RenderedVideo
from training.synthetic.sequences import Settings, render_sequence

UNIT = 0.25  # network units of a metre


class Oracle:
    """Knows the depth of every frame of a rendered video, in a unit of its own."""

    name, version, scale = "oracle", "1", ScaleKind.UP_TO_SCALE

    def __init__(self, video):
        self.depth = {video[k].image.tobytes(): video[k].depth for k in range(len(video))}

    def infer(self, image, camera=None):
        depth = UNIT * np.where(self.depth[image.tobytes()] > 0, self.depth[image.tobytes()], np.nan)
        return DepthPrediction(depth.astype(np.float32), (0.02 * depth).astype(np.float32), None)


class Part:
    """Frames ``numbers`` of a video, in that order."""

    def __init__(self, video, numbers):
        self.video, self.numbers, self.name = video, numbers, "part"

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, index):
        return self.video[self.numbers[index]]


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    file = tmp_path_factory.mktemp("walk") / "00000002.npz"
    np.savez(file, **render_sequence(2, Settings(frames=10, size=(120, 160), rate=5.0, kinds=("indoor",))))
    return RenderedVideo(file)


def test_poses_are_those_of_the_camera_in_the_estimator_s_unit(video):
    (found,) = tracked(video, Oracle(video))
    assert len(found) >= 8
    assert found[0].name == video[found.numbers[0]].name
    for k in range(1, len(found)):
        a, b = found.numbers[k - 1], found.numbers[k]
        true = np.linalg.inv(video[a].T_world_camera) @ video[b].T_world_camera
        own = np.linalg.inv(found[k - 1].T_world_camera) @ found[k].T_world_camera
        turn = np.arccos(np.clip((np.trace(true[:3, :3].T @ own[:3, :3]) - 1) / 2, -1, 1))
        assert np.degrees(turn) < 0.5
        way = np.linalg.norm(true[:3, 3])
        assert np.linalg.norm(own[:3, 3] / UNIT - true[:3, 3]) < 0.25 * way + 0.01


def test_frames_are_taken_as_soon_as_the_camera_moved_enough(video):
    oracle = Oracle(video)
    every, few = (tracked(video, oracle, least=least)[0] for least in (0.005, 0.06))
    assert len(few) < len(every)
    for k in range(1, len(few)):
        T = np.linalg.inv(few.poses[k - 1]) @ few.poses[k]
        median = np.nanmedian(oracle.infer(few[k - 1].image).depth)
        assert np.linalg.norm(T[:3, 3]) >= 0.06 * median
    assert set(tracked(video, oracle, step=3)[0].numbers) <= {0, 3, 6, 9}


def test_a_stretch_ends_where_the_camera_stands_or_the_view_is_cut(video):
    oracle = Oracle(video)
    standing = Part(video, [0, 1, 2, *[3] * 6, 4, 5, 6])
    first, second = tracked(standing, oracle, least=0.005, longest=3)
    assert first.numbers == [0, 1, 2, 3]
    assert second.numbers[-3:] == [9, 10, 11]
    assert np.array_equal(second.poses[0], np.eye(4))
    assert tracked(Part(video, [4] * 12), oracle) == []


def test_a_source_tells_when_nothing_moves(video, monkeypatch):
    asked = []
    monkeypatch.setattr(
        module.zoo, "load_estimator", lambda name, file=None: asked.append((name, file)) or Oracle(video)
    )

    class Two:
        def videos(self, held_out):
            return [Part(video, [2] * 8)] if held_out else [video]

    source = TrackedSource("estimation-small", source=Two(), least=0.005)
    assert len(source.videos(False)[0]) >= 8
    assert source.videos(False) is source.videos(False)
    with pytest.raises(ValueError, match=r"too little motion.* in part"):
        source.videos(True)
    with pytest.raises(ValueError, match="a folder or from a source"):
        TrackedSource("estimation-small")
    TrackedSource("mine.safetensors", source=Two(), least=0.005).videos(False)
    assert asked == [("estimation-small", None)] * 2 + [("estimation-small", Path("mine.safetensors"))]
