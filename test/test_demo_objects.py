from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parent / "support"))

from ball_scene import FRAME, START, BallScene, KnowingFitter, loop

from depth_perception import demo, demo_objects
from depth_perception.pipelines.decomposition import Decomposition
from depth_perception.pipelines.decomposition_settings import DecompositionSettings
from depth_perception.pipelines.scene_model import ModelError

pytest.importorskip("rosbags")
pytest.importorskip("trimesh")
FRAMES = 8


def write(path, with_truth=True, with_points=False):
    """A round about the balls with depth and labels whose numbers are others in every image."""
    from depth_perception.messages.camera_info import info_from_camera
    from depth_perception.messages.image import encode_depth, encode_image
    from depth_perception.messages.labels import encode_labels
    from depth_perception.messages.point_cloud import encode_cloud
    from depth_perception.messages.transform import tf_message, transform_message
    from depth_perception.messages.types import rosbags_types
    from depth_perception.recordings.writer import RecordingWriter

    types, balls = rosbags_types(), BallScene()
    with RecordingWriter(path, typestore=types.typestore) as writer:
        for index, pose in enumerate(loop(FRAMES)):
            stamp = START + index * 100_000_000
            frame, shuffled = balls.frame(pose, stamp), balls.frame(pose, stamp, shuffle=index)
            moved = transform_message(types, "odom", FRAME, stamp, pose)
            messages = {
                "/tf": tf_message(types, [moved]),
                "/camera/camera_info": info_from_camera(types, frame.camera, stamp, FRAME),
                "/camera/image": encode_image(types, frame.image, "rgb8", stamp, FRAME),
                "/camera/depth/image": encode_depth(types, frame.depth, "32FC1", stamp, FRAME)[0],
                "/camera/labels": encode_labels(types, shuffled.labels, "16UC1", stamp, FRAME),
            }
            if with_truth:
                truth = encode_image(types, frame.labels.astype(np.uint8), "mono8", stamp, FRAME)
                messages["/camera/labels/ground_truth"] = truth
            if with_points:
                messages["/points"] = encode_cloud(types, np.ones((3, 3), np.float32), stamp, FRAME)
            for topic, message in messages.items():
                writer.write(topic, message, stamp + 1_000_000)
    return path


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return write(tmp_path_factory.mktemp("demo") / "balls")


class Forgetful(Decomposition):
    """Begins a new scene in the middle of the round, so that ids change."""

    frames = 0

    def add(self, frame):
        self.frames += 1
        if self.frames == FRAMES // 2 + 1:
            self.tracks.next_id = 50
            for number in list(self.tracks.tracks):
                del self.tracks.tracks[number]
        return super().add(frame)


def scene(kind=Decomposition):
    return kind(
        DecompositionSettings(profile="tiny", steps=3, least_pixels=5),
        lambda low, high: KnowingFitter(BallScene(), low, high),
    )


def test_labels_are_looked_for_and_a_point_cloud_is_for_completion(recording, tmp_path):
    assert demo_objects.label_topic(recording) == "/camera/labels"
    assert demo_objects.label_topic(write(tmp_path / "points", with_points=True)) == ""


def test_a_recording_becomes_objects_scored_by_its_true_labels(recording, tmp_path):
    out = tmp_path / "out"
    (out / "turntable").mkdir(parents=True)
    (out / "turntable" / "old.png").touch()
    found = demo_objects.run(recording, out, scene())
    assert sorted(path.name for path in (out / "turntable").iterdir()) == ["000001.png", "000002.png", "000003.png"]
    assert (out / "report.html").is_file()
    cells = demo_objects.row("balls", found)
    assert cells[:4] == ["balls", "8", "3", "3"]
    assert cells[6] == "0 in 2"
    score = found.scene.compute()
    assert 0.9 < score.pq <= 1.0  # KnowingFitter gives pixels next to the floor to the floor
    assert (score.matched, score.false, score.missed) == (3, 0, 0)
    text = demo_objects.text([cells])
    assert len(text.splitlines()) == 4


def test_ids_that_change_on_the_way_are_counted(recording, tmp_path):
    found = demo_objects.run(recording, tmp_path / "out", scene(Forgetful))
    assert demo_objects.row("balls", found)[6] == "3 in 2"


def test_without_true_labels_nothing_is_scored(tmp_path):
    found = demo_objects.run(write(tmp_path / "bag", with_truth=False), tmp_path / "out", scene())
    assert demo_objects.row("bag", found)[2:7] == ["3", "–", "–", "–", "–"]


@pytest.mark.parametrize("able", [True, False])
def test_the_demo_prints_objects_apart_from_completion(able, recording, tmp_path, monkeypatch, capsys):
    run = demo_objects.run

    def instead(path, out):
        if not able:
            raise ModelError("no torch")
        return run(path, out, scene())

    monkeypatch.setattr(demo_objects, "run", instead)
    monkeypatch.setattr(demo, "play", lambda *given: pytest.fail("a recording without points was played"))
    assert demo.run_demo(recording, tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert ("left out: no torch" in printed) is not able
    assert (f"{tmp_path / 'out' / 'balls' / 'objects' / 'report.html'}" in printed) is able
    assert ("0 in 2" in printed) is able
    assert "Scores" not in printed
